"""Writing to disk: whole or absent, in the right order, and refusals that say why."""

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from privacy.durable import REASONS, append, storage, write_whole
from privacy.ledger_records import LedgerError


def test_a_file_is_put_in_place_whole(tmp_path: Path) -> None:
    path = tmp_path / "vector"
    write_whole(path, b"first")
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_disk_has_the_contents_before_the_name_and_the_name_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    for name in ("write", "fsync", "replace"):
        real = getattr(os, name)

        def noted(*arguments: Any, name: str = name, real: Any = real) -> Any:
            order.append(name)
            return real(*arguments)

        monkeypatch.setattr(os, name, noted)
    write_whole(tmp_path / "vector", b"contents")
    assert order == ["write", "fsync", "replace", "fsync"]


def test_a_failure_leaves_the_old_contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "vector"
    write_whole(path, b"first")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LedgerError, match="no space left"):
        write_whole(path, b"second")
    assert path.read_bytes() == b"first"


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:3]))
    path = tmp_path / "records"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    append(descriptor, b"one long line\n", path)
    os.close(descriptor)
    assert path.read_bytes() == b"one long line\n"


def test_a_full_device_says_so() -> None:
    """The real thing: every write to /dev/full fails for want of space."""
    path = Path("/dev/full")
    descriptor = os.open(path, os.O_WRONLY)
    try:
        with pytest.raises(LedgerError, match="no space left on the disk at /dev/full"):
            append(descriptor, b"x", path)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("code", REASONS)
def test_every_reason_is_said(code: int, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=REASONS[code]), storage(tmp_path):
        raise OSError(code, "refused")


def test_other_errors_pass_unchanged(tmp_path: Path) -> None:
    with pytest.raises(KeyError), storage(tmp_path):
        raise KeyError("not of the disk")
