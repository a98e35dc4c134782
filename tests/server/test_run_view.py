"""What is known of a run at any moment, and that no folder makes the reader fall over."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from server.run_record import RunRecord, write_run_record
from server.run_view import RoundView, RunView, read_run
from study.wire import Code
from tests.server.study_folder import (
    BEGAN_S,
    CLINICS,
    finished,
    replied,
    study_folder,
    twelve_rounds,
)

PROTOCOL = twelve_rounds()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return study_folder(tmp_path / "run", PROTOCOL, 3)


def broken(view: RunView) -> dict[str, str]:
    return {one.name: one.why for one in view.broken}


def test_rounds_on_the_way(folder: Path) -> None:
    view = read_run(folder)
    assert (view.study, view.finished, view.planned) == ("four-waters", 3, 12)
    assert [one.phase for one in view.rounds] == ["over", "over", "over", "asking"]
    assert view.rounds[1].codes == {**dict.fromkeys(CLINICS, "RELEASED"), "estuary": "NO_REPLY"}
    assert view.rounds[2].took_part == ("harbour", "lighthouse")
    assert view.rounds[2].declared_patients == 18 + 21
    assert not view.is_over and view.record is None and view.broken == ()


def test_seconds_are_those_of_the_files(folder: Path) -> None:
    first, second, _, asking = read_run(folder).rounds
    assert (first.asked_s, first.waited_s, first.added_s) == (BEGAN_S, 100.0, 2.0)
    assert (second.asked_s, second.waited_s) == (BEGAN_S + 102.0, 100.0)
    assert (asking.asked_s, asking.waited_s, asking.added_s) == (BEGAN_S + 306.0, None, None)


def test_replies_that_are_in_and_not_yet_added_up(folder: Path) -> None:
    replied(folder, PROTOCOL, 4, {"lagoon": Code.REFUSED})
    last = read_run(folder).rounds[-1]
    assert (last.number, last.phase, last.codes["lagoon"]) == (4, "replied", "REFUSED")
    assert last.declared_patients is None


def test_a_study_that_is_over(tmp_path: Path, full_record: RunRecord) -> None:
    view = read_run(finished(tmp_path / "run", PROTOCOL, full_record))
    assert view.is_over and view.finished == 12 and view.broken == ()
    assert view.record is not None and len(view.record.scores) == len(full_record.scores)


def test_a_record_of_another_protocol_is_named(folder: Path, full_record: RunRecord) -> None:
    write_run_record(folder, full_record)
    view = read_run(folder)
    assert view.record is None and broken(view) == {"run.json": "belongs to another protocol"}


def test_observers_and_strangers_are_among_the_clinics(folder: Path) -> None:
    assert read_run(folder).clinics == (*CLINICS, "headland")


@pytest.mark.parametrize("kept", [[], ["protocol.yaml"], ["server"], ["run.json"]])
def test_any_part_alone(tmp_path: Path, full_record: RunRecord, kept: list[str]) -> None:
    whole = finished(tmp_path / "whole", PROTOCOL, full_record)
    part = tmp_path / "part"
    part.mkdir()
    for name in kept:
        copy = shutil.copytree if (whole / name).is_dir() else shutil.copy
        copy(whole / name, part / name)
    view = read_run(part)
    assert view.broken == ()
    assert view.study == {
        "protocol.yaml": "four-waters",
        "run.json": "four-waters",
    }.get(kept[0] if kept else "", "part")
    assert view.is_over is (kept == ["run.json"])


def test_checkpoints_of_another_protocol_are_named(folder: Path) -> None:
    other = PROTOCOL.canonical().replace("clip_norm: 0.5", "clip_norm: 0.6")
    (folder / "protocol.yaml").write_text(other)
    view = read_run(folder)
    assert set(broken(view).values()) == {"belongs to another protocol"}
    assert len(view.broken) == 6
    assert view.rounds == (RoundView(1, "asking", {}, asked_s=view.rounds[0].asked_s),)


def test_a_round_is_shown_by_the_half_that_is_whole(folder: Path) -> None:
    (folder / "server" / "0003-replies.safetensors").write_bytes(b"half")
    (folder / "server" / "0002-round.safetensors").write_bytes(b"half")
    view = read_run(folder)
    _, second, third, _ = view.rounds
    assert (second.phase, third.phase) == ("replied", "over")
    assert third.codes["lagoon"] == "REFUSED" and third.took_part == ("harbour", "lighthouse")
    assert set(broken(view)) == {f"server/{name}.safetensors" for name in BROKEN}


BROKEN = ("0002-round", "0003-replies")


def test_drafts_and_strange_files_are_left_alone(folder: Path) -> None:
    for name in (".0004-replies.safetensors.draft", "notes.txt", "12-round.safetensors"):
        (folder / "server" / name).write_text("half")
    view = read_run(folder)
    assert view.broken == () and len(view.rounds) == 4


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("protocol.yaml", "study: [", "is not YAML"),
        ("protocol.yaml", "study: four", "clinics: Field required"),
        ("run.json", "{", "Invalid JSON"),
        ("run.json", "{}", "study: Field required"),
    ],
)
def test_a_broken_file_is_named_with_the_reason(
    folder: Path, name: str, text: str, why: str
) -> None:
    (folder / name).write_text(text)
    view = read_run(folder)
    assert why in broken(view)[name]
    assert view.finished == 3


def test_a_code_of_a_later_version_is_shown_by_its_number(folder: Path) -> None:
    notes = {"protocol": PROTOCOL.digest(), "codes": {"lagoon": 77}}
    told = save({"harbour": np.zeros(3)}, {"notes": json.dumps(notes)})
    (folder / "server" / "0004-replies.safetensors").write_bytes(told)
    assert read_run(folder).rounds[-1].codes == {"lagoon": "CODE_77"}


NAMES = (
    "protocol.yaml",
    "run.json",
    "server/0001-round.safetensors",
    "server/0002-replies.safetensors",
)
DAMAGE = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(("cut", "overwrite", "replace")),
        st.integers(0, 5_000),
        st.binary(max_size=60),
    ),
    min_size=1,
    max_size=3,
)


def damaged(content: bytes, how: str, place: int, noise: bytes) -> bytes:
    place = place % (len(content) + 1)
    if how == "cut":
        return content[:place]
    return noise if how == "replace" else content[:place] + noise + content[place + len(noise) :]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, full_record: RunRecord) -> Path:
    return finished(tmp_path_factory.mktemp("whole") / "run", PROTOCOL, full_record)


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=DAMAGE)
def test_no_damage_makes_the_reader_fall_over(
    whole: Path, damage: list[tuple[str, str, int, bytes]]
) -> None:
    kept = {name: (whole / name).read_bytes() for name in NAMES}
    try:
        for name, how, place, noise in damage:
            path = whole / name
            path.write_bytes(damaged(path.read_bytes(), how, place, noise))
        view = read_run(whole)
    finally:
        for name, content in kept.items():
            (whole / name).write_bytes(content)
    assert view.rounds
