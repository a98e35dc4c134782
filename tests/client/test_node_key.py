"""The node key: in the form that Flower's own programs read, secret, and nothing else accepted."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_ssh_private_key,
)
from flwr.cli.supernode.register import try_load_public_key
from flwr.supercore.primitives.asymmetric import public_key_to_bytes

from client.node_key import new_node_key, private_text, public_text, read_node_key
from study.failure import Failure


def written(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_key_comes_back_and_is_p_384(tmp_path: Path) -> None:
    key = new_node_key()
    again = read_node_key(written(tmp_path / "node.key", private_text(key)))
    assert again.private_numbers() == key.private_numbers()
    assert again.curve.name == "secp384r1"


def test_flower_reads_both_halves(tmp_path: Path) -> None:
    """The SuperNode loads the private file, `flwr supernode register` the public one."""
    key = new_node_key()
    loaded = load_ssh_private_key(private_text(key), None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    public = written(tmp_path / "node.pub", public_text(key).encode())
    assert try_load_public_key(public) == public_key_to_bytes(key.public_key())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused(mode: int, tmp_path: Path) -> None:
    path = written(tmp_path / "node.key", private_text(new_node_key()), mode)
    with pytest.raises(Failure, match=f"readable by others .mode {mode:o}"):
        read_node_key(path)


def _other(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "no key in"),
        (b"not a key", "no key in"),
        (private_text(new_node_key())[:200], "no key in"),
        (_other(ed25519.Ed25519PrivateKey.generate()), "another kind"),
        (_other(ec.generate_private_key(ec.SECP256R1())), "another kind"),
    ],
)
def test_what_is_no_node_key_is_refused(content: bytes, found: str, tmp_path: Path) -> None:
    with pytest.raises(Failure, match=found):
        read_node_key(written(tmp_path / "node.key", content))


def test_an_absent_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="No such file"):
        read_node_key(tmp_path / "node.key")
