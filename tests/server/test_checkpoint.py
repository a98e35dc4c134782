"""A phase is on the disk whole or not at all, and belongs to one protocol and one start."""

import os
from pathlib import Path

import numpy as np
import pytest

from server.checkpoint import Checkpoints, RoundResult, replace_whole, vector_sha256
from study.failure import ExitCode, Failure
from study.wire import Code, Reply

REPLIES = {
    "west": Reply("west", Code.RELEASED, np.array([1.0, -0.0, 1e-310])),
    "east": Reply("east", Code.REFUSED),
    "north": Reply("north", Code.RELEASED, np.array([0.1, 0.2, 0.3])),
}


def checkpoints(folder: Path, protocol: str = "a" * 64, start: str = "b" * 64) -> Checkpoints:
    return Checkpoints(folder / "server", protocol, start)


def result(number: int) -> RoundResult:
    shared = np.array([number / 3.0, -1.0])
    return RoundResult(number, ("west", "north"), {"east": "REFUSED"}, 14, shared)


def test_nothing_was_done_in_a_new_folder(tmp_path: Path) -> None:
    assert checkpoints(tmp_path).finished() == []
    assert checkpoints(tmp_path).replies(1) is None


def test_replies_come_back_in_their_order_bit_for_bit(tmp_path: Path) -> None:
    checkpoints(tmp_path).keep_replies(1, REPLIES)
    came = checkpoints(tmp_path).replies(1)
    assert came is not None
    assert list(came) == ["west", "east", "north"]
    for name, reply in REPLIES.items():
        assert came[name].code is reply.code
        if reply.release is None:
            assert came[name].release is None
        else:
            assert came[name].release.tobytes() == reply.release.tobytes()  # type: ignore[union-attr]
    assert checkpoints(tmp_path).replies(2) is None


def test_rounds_come_back_in_order(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        checkpoints(tmp_path).keep_round(result(number))
    came = checkpoints(tmp_path).finished()
    assert [one.round_number for one in came] == [1, 2, 3]
    assert came[1].shared.tobytes() == result(2).shared.tobytes()
    assert (came[1].took_part, came[1].refused) == (("west", "north"), {"east": "REFUSED"})
    assert came[1].declared_patients == 14


def test_rounds_end_before_a_gap(tmp_path: Path) -> None:
    for number in (1, 3):
        checkpoints(tmp_path).keep_round(result(number))
    assert [one.round_number for one in checkpoints(tmp_path).finished()] == [1]


def test_equal_phases_are_equal_bytes(tmp_path: Path) -> None:
    for side in ("one", "two"):
        checkpoints(tmp_path / side).keep_replies(1, REPLIES)
        checkpoints(tmp_path / side).keep_round(result(1))
    for name in ("0001-replies.safetensors", "0001-round.safetensors"):
        written = {(tmp_path / side / "server" / name).read_bytes() for side in ("one", "two")}
        assert len(written) == 1


@pytest.mark.parametrize("other", [{"protocol": "c" * 64}, {"start": "c" * 64}])
def test_another_study_s_folder_is_refused(other: dict[str, str], tmp_path: Path) -> None:
    checkpoints(tmp_path).keep_round(result(1))
    with pytest.raises(Failure, match="another protocol or another public start") as refusal:
        checkpoints(tmp_path, **other).finished()
    assert refusal.value.code is ExitCode.BAD_DATA


@pytest.mark.parametrize("content", [b"", b"\0" * 7, b"\xff" * 64, b"\x02\0\0\0\0\0\0\0{}"])
def test_a_phase_that_cannot_be_read_is_refused(content: bytes, tmp_path: Path) -> None:
    checkpoints(tmp_path).keep_round(result(1))
    (tmp_path / "server" / "0001-round.safetensors").write_bytes(content)
    with pytest.raises(Failure, match="cannot be read"):
        checkpoints(tmp_path).finished()


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_what_was_there(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "body"
    replace_whole(path, b"old")

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, call, fails)
        with pytest.raises(Failure, match="No space") as failure:
            replace_whole(path, b"new and longer")
    assert failure.value.code is ExitCode.NOT_WRITTEN
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("body", b"old")]
    replace_whole(path, b"new")
    assert path.read_bytes() == b"new"


def test_the_disk_has_the_content_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    real_sync, real_replace = os.fsync, os.replace

    def sync(descriptor: int) -> None:
        order.append("fsync")
        real_sync(descriptor)

    def rename(draft: Path, path: Path) -> None:
        order.append("rename")
        real_replace(draft, path)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", rename)
    replace_whole(tmp_path / "body", b"content")
    assert order == ["fsync", "rename", "fsync"]


def test_a_vector_s_digest_is_of_its_bytes() -> None:
    vector = np.array([1.0, 2.0])
    assert vector_sha256(vector) == vector_sha256(vector.astype(">f8"))
    assert vector_sha256(vector) != vector_sha256(np.nextafter(vector, 9.0))
