"""The rows of a record's scores, by hand: who is in which cohort, and the mean over people."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from models.heads import prior_head
from models.trace import FloatArray, Trace
from models.windows import Windows
from server.run_record import Cohort, Model, Score
from simulations import score_table as table
from simulations.people import ClinicPeople, Person
from simulations.score_table import Forecasts, cohort_people, score_table
from simulations.scoring import PatientScores, score
from study.failure import ExitCode, Failure

HORIZONS_MIN = (30, 120)
READING_MG_DL = 100.0
ABSENT = np.nan


def windows(patient: str, target: FloatArray) -> Windows:
    """As many windows as `target` (W, H) has rows; only the target is scored."""
    count, horizons = target.shape
    return Windows(
        patient=patient,
        horizons_min=HORIZONS_MIN,
        origin=np.arange(count),
        glucose_now=np.full(count, READING_MG_DL),
        features=np.zeros((count, 1)),
        start=np.zeros((count, horizons)),
        response=np.zeros((count, horizons, 3)),
        sensitivity_slope=np.zeros((count, horizons)),
        target=target,
    )


def person(name: str, readings: int) -> Person:
    """Somebody with so many windows held out, 100 mg/dL throughout; three to learn from."""
    column = np.full(12, READING_MG_DL)
    return Person(
        trace=Trace(name, "UTC", 5, 0, {"glucose_mg_dl": column}),
        head=prior_head(),
        train=windows(name, np.full((3, len(HORIZONS_MIN)), 555.0)),
        test=windows(name, np.full((readings, len(HORIZONS_MIN)), READING_MG_DL)),
        train_doses=np.zeros((3, 1)),
        test_doses=np.zeros((readings, 1)),
    )


def clinic(
    name: str, members: Sequence[Person], new: Sequence[Person] = (), *, takes_part: bool = True
) -> ClinicPeople:
    return ClinicPeople(name, takes_part, tuple(members), tuple(new), ())


def missing_by(people: Sequence[Person], miss: Mapping[str, tuple[float, float]]) -> Forecasts:
    """Persistence, too high by so many mg/dL at 30 and at 120 minutes, person by person."""
    said = {
        one.trace.patient: one.test.target + np.array(miss[one.trace.patient]) for one in people
    }
    return Forecasts("persistence", said)


ANNA, BRUNO, CARLA = person("anna", 2), person("bruno", 8), person("carla", 3)
NEW, FAR, FAR_NEW = person("new", 2), person("far", 5), person("far-new", 1)
EVERYBODY = [ANNA, BRUNO, CARLA, NEW, FAR, FAR_NEW]
CLINICS = [
    clinic("harbour", [ANNA, BRUNO], [NEW]),
    clinic("lagoon", [CARLA]),
    clinic("far-shore", [FAR], [FAR_NEW], takes_part=False),
]
MISS = {
    "anna": (10.0, 40.0),
    "bruno": (20.0, 60.0),
    "carla": (-6.0, 80.0),
    "new": (3.0, 4.0),
    "far": (7.0, 8.0),
    "far-new": (9.0, -12.0),
}


@pytest.fixture
def rows() -> list[Score]:
    return score_table(CLINICS, [missing_by(EVERYBODY, MISS)], HORIZONS_MIN)


def by_place(rows: Sequence[Score]) -> dict[tuple[str, str, int], float]:
    return {(one.cohort, one.clinic, one.horizon_min): one.rmse_mg_dl for one in rows}


def test_every_row_as_counted_by_hand(rows: list[Score]) -> None:
    """All of harbour: (10 + 20) / 2, though bruno has four times anna's readings."""
    assert by_place(rows) == pytest.approx(
        {
            ("same_patients", "harbour", 30): 15.0,
            ("same_patients", "harbour", 120): 50.0,
            ("same_patients", "lagoon", 30): 6.0,
            ("same_patients", "lagoon", 120): 80.0,
            ("same_patients", "all", 30): 12.0,
            ("same_patients", "all", 120): 60.0,
            ("new_patients", "harbour", 30): 3.0,
            ("new_patients", "harbour", 120): 4.0,
            ("new_patients", "all", 30): 3.0,
            ("new_patients", "all", 120): 4.0,
            ("new_clinic", "far-shore", 30): 8.0,
            ("new_clinic", "far-shore", 120): 10.0,
            ("new_clinic", "all", 30): 8.0,
            ("new_clinic", "all", 120): 10.0,
        }
    )


def test_a_readings_size_makes_the_percentage(rows: list[Score]) -> None:
    """Every reading is 100 mg/dL, so a miss of 15 mg/dL is 15 per cent of it."""
    for one in rows:
        assert one.mard_pct == pytest.approx(one.rmse_mg_dl)


def test_rows_say_how_many_people_stand_behind_them(rows: list[Score]) -> None:
    counted = {(one.cohort, one.clinic): one.patients for one in rows}
    assert counted == {
        ("same_patients", "harbour"): 2,
        ("same_patients", "lagoon"): 1,
        ("same_patients", "all"): 3,
        ("new_patients", "harbour"): 1,
        ("new_patients", "all"): 1,
        ("new_clinic", "far-shore"): 2,
        ("new_clinic", "all"): 2,
    }


