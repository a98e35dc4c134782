"""The node key: by it the server knows a clinic's relay. P-384, in the form that Flower reads.

Flower takes OpenSSH files (PEM armour): the private one is never sent, the public one goes to the
coordinator, who registers it.
"""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from study.failure import ExitCode, Failure


def new_node_key() -> ec.EllipticCurvePrivateKey:
    """A new key on the curve P-384."""
    return ec.generate_private_key(ec.SECP384R1())


def private_text(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The whole key as an OpenSSH file, without a passphrase: the relay starts by itself."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def public_text(key: ec.EllipticCurvePrivateKey) -> str:
    """The public half as one OpenSSH line, what `flwr supernode register` takes."""
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return f"{public.decode('ascii')}\n"


def read_node_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key in this file; a Failure if it is absent, no P-384 key, or others can read it."""
    try:
        mode = path.stat().st_mode
        if mode & 0o077:
            raise _bad(f"{path} readable by others (mode {mode & 0o777:03o})", "mode 600")
        key = load_ssh_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _bad(f"no key in {path}: {error}", "an OpenSSH P-384 key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP384R1):
        raise _bad(f"another kind of key in {path}", "an OpenSSH P-384 key")
    return key


def _bad(found: str, expected: str) -> Failure:
    return Failure(
        found=found,
        expected=expected,
        consequence="Nothing was sent.",
        remedy="restore the file from its backup and run chmod 600 on it",
        code=ExitCode.REFUSED,
    )
