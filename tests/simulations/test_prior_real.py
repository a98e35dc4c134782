"""Real people in turn as the new one: he teaches nothing and sees few days."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from client.ingest.importer import import_folder
from models.calibration import Calibration, calibrate
from models.heads import BOOK_PRIOR, LATENT, NAMES, Head
from models.replay import cut_row
from models.trace import STEPS_PER_DAY, Trace
from simulations import prior_real
from simulations.effects_people import drawn_subject
from simulations.prior_real import (
    FOLDER,
    HORIZONS_MIN,
    RIVALS,
    ZONE,
    RealScore,
    RealStudy,
    _Job,
    _judged,
    _priors,
    _usual_mg_dl,
    as_dict,
    markdown,
    study_of,
)
from simulations.prior_study import PriorPlan
from simulations.prior_teachers import PriorRelease

PLAN = PriorPlan(days=(1, 3), epsilons=(8.0,), draws=1, release=PriorRelease(about="book"))


def person(name: str, sensor_period_min: int, off: float) -> tuple[Trace, Calibration]:
    columns = {"glucose_mg_dl": np.full(10, 120.0)}
    trace = Trace(name, "UTC", sensor_period_min, 0, columns)
    theta = BOOK_PRIOR.mean + off * BOOK_PRIOR.sd
    head = Head(theta, np.zeros(LATENT), 0.97, 4.0)
    return trace, Calibration(name, head, 0.1 * BOOK_PRIOR.covariance, 0.0, (), 14.0, 4000)


EVERYBODY = [person(f"p{place}", 5 if place < 4 else 15, 0.2 * place) for place in range(8)]


def test_the_new_patient_teaches_nothing() -> None:
    new = EVERYBODY[0][0]
    priors = dict(_priors(PLAN, new, EVERYBODY))
    far = [(new, person("p0", 5, 40.0)[1]), *EVERYBODY[1:]]
    again = dict(_priors(PLAN, new, far))
    assert list(priors) == ["book", "own clinic", "federated", "epsilon 8"]
    for name, prior in priors.items():
        assert prior.mean.tolist() == again[name].mean.tolist(), name


def test_a_new_patient_who_taught_would_be_noticed() -> None:
    """Planted: the patient is judged under another's name, and so among his own teachers."""
    stranger = replace(EVERYBODY[0][0], patient="nobody")
    far = [person("p0", 5, 40.0), *EVERYBODY[1:]]
    usual, moved = (dict(_priors(PLAN, stranger, who)) for who in (EVERYBODY, far))
    assert usual["federated"].mean.tolist() != moved["federated"].mean.tolist()


def test_a_clinic_is_those_whose_sensor_reads_as_often() -> None:
    new = EVERYBODY[0][0]
    own = dict(_priors(PLAN, new, EVERYBODY))["own clinic"]
    z = (own.mean - BOOK_PRIOR.mean) / BOOK_PRIOR.sd
    assert z == pytest.approx(np.full(len(NAMES), 0.4)), "of p1, p2 and p3"


def test_who_is_alone_at_his_clinic_has_the_book_s_prior_there() -> None:
    alone = [person("q", 1, 0.0), *EVERYBODY]
    assert dict(_priors(PLAN, alone[0][0], alone))["own clinic"] is BOOK_PRIOR


@pytest.mark.slow
def test_a_twin_sees_only_days_before_the_held_out_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = drawn_subject("adolescent", 2, "A", 77, days=8).trace()
    seen: list[tuple[int, int]] = []
    known = calibrate

    def noted(traces: list[Trace], prior: object, days: int) -> object:
        (one,) = traces
        seen.append((len(one), days))
        return known(traces, prior, days=days)  # type: ignore[arg-type]

    monkeypatch.setattr(prior_real, "calibrate", noted)
    found = _judged(_Job(PLAN, trace, [("book", BOOK_PRIOR), ("federated", BOOK_PRIOR)]))
    assert cut_row(trace) == 6 * STEPS_PER_DAY
    assert seen == [(6 * STEPS_PER_DAY, days) for days in (1, 1, 3, 3)]
    keys = [(one.prior, one.days, one.horizon_min) for one in found]
    assert len(keys) == len(set(keys)) == 2 * len(HORIZONS_MIN) * (2 + len(RIVALS))
    errors = {key: one.mard_pct for key, one in zip(keys, found, strict=True)}
    assert errors["book", 3, 240] == errors["federated", 3, 240], "the same prior by two names"
    assert errors["book", 3, 240] < errors["mean", 3, 240]


