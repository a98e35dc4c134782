"""Virtual clinics on disk: the layout of the real export, values that survive, no truth."""

import csv
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from client.ingest.importer import Imported, import_folder
from client.ingest.recording import MG_DL_PER_MMOL_L
from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray, GlucoseFlag
from simulations.behaviour import Bolus
from simulations.clinic_files import write_clinic
from simulations.living import VirtualPatient, virtual_patient

DAYS = 5
FIRST_DAY = date(2024, 2, 26)
TABLES = {
    "Glucose Data/UoMGlucose": "bg_ts,value",
    "Insulin Data/Basal Data/UoMBasal": "basal_ts,basal_dose,insulin_kind",
    "Insulin Data/Bolus Data/UoMBolus": "bolus_ts,bolus_dose",
    "Nutrition Data/UoMNutrition": "meal_ts,meal_type,meal_tag,carbs_g,prot_g,fat_g,fibre_g",
}


@pytest.fixture(scope="module")
def people() -> list[VirtualPatient]:
    return [
        virtual_patient(f"123400{i}", "adolescent", DAYS, 0, np.random.SeedSequence([3, i]))
        for i in range(4)
    ]


@pytest.fixture(scope="module")
def folder(people: list[VirtualPatient], tmp_path_factory: pytest.TempPathFactory) -> Path:
    clinic = tmp_path_factory.mktemp("clinic")
    write_clinic(clinic, people, FIRST_DAY)
    return clinic


def table(folder: Path, kind: str, person: VirtualPatient) -> list[dict[str, str]]:
    with (folder / f"{kind}{person.identifier}.csv").open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def minutes(person: VirtualPatient, clock: str) -> int:
    """Minutes of the stay; the clock must read DD/MM/YYYY HH:MM."""
    start = datetime(2024, 2, 26, 0, person.first_minute)
    return round((datetime.strptime(clock, "%d/%m/%Y %H:%M") - start).total_seconds() / 60)


def test_folders_and_headers_are_those_of_the_export(
    folder: Path, people: list[VirtualPatient]
) -> None:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.csv")}
    assert names == {f"{kind}{p.identifier}.csv" for kind in TABLES for p in people}
    for kind, header in TABLES.items():
        for person in people:
            lines = (folder / f"{kind}{person.identifier}.csv").read_bytes().splitlines(True)
            assert lines[0] == header.encode() + b"\r\n"


def test_headers_equal_those_of_the_real_files(shared_data: Path) -> None:
    for kind, header in TABLES.items():
        real = next((shared_data / "uom").glob(f"{kind}*.csv"))
        first = real.read_text(encoding="utf-8-sig").splitlines()[0]
        assert first.rstrip(",") == header


