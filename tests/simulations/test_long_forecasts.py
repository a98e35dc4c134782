"""Long forecasts: rivals are told as much as the twin and never what is held out; sums by hand."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from client.ingest.importer import import_folder
from models.quality import HORIZONS_MIN, pairs
from models.replay import QualityError, cut_row
from models.trace import STEPS_PER_DAY, Trace
from simulations import long_forecasts as module
from simulations.effects_people import drawn_subject
from simulations.long_forecasts import MODELS, Error, LongForecasts, _Features, long_forecasts
from simulations.long_forecasts_page import as_dict, markdown


@pytest.fixture(scope="module")
def traces() -> list[Trace]:
    return [drawn_subject("adolescent", n, "A", 919, days=9).trace() for n in (1, 2)]


@pytest.fixture(scope="module")
def found(traces: list[Trace]) -> LongForecasts:
    return long_forecasts(traces)


@pytest.mark.slow
def test_everybody_is_judged_at_every_horizon_the_days_reach(found: LongForecasts) -> None:
    assert {one.horizon_min for one in found.errors} == set(HORIZONS_MIN[:-1])
    assert all(len(found.at(h)) == 2 for h in HORIZONS_MIN[:-1])
    for one in found.errors:
        assert set(one.rmse_mg_dl) == set(one.mard_pct) == set(MODELS)
        assert all(np.isfinite(list(one.rmse_mg_dl.values())))


@pytest.mark.slow
def test_what_is_held_out_teaches_nobody(traces: list[Trace]) -> None:
    person = module._person(traces[0])
    before = module._lessons(person, 60, np.random.default_rng(1))
    glucose = traces[0]["glucose_mg_dl"].copy()
    glucose[cut_row(traces[0]) :] += 50.0
    other = replace(traces[0], columns=dict(traces[0].columns) | {"glucose_mg_dl": glucose})
    after = module._lessons(module._person(other), 60, np.random.default_rng(1))
    for one, two in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.slow
def test_a_lesson_that_reaches_over_the_cut_would_be_noticed(traces: list[Trace]) -> None:
    """Planted: a person whose cut lies at the end of the record."""
    person = module._person(traces[0])
    leaking = replace(person, cut=len(traces[0]))
    glucose = traces[0]["glucose_mg_dl"].copy()
    glucose[person.cut :] += 50.0
    changed = replace(leaking, features=replace(person.features, glucose=glucose))
    first = module._lessons(leaking, 60, np.random.default_rng(1))[1]
    second = module._lessons(changed, 60, np.random.default_rng(1))[1]
    assert not np.array_equal(first, second)


def test_features_by_hand(traces: list[Trace]) -> None:
    trace, cut = traces[0], 3 * STEPS_PER_DAY
    features = _Features.of(trace, cut)
    target = 2 * STEPS_PER_DAY + 150
    (row,) = features.at(np.array([target - 12]), np.array([target]))
    assert row[0] == trace["glucose_mg_dl"][target - 12] and row[1] == 1.0
    hour = int(trace.local_hour[target])
    early = trace["glucose_mg_dl"][:cut]
    same_hour = early[trace.local_hour[:cut].astype(int) == hour]
    assert row[4] == pytest.approx(np.nanmean(early))
    assert row[5] == pytest.approx(np.nanmean(same_hour))
    assert row[6] == pytest.approx(trace["carbs_g"][target - 12 : target].sum())
    assert row[9] == pytest.approx(trace["carbs_g"][target - 96 : target].sum())
    assert row[10] == pytest.approx(trace["bolus_u"][target - 12 : target].sum())


@pytest.mark.slow
def test_rivals_are_judged_on_the_twin_s_own_moments(
    traces: list[Trace], found: LongForecasts
) -> None:
    person = module._person(traces[0])
    for one in found.errors:
        if one.patient == traces[0].patient:
            origin, target = pairs(person.judged.replay, one.horizon_min)
            assert one.readings == len(origin)
            read = person.judged.replay.readings_mg_dl
            held = np.sqrt(np.mean((read[origin] - read[target]) ** 2))
            assert one.rmse_mg_dl["persistence"] == pytest.approx(held)


def test_people_without_insulin_are_left_out_with_the_reason(traces: list[Trace]) -> None:
    alone = replace(traces[0], columns={"glucose_mg_dl": traces[0]["glucose_mg_dl"]})
    with pytest.raises(QualityError, match="no insulin and meals on record"):
        module._person(alone)


def error(patient: str, twin: float) -> Error:
    rmse = dict.fromkeys(MODELS, 50.0) | {"twin": twin, "boosting": 45.0}
    return Error(patient, 240, 100, rmse, {name: value / 2 for name, value in rmse.items()}, 70.0)


def test_the_page_says_who_wins_and_where_the_mean_is_better() -> None:
    worse = LongForecasts(
        (error("a", 60.0), error("b", 62.0)), {"a": 0.3, "b": 0.1}, ("c has no insulin",)
    )
    text = markdown(worse)
    assert "| twin, with what its halves taught | 61.0 (1.0) |" in text and "| people | 2 |" in text
    assert "4 h: best is gradient boosting, told the same doses (45.0 mg/dL)" in text
    assert "the twin (61.0) is worse than the person's mean (50.0)" in text
    assert "- Left out: c has no insulin" in text
    assert "believed of each person: 0.10, 0.30." in text
    better = markdown(LongForecasts((error("a", 40.0),), {"a": 0.9}, ()))
    assert (
        "best is twin, with what its halves taught (40.0 mg/dL); the twin (40.0) is better"
        in better
    )


def test_plain_values_are_those_found() -> None:
    plain = json.loads(
        json.dumps(
            as_dict(LongForecasts((error("a", 60.0), error("b", 62.0)), {"a": 0.3, "b": 0.1}, ()))
        )
    )
    (horizon,) = plain["horizons"]
    assert horizon["rmse_mg_dl"]["twin"] == 61.0 and horizon["covered_80_pct"] == 70.0
    assert len(plain["people"]) == 2 and plain["left_out"] == []


def test_real_people_are_judged(shared_data: Path) -> None:
    everybody = import_folder(shared_data / "uom", "uom", "Europe/London").traces
    two = [one for one in everybody if one.patient.endswith(("2307", "2405"))]
    found = long_forecasts(two)
    assert {one.patient for one in found.errors} == {one.patient for one in two}
    soon = found.at(30)
    assert all(one.rmse_mg_dl["twin"] < one.rmse_mg_dl["mean"] for one in soon)
