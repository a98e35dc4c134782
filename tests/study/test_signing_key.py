"""Keys: for their owner alone, and never written over."""

import os
from pathlib import Path

import pytest

from study.failure import ExitCode, Failure
from study.signing_key import make_key, public_hex, read_key


def test_a_key_is_read_as_it_was_made_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "k"
    old = os.umask(0)
    try:
        key = make_key(path)
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600
    assert public_hex(read_key(path)) == public_hex(key)
    assert public_hex(make_key(tmp_path / "other")) != public_hex(key)


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "k"
    make_key(path)
    before = path.read_bytes()
    with pytest.raises(Failure) as refused:
        make_key(path)
    assert refused.value.code == ExitCode.REFUSED
    assert path.read_bytes() == before


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "k").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Failure):
        make_key(tmp_path / "k")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("contents", [b"", b"x" * 31, b"x" * 33])
def test_what_is_no_key(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "k"
    path.write_bytes(contents)
    path.chmod(0o600)
    with pytest.raises(Failure, match="no key in"):
        read_key(path)


def test_a_key_others_can_read_or_none(tmp_path: Path) -> None:
    make_key(tmp_path / "k")
    (tmp_path / "k").chmod(0o640)
    with pytest.raises(Failure, match="readable by others"):
        read_key(tmp_path / "k")
    with pytest.raises(Failure, match="no key in"):
        read_key(tmp_path / "absent")
