"""A run folder read by somebody who trusts none of it: links, pipes, cut and swollen files."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from server import run_files
from server.run_files import RunFiles, Unreadable
from tests.server.study_folder import BEGAN_S, study_folder, twelve_rounds

REPLIES = "server/0001-replies.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return study_folder(tmp_path / "run", twelve_rounds(), 1)


def refused(folder: Path, name: str = REPLIES) -> str:
    """Why the notes of a checkpoint are not read."""
    with pytest.raises(Unreadable) as caught:
        RunFiles(folder).notes(name)
    return str(caught.value)


def checkpoint(notes: object) -> bytes:
    return save({"shared": np.zeros(3)}, {"notes": json.dumps(notes)})


def test_a_whole_file_comes_with_its_time(folder: Path) -> None:
    found = RunFiles(folder).read("protocol.yaml")
    assert found is not None
    assert found.content.decode() == twelve_rounds().canonical()
    assert found.written_s == BEGAN_S


def test_notes_are_read_without_the_numbers(folder: Path) -> None:
    found = RunFiles(folder).notes(REPLIES)
    assert found is not None
    notes, written_s = found
    assert notes["codes"] == dict.fromkeys(("harbour", "lagoon", "lighthouse", "estuary"), 0)
    assert written_s == BEGAN_S + 100.0


@pytest.mark.parametrize("name", ["run.json", "server/0009-round.safetensors", "nowhere/x"])
def test_what_is_not_there_is_none(folder: Path, name: str) -> None:
    assert RunFiles(folder).read(name) is None
    assert RunFiles(folder).notes(name) is None


def test_names_in_the_servers_folder(folder: Path, tmp_path: Path) -> None:
    names = ["0001-replies.safetensors", "0001-round.safetensors"]
    assert RunFiles(folder).server_names() == names
    assert RunFiles(tmp_path / "nowhere").server_names() == []


@pytest.mark.parametrize("length", [0, 7, 8, 9, 200, -1])
def test_a_checkpoint_cut_anywhere_is_said_to_be(folder: Path, length: int) -> None:
    whole = (folder / REPLIES).read_bytes()
    (folder / REPLIES).write_bytes(whole[:length])
    assert "too soon" in refused(folder) or "bytes of numbers" in refused(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff" * 64,
        b"not a checkpoint at all, just words",
        (2).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (5).to_bytes(8, "little") + b"\xff\xfe\xfd\xfc\xfb",
        save({"shared": np.zeros(3)}),
        checkpoint([1, 2]),
    ],
)
def test_bytes_of_another_kind_are_named(folder: Path, content: bytes) -> None:
    (folder / REPLIES).write_bytes(content)
    assert "checkpoint" in refused(folder) or "another form" in refused(folder)


def test_a_nest_without_end_is_refused(folder: Path) -> None:
    nest = b"[" * 200_000
    (folder / REPLIES).write_bytes(len(nest).to_bytes(8, "little") + nest)
    assert "does not begin" in refused(folder)


def test_bytes_after_the_numbers_are_seen(folder: Path) -> None:
    whole = (folder / REPLIES).read_bytes()
    (folder / REPLIES).write_bytes(whole + b"more")
    assert "100 bytes of numbers where 96 belong" in refused(folder)


def test_a_link_out_of_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a patient's name")
    for name in ("report.html", "protocol.yaml"):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(secret)
        with pytest.raises(Unreadable, match="cannot be opened"):
            RunFiles(folder).read(name)


def test_nor_is_a_linked_servers_folder(folder: Path, tmp_path: Path) -> None:
    (folder / "server").rename(tmp_path / "elsewhere")
    (folder / "server").symlink_to(tmp_path / "elsewhere")
    assert RunFiles(folder).server_names() == []
    assert "cannot be opened" in refused(folder)


def test_a_pipe_is_not_waited_at(folder: Path) -> None:
    os.mkfifo(folder / "run.json")
    with pytest.raises(Unreadable, match="no regular file"):
        RunFiles(folder).read("run.json")


def test_a_file_without_end_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_files, "LARGEST_BYTES", 100)
    with pytest.raises(Unreadable, match="larger than 100 bytes"):
        RunFiles(folder).read("protocol.yaml")


def test_no_handle_is_left_open(folder: Path) -> None:
    (folder / "run.json").mkdir()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        RunFiles(folder).read("protocol.yaml")
        RunFiles(folder).notes(REPLIES)
        RunFiles(folder).server_names()
        RunFiles(folder).read("nowhere/x")
        with pytest.raises(Unreadable):
            RunFiles(folder).read("run.json")
    assert len(os.listdir("/proc/self/fd")) == before
