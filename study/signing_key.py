"""Ed25519 keys of coordinators and sites: one file of 32 bytes each, for its owner alone."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from study.failure import ExitCode, Failure


def make_key(path: Path) -> Ed25519PrivateKey:
    """A new key in a new file of mode 0600; a Failure if anything lies there already."""
    key = Ed25519PrivateKey.generate()
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise _bad(f"{path}, where no key can be made: {error.strerror}", "a new file") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes_raw())
        file.flush()
        os.fsync(file.fileno())
    return key


def read_key(path: Path) -> Ed25519PrivateKey:
    """The key in this file; a Failure if it is absent, no key, or others can read it."""
    try:
        if path.stat().st_mode & 0o077:
            raise _bad(f"{path} readable by others", "mode 0600")
        return Ed25519PrivateKey.from_private_bytes(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _bad(f"no key in {path}: {error}", "32 bytes, mode 0600") from error


def public_hex(key: Ed25519PrivateKey) -> str:
    """The public half, as hex: what others compare and keep."""
    return key.public_key().public_bytes_raw().hex()


def _bad(found: str, expected: str) -> Failure:
    return Failure(
        found=found,
        expected=expected,
        consequence="Nothing was signed and no key was changed.",
        remedy="`insula study keygen FILE` makes a key; restore a lost one from its backup",
        code=ExitCode.REFUSED,
    )