def test_all_is_the_mean_over_people_and_not_over_clinics(rows: list[Score]) -> None:
    """(10 + 20 + 6) / 3, where the mean of the clinics' rows would be (15 + 6) / 2."""
    assert by_place(rows)["same_patients", "all", 30] == pytest.approx(12.0)


def test_a_mean_over_readings_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: everybody's readings are scored as if they were one person's."""

    def over_readings(prediction: FloatArray, target: FloatArray, patient: object) -> PatientScores:
        return score(prediction, target, np.zeros(len(target), dtype=np.int64))

    monkeypatch.setattr(table, "score", over_readings)
    planted = score_table(CLINICS, [missing_by(EVERYBODY, MISS)], HORIZONS_MIN)
    expected = np.sqrt((2 * 10.0**2 + 8 * 20.0**2) / 10)
    assert by_place(planted)["same_patients", "harbour", 30] == pytest.approx(expected)
    assert expected != pytest.approx(15.0)


def test_readings_of_one_person_do_not_count_as_anothers() -> None:
    """Two people who miss to either side: errors do not cancel, within a person or between."""
    both = missing_by([ANNA, BRUNO], {"anna": (10.0, 10.0), "bruno": (-10.0, -10.0)})
    found = score_table([clinic("harbour", [ANNA, BRUNO])], [both], HORIZONS_MIN)
    assert {one.rmse_mg_dl for one in found} == {10.0}


def test_only_windows_held_out_are_scored(rows: list[Score]) -> None:
    """What people learned from lies 455 mg/dL away, and no error comes near that."""
    assert max(one.rmse_mg_dl for one in rows) <= 80.0


def test_observers_are_scored_as_a_new_clinic_and_nowhere_else(rows: list[Score]) -> None:
    cohorts = {one.cohort for one in rows if one.clinic == "far-shore"}
    assert cohorts == {"new_clinic"}
    assert {one.clinic for one in rows if one.cohort == "new_clinic"} == {"far-shore", "all"}


def test_each_person_is_scored_in_one_cohort() -> None:
    def names(cohort: Cohort) -> dict[str, list[str]]:
        groups = cohort_people(CLINICS, cohort)
        return {clinic: [one.trace.patient for one in group] for clinic, group in groups.items()}

    assert names("same_patients") == {"harbour": ["anna", "bruno"], "lagoon": ["carla"]}
    assert names("new_patients") == {"harbour": ["new"]}
    assert names("new_clinic") == {"far-shore": ["far", "far-new"]}


def test_clinics_without_anybody_are_left_out() -> None:
    deserted = [*CLINICS, clinic("desert", []), clinic("reef", [], takes_part=False)]
    found = score_table(deserted, [missing_by(EVERYBODY, MISS)], HORIZONS_MIN)
    assert not {"desert", "reef"} & {one.clinic for one in found}
    assert "lagoon" not in {one.clinic for one in found if one.cohort == "new_patients"}


def test_a_cohort_without_anybody_has_no_row_for_all_either() -> None:
    members_only = [clinic("harbour", [ANNA, BRUNO])]
    found = score_table(members_only, [missing_by([ANNA, BRUNO], MISS)], HORIZONS_MIN)
    assert {one.cohort for one in found} == {"same_patients"}
    assert score_table([], [missing_by([], MISS)], HORIZONS_MIN) == []


def test_one_without_a_reading_at_a_horizon_does_not_count_there() -> None:
    target = ANNA.test.target.copy()
    target[:, 1] = ABSENT
    brief = replace(ANNA, test=windows("anna", target))
    said = missing_by([ANNA, BRUNO], MISS)
    found = score_table([clinic("harbour", [brief, BRUNO])], [said], HORIZONS_MIN)
    harbour = {one.horizon_min: one for one in found if one.clinic == "harbour"}
    assert harbour[30].rmse_mg_dl == pytest.approx(15.0) and harbour[30].patients == 2
    assert harbour[120].rmse_mg_dl == pytest.approx(60.0) and harbour[120].patients == 1


def test_a_horizon_without_a_reading_of_anybody_has_no_row() -> None:
    target = ANNA.test.target.copy()
    target[:, 1] = ABSENT
    brief = replace(ANNA, test=windows("anna", target))
    found = score_table([clinic("harbour", [brief])], [missing_by([ANNA], MISS)], HORIZONS_MIN)
    assert {one.horizon_min for one in found} == {30}


def test_every_model_is_scored_by_its_own_forecasts() -> None:
    said = missing_by([ANNA, BRUNO], MISS)
    exact: Model = "pooled"
    models = [said, Forecasts(exact, {one.trace.patient: one.test.target for one in EVERYBODY})]
    found = score_table([clinic("harbour", [ANNA, BRUNO])], models, HORIZONS_MIN)
    assert {one.rmse_mg_dl for one in found if one.model == exact} == {0.0}
    assert {one.rmse_mg_dl for one in found if one.model == "persistence"} == {15.0, 50.0}


def test_a_forecast_that_is_not_finite_is_a_failure() -> None:
    silent = Forecasts("persistence", {"anna": np.full_like(ANNA.test.target, np.nan)})
    with pytest.raises(Failure, match="4 readings without a forecast") as caught:
        score_table([clinic("harbour", [ANNA])], [silent], HORIZONS_MIN)
    assert caught.value.code is ExitCode.BAD_DATA
