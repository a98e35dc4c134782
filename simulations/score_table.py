"""Every model's forecasts scored on every cohort: the rows of `run.json`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.trace import FloatArray
from server.run_record import ALL_CLINICS, COHORTS, Cohort, Model, Score
from simulations.people import ClinicPeople, Person
from simulations.scoring import score

People = Sequence[Person]


@dataclass(frozen=True)
class Forecasts:
    """One model's forecasts, mg/dL, of each scored person by name, (W, H)."""

    model: Model
    of_person: Mapping[str, FloatArray] = field(repr=False)


def cohort_people(clinics: Sequence[ClinicPeople], cohort: Cohort) -> dict[str, People]:
    """Whom a cohort scores, by clinic; clinics without anybody are left out."""
    found: dict[str, People] = {}
    for clinic in clinics:
        if cohort == "new_clinic":
            people = () if clinic.takes_part else clinic.members + clinic.new
        elif not clinic.takes_part:
            people = ()
        else:
            people = clinic.members if cohort == "same_patients" else clinic.new
        if people:
            found[clinic.name] = people
    return found


def score_table(
    clinics: Sequence[ClinicPeople], models: Sequence[Forecasts], horizons_min: Sequence[int]
) -> list[Score]:
    """Scores of every cohort, clinic, horizon and model; `all` is the mean over people."""
    rows: list[Score] = []
    for cohort in COHORTS:
        groups = cohort_people(clinics, cohort)
        everybody = [one for people in groups.values() for one in people]
        for name, people in [*groups.items(), (ALL_CLINICS, everybody)]:
            for forecasts in models if people else ():
                errors = _errors(forecasts, people)
                rows += _rows(cohort, name, forecasts.model, horizons_min, errors)
    return rows


def _errors(forecasts: Forecasts, people: People) -> tuple[FloatArray, FloatArray, FloatArray]:
    """RMSE, MARD and number of people at each horizon, three (H,)."""
    prediction = np.concatenate([forecasts.of_person[one.trace.patient] for one in people])
    target = np.concatenate([one.test.target for one in people])
    sizes = [len(one.test) for one in people]
    rmse, mard, count = score(
        prediction, target, np.repeat(np.arange(len(people)), sizes)
    ).mean_over_patients()
    return rmse, mard, count.astype(np.float64)


def _rows(
    cohort: Cohort,
    clinic: str,
    model: Model,
    horizons_min: Sequence[int],
    errors: tuple[FloatArray, FloatArray, FloatArray],
) -> Iterator[Score]:
    for horizon_min, rmse, mard, count in zip(horizons_min, *errors, strict=True):
        if count:
            yield Score(
                cohort=cohort,
                clinic=clinic,
                horizon_min=horizon_min,
                model=model,
                rmse_mg_dl=float(rmse),
                mard_pct=float(mard),
                patients=int(count),
            )
