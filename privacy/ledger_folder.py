"""The folder of a ledger: its lock, so that one process at a time spends, and its signing key."""

import fcntl
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from privacy.durable import storage, write_whole
from privacy.ledger_records import LedgerError, LedgerHeld

RECORDS = "ledger.jsonl"
KEY = "ledger.key"
LOCK = "ledger.lock"


def locked(folder: Path) -> int:
    """Descriptor of the folder's lock, held until it is closed; refuses a second holder."""
    with storage(folder / LOCK):
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise LedgerHeld(
            f"found {folder} held by another process, or not closed in this one; expected one user "
            "of a ledger at a time. Nothing was spent. What to do: stop the other agent."
        ) from error
    return descriptor


def public_key(folder: Path) -> str | None:
    """The ledger's public key, hex; None in a folder that has no key yet."""
    path = folder / KEY
    if not path.is_file():
        return None
    key = Ed25519PrivateKey.from_private_bytes(path.read_bytes())
    return key.public_key().public_bytes_raw().hex()


def signing_key(folder: Path) -> Ed25519PrivateKey:
    """The clinic's key, made in an empty folder; refuses one others can read, or a lost one."""
    path = folder / KEY
    records = folder / RECORDS
    if not path.exists():
        if records.exists() and records.stat().st_size:
            raise LedgerError(
                f"found records and no key at {path}; expected the key that signed them. The "
                "ledger was not opened. What to do: restore the key from the clinic's backup."
            )
        write_whole(path, Ed25519PrivateKey.generate().private_bytes_raw())
    if path.stat().st_mode & 0o077:
        raise LedgerError(
            f"found {path} readable by others; expected mode 0600. The ledger was not opened. "
            f"What to do: chmod 600 {path}, and ask who has read it."
        )
    return Ed25519PrivateKey.from_private_bytes(path.read_bytes())
