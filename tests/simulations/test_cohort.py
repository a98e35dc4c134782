"""Virtual clinics by specification: repeatable, cached by content, rebuilt when spoilt."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from models.trace import STEP_MIN
from simulations import cohort
from simulations.cohort import CohortSpec, draw_cohort, truth_of, virtual_clinic
from simulations.padova import glucose_mg_dl, simulate
from simulations.padova_parameters import PadovaPatient
from study.failure import ExitCode, Failure

pytestmark = pytest.mark.slow

SPEC = CohortSpec(groups=("child", "adolescent"), patients=3, days=2, seed=11)
PINNED = [(38.625, 131.9961, 16.4), (37.9029, 129.5797, 60.55), (34.7455, 122.7384, 8.05)]


class Watch:
    """A progress callback that keeps what it was told."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int) -> None:
        self.seen.append((done, total))


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return virtual_clinic(SPEC, tmp_path_factory.mktemp("cache"), Watch())


@pytest.fixture
def clinic(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A cache of its own with the clinic in it, to spoil."""
    home = tmp_path / made.parent.name
    shutil.copytree(made.parent, home)
    yield home / "clinic"


def test_the_same_specification_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    again = virtual_clinic(SPEC, tmp_path / "deeper" / "cache", Watch())
    assert contents(again.parent) == contents(made.parent)
    assert len(contents(again)) == 4 * SPEC.patients


@pytest.mark.parametrize(
    "change", [{"seed": 12}, {"days": 3}, {"patients": 2}, {"groups": ("adult",)},
               {"first_day": date(2024, 1, 13)}]
)  # fmt: skip
def test_another_specification_gives_another_clinic(
    made: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    other = replace(SPEC, **change)  # type: ignore[arg-type]
    clinic = virtual_clinic(other, tmp_path, Watch())
    assert other.digest != SPEC.digest
    assert not set(other.identifiers) & set(SPEC.identifiers)
    here, there = set(contents(clinic).values()), set(contents(made).values())
    assert bool(here & there) == ("patients" in change)


def test_a_new_version_of_the_code_or_parameters_gives_another_digest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = SPEC.digest
    monkeypatch.setattr(cohort, "CODE_VERSION", cohort.CODE_VERSION + 1)
    bumped = SPEC.digest
    other = tmp_path / "patients.csv"
    other.write_text("Name\n")
    monkeypatch.setattr(cohort, "PATIENTS_CSV", other)
    assert len({before, bumped, SPEC.digest}) == 3


def test_people_keep_their_names_when_the_code_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = SPEC.identifiers
    monkeypatch.setattr(cohort, "CODE_VERSION", cohort.CODE_VERSION + 1)
    assert SPEC.identifiers == before
    assert len(set(before)) == SPEC.patients
    assert all(name.isdigit() for name in before)


def test_what_this_version_of_the_code_makes_is_pinned() -> None:
    """Red after a change of behaviour or model: raise CODE_VERSION and pin the new numbers."""
    people = draw_cohort(SPEC, Watch())
    made = [
        (p.patient.weight_kg, p.life.glucose_mg_dl.mean(), p.life.bolus_u.sum()) for p in people
    ]
    assert cohort.CODE_VERSION == 1
    assert np.array(made) == pytest.approx(np.array(PINNED), rel=1e-3)


def test_a_cached_clinic_is_not_made_again(clinic: Path) -> None:
    watch = Watch()
    before = (clinic.parent / "manifest.json").stat().st_mtime_ns
    assert virtual_clinic(SPEC, clinic.parents[1], watch) == clinic
    assert watch.seen == []
    assert (clinic.parent / "manifest.json").stat().st_mtime_ns == before


def test_progress_counts_patients(tmp_path: Path) -> None:
    watch = Watch()
    virtual_clinic(SPEC, tmp_path, watch)
    assert watch.seen == [(1, 3), (2, 3), (3, 3)]
    assert [path.name for path in tmp_path.iterdir()] == [SPEC.digest[:16]]


def spoil_a_value(clinic: Path) -> None:
    path = next((clinic / "Glucose Data").iterdir())
    path.write_bytes(path.read_bytes().replace(b"7", b"9", 1))


def lose_a_file(clinic: Path) -> None:
    next((clinic / "Nutrition Data").iterdir()).unlink()


def add_a_file(clinic: Path) -> None:
    (clinic / "Glucose Data" / "UoMGlucose1.csv").write_text("bg_ts,value\n")


def spoil_the_manifest(clinic: Path) -> None:
    (clinic.parent / "manifest.json").write_text("{")


def lose_the_manifest(clinic: Path) -> None:
    (clinic.parent / "manifest.json").unlink()


def lose_the_truth(clinic: Path) -> None:
    (clinic.parent / "truth.npz").unlink()


@pytest.mark.parametrize(
    "spoil",
    [spoil_a_value, lose_a_file, add_a_file, spoil_the_manifest, lose_the_manifest, lose_the_truth],
)
def test_a_spoilt_cache_is_rebuilt(made: Path, clinic: Path, spoil: object) -> None:
    assert callable(spoil)
    spoil(clinic)
    assert contents(clinic.parent) != contents(made.parent)
    watch = Watch()
    assert virtual_clinic(SPEC, clinic.parents[1], watch) == clinic
    assert len(watch.seen) == SPEC.patients
    assert contents(clinic.parent) == contents(made.parent)


def test_an_interrupted_build_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        virtual_clinic(SPEC, tmp_path, stop)
    assert list(tmp_path.iterdir()) == []


def test_who_comes_second_keeps_what_the_first_put_there(clinic: Path) -> None:
    before = (clinic.parent / "manifest.json").stat().st_ino
    cohort._put_in_place(clinic.parents[1] / "never-made", clinic.parent)
    assert (clinic.parent / "manifest.json").stat().st_ino == before


def test_the_clinic_folder_holds_no_truth(made: Path) -> None:
    assert {path.suffix for path in made.rglob("*") if path.is_file()} == {".csv"}
    assert {path.name for path in made.parent.iterdir()} == {
        "clinic", "truth.npz", "manifest.json",
    }  # fmt: skip


def test_truth_replays_to_the_true_glucose(made: Path) -> None:
    truth = truth_of(made)
    for who in SPEC.identifiers:
        patient = PadovaPatient(
            who, "child", truth[f"{who}/constants"], truth[f"{who}/fasting_state"]
        )
        carbs, insulin = truth[f"{who}/carbs_g"], truth[f"{who}/insulin_u"]
        glucose = glucose_mg_dl([patient], simulate([patient], carbs[None], insulin[None]))[0]
        expected = truth[f"{who}/glucose_mg_dl"][1:]
        assert np.abs(glucose[STEP_MIN - 1 : -1 : STEP_MIN] - expected).max() < 1e-6
        assert 0 <= truth[f"{who}/first_minute"] < STEP_MIN


def test_the_manifest_records_who_was_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulations.padova_population.BASAL_ERROR", 0.8)
    clinic = virtual_clinic(replace(SPEC, groups=("child",)), tmp_path, Watch())
    rejected = json.loads((clinic.parent / "manifest.json").read_text())["rejected"]
    assert rejected
    assert set(rejected[0]) == {"group", "during", "lowest_mg_dl", "highest_mg_dl"}


def test_patients_take_the_groups_in_turn_and_do_not_depend_on_how_many_there_are() -> None:
    three = draw_cohort(SPEC, Watch())
    two = draw_cohort(replace(SPEC, patients=2), Watch())
    assert [p.patient.group for p in three] == ["child", "adolescent", "child"]
    for a, b in zip(three, two, strict=False):
        assert np.array_equal(a.life.glucose_mg_dl, b.life.glucose_mg_dl)


def test_nothing_here_needs_simglucose(repository: Path) -> None:
    program = (
        "import sys; sys.modules['simglucose'] = None\n"
        "from simulations import bench_padova, cohort\n"
        "from simulations.padova_parameters import public_patients\n"
        "assert len(public_patients()) == 30 and cohort.CohortSpec.time_zone == 'UTC'"
    )
    subprocess.run([sys.executable, "-c", program], cwd=repository, check=True, timeout=60)


def test_a_stay_begins_on_a_monday_unless_told_otherwise() -> None:
    assert SPEC.first_day.weekday() == 0
    assert SPEC.as_dict()["first_day"] == "2024-01-08"
    assert SPEC.time_zone == "UTC"


def test_clinics_of_different_seed_share_nobody() -> None:
    clinics = [draw_cohort(replace(SPEC, seed=seed), Watch()) for seed in (11, 12, 13, 14)]
    weights = [p.patient.weight_kg for clinic in clinics for p in clinic]
    names = [p.identifier for clinic in clinics for p in clinic]
    assert len(set(weights)) > 0.9 * len(weights)
    assert len(set(names)) == len(names)


def test_the_first_day_decides_which_days_are_weekends() -> None:
    monday = draw_cohort(SPEC, Watch())[0]
    saturday = draw_cohort(replace(SPEC, first_day=date(2024, 1, 13)), Watch())[0]
    first = [p.meals.minute[p.meals.minute < 16 * 60].min() for p in (monday, saturday)]
    assert first[1] > first[0]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"groups": ("infant",)}, "infant"),
        ({"groups": ()}, r"groups \[\]"),
        ({"patients": 0}, "0 patients"),
        ({"patients": 1000}, "1000 patients"),
        ({"days": 0}, "0 days"),
        ({"seed": -1}, "seed -1"),
        ({"world": "Z"}, "world 'Z'"),
    ],
)
def test_a_specification_that_cannot_be_is_refused(change: dict[str, object], found: str) -> None:
    with pytest.raises(Failure, match=f"{found}.*No virtual clinic was made") as refusal:
        replace(SPEC, **change)  # type: ignore[arg-type]
    assert refusal.value.code is ExitCode.BAD_PROTOCOL


def test_world_b_is_another_clinic_of_the_same_bodies(tmp_path: Path) -> None:
    hard = replace(SPEC, world="B", patients=1)
    easy = replace(SPEC, patients=1)
    one, other = (draw_cohort(spec, Watch())[0] for spec in (hard, easy))
    assert hard.digest != easy.digest
    np.testing.assert_array_equal(one.patient.constants, other.patient.constants)
    assert not np.array_equal(one.life.glucose_mg_dl, other.life.glucose_mg_dl)
    truth = truth_of(virtual_clinic(hard, tmp_path, Watch()))
    np.testing.assert_array_equal(
        truth[f"{one.identifier}/sensitivity"], one.conditions.sensitivity
    )
    assert f"{other.identifier}/sensitivity" not in truth_of(
        virtual_clinic(easy, tmp_path, Watch())
    )
