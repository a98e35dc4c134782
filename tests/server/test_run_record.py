"""`run.json`: its keys stay, a wrong one is refused by name, a crash leaves the old one whole."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from server.run_record import (
    COHORTS,
    MODELS,
    RunRecord,
    read_run_record,
    write_run_record,
)
from study.failure import ExitCode, Failure


def plain() -> dict[str, Any]:
    """The smallest run.json that DESIGN's section on outside forms allows."""
    return {
        "study": "two-cities",
        "seed": 3,
        "protocol_sha256": "a" * 64,
        "body_sha256": "b" * 64,
        "noise": "exact",
        "clinics": [
            {"name": "north", "declared_patients": 20},
            {"name": "south", "declared_patients": 8},
        ],
        "rounds": [{"round": 1, "took_part": ["north", "south"]}],
        "privacy": {
            "unit": "patient",
            "adjacency": "add_remove",
            "epsilon": 8.0,
            "delta": 1e-5,
            "mu": 1.6,
            "sigma": 0.9,
            "releases": 2,
        },
        "scores": [score()],
    }


def score(**changes: Any) -> dict[str, Any]:
    return {
        "cohort": "same_patients",
        "clinic": "north",
        "horizon_min": 30,
        "model": "boosting",
        "rmse_mg_dl": 20.5,
        "mard_pct": 9.1,
        **changes,
    }


def example(**changes: Any) -> dict[str, Any]:
    return {
        "clinic": "north",
        "label": "virtual child 4",
        "hour": [0.0, 0.5],
        "cgm_mg_dl": [120.0, None],
        "curves": [{"model": "federated_dp", "horizon_min": 30, "glucose_mg_dl": [None, 118.0]}],
        **changes,
    }


def put(run_dir: Path, record: Any) -> Path:
    run_dir.mkdir(exist_ok=True)
    (run_dir / "run.json").write_text(record if isinstance(record, str) else json.dumps(record))
    return run_dir


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    record = RunRecord.model_validate(plain() | {"forecasts": [example()], "notes": ["trial"]})
    assert write_run_record(tmp_path / "new" / "run", record).name == "run.json"
    assert read_run_record(tmp_path / "new" / "run") == record


def test_the_keys_that_readers_depend_on_stay(tmp_path: Path) -> None:
    write_run_record(tmp_path, RunRecord.model_validate(plain()))
    written = json.loads((tmp_path / "run.json").read_text())
    assert set(plain()) <= set(written)
    assert set(plain()["privacy"]) <= set(written["privacy"])
    assert set(score()) <= set(written["scores"][0])
    assert written["clinics"][0] == {"name": "north", "declared_patients": 20}


def test_the_names_of_cohorts_and_models_stay() -> None:
    assert COHORTS == ("same_patients", "new_patients", "new_clinic")
    assert " ".join(MODELS) == (
        "persistence mean ridge boosting virtual_only pretrained local pooled federated "
        "federated_dp federated_dp_local"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"noise": "none"}, "noise"),
        ({"protocol_sha256": "abc"}, "protocol_sha256"),
        ({"extra": 1}, "extra"),
        ({"clinics": []}, "clinics"),
        ({"scores": [score(model="oracle")]}, "scores.0.model"),
        ({"scores": [score(cohort="old_patients")]}, "scores.0.cohort"),
        ({"scores": [score(rmse_mg_dl=-1.0)]}, "scores.0.rmse_mg_dl"),
        ({"scores": [score(clinic="west")]}, r"clinics \['west'\] are spoken of"),
        ({"rounds": [{"round": 1, "took_part": ["west"]}]}, "west"),
        ({"rounds": [{"round": 0, "took_part": []}]}, "rounds.0.round"),
        ({"adoption": {"west": "new"}}, "west"),
        ({"adoption": {"north": "both"}}, "adoption.north"),
        ({"scores": [score(), score()]}, "more than once"),
        ({"clinics": [{"name": "all", "declared_patients": 3}]}, "none of them 'all'"),
        ({"clinics": [{"name": "north", "declared_patients": 3}] * 2}, "unique names"),
        ({"forecasts": [example(hour=[0.0])]}, "1 moments but curves of"),
        ({"privacy": plain()["privacy"] | {"delta": 0.0}}, "privacy.delta"),
        ({"privacy": plain()["privacy"] | {"unit": "site"}}, "privacy.unit"),
    ],
)
def test_a_wrong_key_is_refused_by_name(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(Failure, match=said) as raised:
        read_run_record(put(tmp_path, plain() | changes))
    assert raised.value.code is ExitCode.BAD_DATA
    assert "No record was read" in str(raised.value)


def test_a_number_that_is_none_is_refused(tmp_path: Path) -> None:
    text = json.dumps(plain() | {"scores": [score(rmse_mg_dl=float("nan"))]})
    with pytest.raises(Failure, match=r"scores\.0\.rmse_mg_dl"):
        read_run_record(put(tmp_path, text))


def test_several_faults_are_counted(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"\(and 1 more\)"):
        read_run_record(put(tmp_path, plain() | {"noise": "none", "seed": -1}))


def test_a_torn_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="the whole file: Invalid JSON"):
        read_run_record(put(tmp_path, json.dumps(plain())[:100]))


def test_a_missing_record_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="insula simulate run") as raised:
        read_run_record(tmp_path / "nowhere")
    assert raised.value.code is ExitCode.MISSING_INPUT


def test_a_crash_while_writing_leaves_the_old_record_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = RunRecord.model_validate(plain())
    write_run_record(tmp_path, old)

    def crash(descriptor: int) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(OSError, match="the disk is full"):
        write_run_record(tmp_path, old.model_copy(update={"seed": 4}))
    assert read_run_record(tmp_path) == old
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_members_and_missed_rounds() -> None:
    rounds = [{"round": 1, "took_part": ["south"]}, {"round": 2, "took_part": ["south"]}]
    record = RunRecord.model_validate(plain() | {"rounds": rounds})
    assert [clinic.name for clinic in record.members] == ["south"]
    assert record.rounds_missed("north") == (1, 2) and record.rounds_missed("south") == ()


def test_a_record_cannot_be_changed_once_made() -> None:
    with pytest.raises(ValueError, match="frozen"):
        RunRecord.model_validate(plain()).seed = 4  # type: ignore[misc]
