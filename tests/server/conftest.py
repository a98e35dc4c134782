"""A run as a study leaves one: four clinics, three cohorts, three horizons, one harmed clinic."""

from collections.abc import Iterator

import numpy as np
import pytest

from server.run_record import (
    MODELS,
    ClinicEntry,
    Cohort,
    ForecastCurve,
    ForecastExample,
    PrivacySpent,
    RoundEntry,
    RunRecord,
    Score,
)

MEMBERS = {"manchester-5min": 3, "manchester-15min": 5, "madrid": 17}
OBSERVER = "leeds"
# RMSE over all people, mg/dL, at 30 minutes; the other horizons are multiples of it.
RMSE_30_MG_DL = {
    "persistence": 24.0,
    "mean": 56.0,
    "ridge": 21.2,
    "boosting": 20.3,
    "virtual_only": 22.1,
    "pretrained": 21.3,
    "local": 20.8,
    "pooled": 20.5,
    "federated": 20.6,
    "federated_dp": 20.9,
    "federated_dp_local": 20.6,
}
GROWTH = {30: 1.0, 60: 1.68, 120: 2.31}
# Madrid, with boluses unknown, is the minority that federation harms.
CLINIC_SHIFT = {"manchester-5min": -1.6, "manchester-15min": 0.7, "madrid": 0.2, OBSERVER: 1.9}
COHORT_SHIFT: dict[Cohort, float] = {"same_patients": 0.0, "new_patients": 0.9, "new_clinic": 1.2}


def scores() -> Iterator[Score]:
    for cohort, shift in COHORT_SHIFT.items():
        clinics = (OBSERVER,) if cohort == "new_clinic" else tuple(MEMBERS)
        people = {name: 2 if cohort == "new_patients" else MEMBERS.get(name, 6) for name in clinics}
        for clinic in (*clinics, "all"):
            for horizon_min, growth in GROWTH.items():
                for model in MODELS:
                    # A held-out person or clinic has no tuning of its own before the study.
                    if cohort != "same_patients" and model in ("local", "federated_dp_local"):
                        continue
                    rmse = RMSE_30_MG_DL[model] + shift + CLINIC_SHIFT.get(clinic, 0.0)
                    if clinic == "madrid" and model == "federated_dp":
                        rmse += 0.6
                    if horizon_min == 120 and model == "boosting":
                        rmse += 0.8
                    yield Score(
                        cohort=cohort,
                        clinic=clinic,
                        horizon_min=horizon_min,
                        model=model,
                        rmse_mg_dl=round(rmse * growth, 3),
                        mard_pct=round(0.43 * rmse * growth, 3),
                        patients=people.get(clinic, sum(people.values())),
                    )


def example(clinic: str, label: str, seed: int) -> ForecastExample:
    """Three days on a 5-minute grid with three meals a day and two hours without a sensor."""
    rng = np.random.default_rng(seed)
    hour = np.arange(0.0, 72.0, 1.0 / 12.0)
    since_meal = np.stack([np.mod(hour - meal, 24.0) for meal in (7.5, 13.0, 19.5)])
    meals = (since_meal * np.exp(1.0 - since_meal)).sum(axis=0)
    cgm = 105.0 + 75.0 * meals + np.cumsum(rng.normal(0.0, 1.2, len(hour)))
    cgm[300:324] = np.nan
    curves = []
    for horizon_min in (30, 60):
        late = np.roll(cgm, horizon_min // 10)
        for model, share in (("pretrained", 0.9), ("federated_dp", 0.55)):
            forecast = share * late + (1 - share) * cgm
            forecast[:12] = np.nan
            curves.append(
                ForecastCurve(model=model, horizon_min=horizon_min, glucose_mg_dl=known(forecast))
            )
    return ForecastExample(
        clinic=clinic,
        label=label,
        hour=tuple(hour.tolist()),
        cgm_mg_dl=known(cgm),
        curves=tuple(curves),
    )


def known(values: np.ndarray) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(value) else round(float(value), 1) for value in values)


@pytest.fixture
def thin_record(full_record: RunRecord) -> RunRecord:
    """The same run, scored on one cohort at one horizon: a page that is quick to make."""
    few = [s for s in full_record.scores if (s.cohort, s.horizon_min) == ("same_patients", 30)]
    return full_record.model_copy(update={"scores": tuple(few), "forecasts": ()})


@pytest.fixture(scope="session")
def full_record() -> RunRecord:
    return RunRecord(
        study="manchester-madrid",
        seed=1,
        protocol_sha256="3f" * 32,
        body_sha256="a9" * 32,
        noise="exact",
        clinics=tuple(
            ClinicEntry(name=name, declared_patients=people)
            for name, people in {**MEMBERS, OBSERVER: 6}.items()
        ),
        rounds=(
            RoundEntry(round=1, took_part=tuple(MEMBERS)),
            RoundEntry(round=2, took_part=("manchester-5min", "madrid")),
        ),
        privacy=PrivacySpent(
            unit="patient",
            adjacency="add_remove",
            epsilon=8.0,
            delta=1e-5,
            mu=1.6129,
            sigma=0.8768,
            releases=2,
            pld_epsilon=8.002,
            replace_one_epsilon=18.81,
            two_site_epsilon=12.4,
        ),
        scores=tuple(scores()),
        forecasts=(example("manchester-5min", "Person A, openly published", 4),),
        adoption={"manchester-5min": "new", "manchester-15min": "new", "madrid": "old"},
        seconds={"pretraining": 0.0, "federation": 41.3, "scoring": 12.8},
        notes=("Members of this study were never part of the public start.",),
    )
