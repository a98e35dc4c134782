"""Evidence is kept as long as it is somebody's newest, and read only as it was written."""

import json
from pathlib import Path

import pytest

from privacy.ledger_checkpoint import Checkpoint, CheckpointError
from privacy.witnessed import (
    WITNESSED,
    Witnessed,
    added,
    as_bytes,
    as_plain,
    from_plain,
    read_witnessed,
)

SEAL = (b"k" * 32, b"s" * 64)


def witnessed(size: int, *names: str, seal: tuple[bytes, bytes] = SEAL) -> Witnessed:
    checkpoint = Checkpoint(b"p" * 32, size, bytes([size]) * 32, b"o" * 64)
    return Witnessed(checkpoint, dict.fromkeys(names, seal))


def test_signatures_under_one_checkpoint_come_together() -> None:
    kept = added((witnessed(3, "north"),), witnessed(3, "east"))
    assert kept == (witnessed(3, "east", "north"),)
    assert list(kept[0].by) == ["east", "north"]


def test_of_each_witness_the_newest_stays() -> None:
    kept = added((witnessed(3, "north", "east"),), witnessed(5, "north"))
    assert kept == (witnessed(3, "east"), witnessed(5, "north"))
    assert added(kept, witnessed(7, "east")) == (witnessed(5, "north"), witnessed(7, "east"))


def test_an_older_signature_replaces_none() -> None:
    assert added((witnessed(5, "north"),), witnessed(3, "north")) == (witnessed(5, "north"),)


def test_what_nobody_signed_is_not_kept() -> None:
    assert added((), witnessed(3)) == ()


def test_two_histories_of_one_size_are_both_kept() -> None:
    """That is the proof of a fork."""
    forked = Witnessed(Checkpoint(b"p" * 32, 3, b"x" * 32, b"o" * 64), {"east": SEAL})
    assert len(added((witnessed(3, "north"),), forked)) == 2


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_witnessed(tmp_path) == ()
    kept = (witnessed(3, "east"), witnessed(5, "north"))
    (tmp_path / WITNESSED).write_bytes(as_bytes(kept))
    assert read_witnessed(tmp_path) == kept


@pytest.mark.parametrize(
    "planted",
    [
        b"",
        b"{}x",
        b"5",
        b"[5]",
        b"[{}]",
        json.dumps([{**as_plain([witnessed(3, "east")])[0], "patient": "MRN-1"}]).encode(),
        json.dumps([{**as_plain([witnessed(3, "east")])[0], "root": "xy"}]).encode(),
        json.dumps([{**as_plain([witnessed(3, "east")])[0], "by": []}]).encode(),
    ],
)
def test_another_file_is_refused(planted: bytes, tmp_path: Path) -> None:
    (tmp_path / WITNESSED).write_bytes(planted)
    with pytest.raises(CheckpointError, match=WITNESSED):
        read_witnessed(tmp_path)


def test_plain_values_come_back() -> None:
    kept = (witnessed(3, "east"),)
    assert from_plain(json.loads(json.dumps(as_plain(kept)))) == kept