def scored(name: str, patient: str, pct: float, horizon_min: int = 240) -> RealScore:
    return RealScore(patient, name, 1, horizon_min, pct, 2.0 * pct)


@pytest.fixture
def study() -> RealStudy:
    plan = replace(PLAN, days=(1,))
    found = [scored("book", "a", 20.0), scored("book", "b", 30.0)]
    found += [scored("epsilon 8", "a", 16.0), scored("epsilon 8", "a", 20.0)]
    found += [scored("epsilon 8", "b", 30.0)]
    found += [scored(n, p, 25.0, 1440) for n in ("book", "epsilon 8") for p in "ab"]
    return RealStudy(plan, tuple(found))


def test_draws_are_averaged_before_people_are(study: RealStudy) -> None:
    assert study.by_patient("epsilon 8", 1, 240).tolist() == [18.0, 30.0]
    assert "| epsilon 8 | 24.0 (-1.0, 1.0) |" in markdown(study).splitlines()
    assert "| book | 25.0 (+0.0, 0.0) |" in markdown(study).splitlines()


def test_the_page_says_who_was_judged(study: RealStudy) -> None:
    lines = markdown(study).splitlines()
    assert lines[0].startswith("2 people of T1D-UOM")
    assert "4 h ahead:" in lines and "24 h ahead:" in lines
    plain = json.loads(json.dumps(as_dict(study)))
    assert len(plain["scores"]) == 9 and plain["plan"]["release"]["about"] == "book"


def test_real_people_are_judged_in_turn(shared_data: Path) -> None:
    """Published people, the first month of five: two clinics, each person once the new one."""
    steps: list[str] = []
    plan = replace(PLAN, days=(1,), release=PriorRelease(about="virtual"))
    whole = import_folder(shared_data / FOLDER, "uom", ZONE).traces
    month = [one.rows(0, 28 * STEPS_PER_DAY) for one in whole if one.patient != "2304"][:5]
    found = study_of(month, plan, None, steps.append)
    people = {one.patient for one in found.scores}
    assert people <= {one.patient for one in month} and len(people) >= 3, "others lack records"
    assert steps.count("teachers") == 5 and steps.count("new patients") >= len(people)
    assert set(found.names) == {"book", "virtual", "own clinic", "federated", "epsilon 8", *RIVALS}
    for horizon in HORIZONS_MIN:
        mards = {name: found.by_patient(name, 1, horizon).mean() for name in found.names}
        assert all(5.0 < one < 80.0 for one in mards.values()), mards


def test_the_mean_has_no_more_days_than_the_twin() -> None:
    """Readings of 100 on all days but the last before the held-out ones, 200 there and after."""
    trace = drawn_subject("adolescent", 2, "A", 77, days=8).trace()
    cut = cut_row(trace)
    glucose = np.full(len(trace), 100.0)
    glucose[cut - STEPS_PER_DAY :] = 200.0
    trace = replace(trace, columns={**trace.columns, "glucose_mg_dl": glucose})
    assert _usual_mg_dl(trace, 1) == 200.0
    assert _usual_mg_dl(trace, 2) == 150.0
    assert _usual_mg_dl(trace, 28) == pytest.approx(100.0 + 100.0 * STEPS_PER_DAY / cut)
    glucose[cut - STEPS_PER_DAY :] = np.nan
    assert _usual_mg_dl(trace, 1) == 100.0, "days without readings do not count"
