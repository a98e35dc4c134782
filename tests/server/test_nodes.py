"""Each member is known by one P-384 key of its own; a list that says less is refused."""

from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from client.node_key import new_node_key, public_text
from server.nodes import read_nodes
from study.failure import ExitCode, Failure
from tests.study.small_study import protocol_with

PROTOCOL = protocol_with()
KEYS = {name: public_text(new_node_key()).strip() for name in ("east", "north", "west")}


def listed(folder: Path, keys: object) -> Path:
    path = folder / "nodes.yaml"
    path.write_text(yaml.safe_dump(keys))
    return path


def line(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def test_keys_come_by_clinic_and_without_their_comment(tmp_path: Path) -> None:
    keys = {**KEYS, "east": f"{KEYS['east']} root@clinic"}
    assert read_nodes(listed(tmp_path, keys), PROTOCOL) == KEYS


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({name: key for name, key in KEYS.items() if name != "west"}, "without keys of ..west"),
        ({**KEYS, "island": KEYS["east"]}, "island.*no members"),
        ({**KEYS, "west": KEYS["east"]}, "one key for two"),
        ({**KEYS, "west": "ecdsa-sha2-nistp384 AAAA"}, "no OpenSSH P-384 public key for ..west"),
        ({**KEYS, "west": line(ed25519.Ed25519PrivateKey.generate())}, "no OpenSSH P-384"),
        ({**KEYS, "west": line(ec.generate_private_key(ec.SECP256R1()))}, "no OpenSSH P-384"),
        ({**KEYS, "west": None}, "no OpenSSH P-384"),
        (["east"], "without `clinic: key`"),
    ],
)
def test_a_list_that_names_not_each_member_once_is_refused(
    keys: object, found: str, tmp_path: Path
) -> None:
    with pytest.raises(Failure, match=found) as failure:
        read_nodes(listed(tmp_path, keys), PROTOCOL)
    assert failure.value.code is ExitCode.BAD_DATA


def test_no_list_is_a_missing_input(tmp_path: Path) -> None:
    with pytest.raises(Failure) as failure:
        read_nodes(tmp_path / "nodes.yaml", PROTOCOL)
    assert failure.value.code is ExitCode.MISSING_INPUT