def test_glucose_survives_to_a_tenth_of_a_mmol(folder: Path, people: list[VirtualPatient]) -> None:
    for person in people:
        rows = table(folder, "Glucose Data/UoMGlucose", person)
        sensor = person.life.sensor_mg_dl
        seen = np.full(len(sensor), np.nan)
        for row in rows:
            seen[minutes(person, row["bg_ts"]) // STEP_MIN] = float(row["value"])
        assert np.array_equal(np.isnan(seen), np.isnan(sensor))
        assert np.nanmax(np.abs(seen - sensor / MG_DL_PER_MMOL_L)) <= 0.0500001


def test_basal_rows_hold_until_the_next_and_come_every_hour(
    folder: Path, people: list[VirtualPatient]
) -> None:
    changed = 0
    for person in people:
        rows = table(folder, "Insulin Data/Basal Data/UoMBasal", person)
        at = np.array([minutes(person, row["basal_ts"]) // STEP_MIN for row in rows])
        dose = np.array([float(row["basal_dose"]) for row in rows])
        held = dose[np.searchsorted(at, np.arange(DAYS * STEPS_PER_DAY), side="right") - 1]
        assert np.abs(held - person.life.basal_u_per_h).max() < 1e-12
        assert at[0] == 0
        assert np.diff(at).max() <= 12
        assert {row["insulin_kind"] for row in rows} == {"R"}
        changed += int((np.diff(dose) != 0).sum())
    assert changed > 0


def test_doses_survive_exactly(folder: Path, people: list[VirtualPatient]) -> None:
    for person in people:
        rows = table(folder, "Insulin Data/Bolus Data/UoMBolus", person)
        given = np.zeros_like(person.life.bolus_u)
        for row in rows:
            given[minutes(person, row["bolus_ts"])] = float(row["bolus_dose"])
        assert np.abs(given - person.life.bolus_u).max() < 1e-12
        assert given.sum() > 10.0


def test_meals_are_as_counted_and_only_as_logged(
    folder: Path, people: list[VirtualPatient]
) -> None:
    left_out = 0
    for person in people:
        rows = table(folder, "Nutrition Data/UoMNutrition", person)
        written = sorted((minutes(person, r["meal_ts"]), float(r["carbs_g"])) for r in rows)
        meals, rescues = person.meals, np.flatnonzero(person.rescue_logged)
        expected = [
            (int(k), float(g)) for k, g in zip(meals.minute[meals.logged],
                                              meals.counted_g[meals.logged], strict=True)
        ] + [(int(k), float(person.life.rescue_g[k])) for k in rescues]  # fmt: skip
        assert written == sorted(expected)
        assert {row["meal_type"] for row in rows} <= {"Breakfast", "Lunch", "Dinner", "Snack"}
        left_out += int((~meals.logged).sum()) + int((person.life.rescue_g > 0).sum())
        left_out -= len(rescues)
    assert left_out > 0


def test_no_file_tells_what_was_really_eaten_or_missed(
    folder: Path, people: list[VirtualPatient]
) -> None:
    text = " ".join(path.read_text() for path in folder.rglob("*.csv")).lower()
    tells = ("true", "missed", "late", "padova", "child", "rescue")
    assert not [word for word in tells if word in text]
    for person in people:
        true_only = set(person.meals.carbs_g.round(3).astype(str))
        written = {r["carbs_g"] for r in table(folder, "Nutrition Data/UoMNutrition", person)}
        assert not true_only & written
        assert np.any(person.meals.bolus != Bolus.WITH_MEAL)


@pytest.fixture(scope="module")
def imported(folder: Path) -> Imported:
    return import_folder(folder, "uom", "UTC")


def nearest_row(person: VirtualPatient, start_utc_s: int, minute: FloatArray) -> FloatArray:
    midnight = datetime(2024, 2, 26, tzinfo=UTC).timestamp()
    seconds = midnight + 60.0 * (person.first_minute + minute) - start_utc_s
    return np.round(seconds / (60 * STEP_MIN))


def test_the_client_imports_everybody_and_puts_no_row_aside(
    imported: Imported, people: list[VirtualPatient]
) -> None:
    assert [trace.patient for trace in imported.traces] == [p.identifier for p in people]
    assert imported.quarantine == ()
    for trace in imported.traces:
        assert trace.sensor_period_min == STEP_MIN
        assert not np.any(trace["glucose_flag"] == GlucoseFlag.INTERPOLATED)


def test_imported_glucose_is_what_the_sensor_read(
    imported: Imported, people: list[VirtualPatient]
) -> None:
    for trace, person in zip(imported.traces, people, strict=True):
        sensor = person.life.sensor_mg_dl
        seen = np.flatnonzero(np.isfinite(sensor))
        rows = nearest_row(person, trace.start_utc_s, STEP_MIN * seen.astype(float)).astype(int)
        glucose = trace["glucose_mg_dl"]
        assert np.abs(glucose[rows] - sensor[seen]).max() <= 0.1 * MG_DL_PER_MMOL_L
        assert np.isfinite(glucose).sum() == len(seen)


def test_imported_doses_and_meals_are_those_on_file(
    imported: Imported, people: list[VirtualPatient]
) -> None:
    for trace, person in zip(imported.traces, people, strict=True):
        counted = person.meals.counted_g[person.meals.logged].sum()
        rescued = person.life.rescue_g[person.rescue_logged].sum()
        assert np.nansum(trace["bolus_u"]) == pytest.approx(person.life.bolus_u.sum())
        assert np.nansum(trace["carbs_g"]) == pytest.approx(counted + rescued)
        rates = person.life.basal_u_per_h
        assert np.isfinite(trace["basal_u_per_h"]).mean() > 0.99
        known = trace["basal_u_per_h"][np.isfinite(trace["basal_u_per_h"])]
        assert known.sum() == pytest.approx(rates.sum(), rel=0.01)
        assert rates.min() <= known.min()
        assert known.max() <= rates.max()
