"""Writing that is on the disk when the call returns, and says why when it cannot be."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from privacy.ledger_records import LedgerError

REASONS = {
    errno.ENOSPC: "no space left on the disk",
    errno.EDQUOT: "no quota left on the disk",
    errno.EFBIG: "the largest file size allowed here reached",
    errno.EROFS: "a read-only disk",
    errno.EACCES: "no permission to write",
    errno.EPERM: "no permission to write",
}


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turns the operating system's refusal to write `path` into a LedgerError that says which."""
    try:
        yield
    except OSError as error:
        reason = REASONS.get(error.errno or 0, f"the error {error.strerror or error}")
        raise LedgerError(
            f"found {reason} at {path}; expected a folder that can be written. Nothing was "
            "released, and what was spent stays spent. What to do: make room or give permission "
            "to write, then start again."
        ) from error


def append(descriptor: int, data: bytes, path: Path) -> None:
    """Write at the end of an open file and wait until the disk has it."""
    with storage(path):
        _write_all(descriptor, data)
        os.fsync(descriptor)


def write_whole(path: Path, data: bytes) -> None:
    """Put a file in place, readable by its owner alone: after a crash it is whole or absent."""
    with storage(path):
        beside = path.with_name(path.name + ".part")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(beside, path)
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names of a folder's files."""
    with storage(folder):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
