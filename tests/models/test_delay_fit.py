"""Delays of people whose meals are entered late or early: found, taken up, carried on; or not."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from models import delay_fit, delay_posterior
from models.calibration import Calibration, calibrate
from models.delay_fit import Foretold, calibrate_meals, with_meal_delays
from models.delay_posterior import DelayPosterior
from models.heads import BOOK_PRIOR, NAMES, THETA_HIGH
from models.inputs import physiology_inputs
from models.meal_delay import DELAY_SD_MIN, EARLIEST_MIN, LATEST_MIN, inputs_of
from models.mixed_meal import MealMake
from models.posterior import Posterior, Record
from models.refit import refit
from models.replay import replayed
from models.sandbox import AS_RECORDED, Asked, ground_of, lived
from models.scenario import Eaten, Life, Scenario
from models.trace import STEPS_PER_DAY, FloatArray, Trace
from models.whatif import Regimen, compare, under
from tests.models.virtual import eventful, heads, read_by_sensor

pytestmark = pytest.mark.slow

DAYS = 14
LATE = np.full(4, -15.0)
MIXED = np.array([20.0, 10.0, 0.0, -10.0])
"""Minutes from entry to food, which is what a head should find."""


@cache
def person(seed: int, days: int = DAYS) -> tuple[Trace, FloatArray]:
    """As lived and entered at once, and the true head."""
    theta = heads(1, seed, 0.4)[0]
    return read_by_sensor(eventful(days, seed), theta, seed), theta


def entered(trace: Trace, delay_min: FloatArray) -> Trace:
    """The same days with each meal entered so long before it was eaten."""
    carbs = np.zeros(len(trace))
    for row in np.flatnonzero(trace["carbs_g"]).tolist():
        hour = float(trace.local_hour[row])
        meal = 0 if hour < 10.25 else 1 if hour < 15.0 else 3
        carbs[max(row - int(delay_min[meal]) // 5, 0)] += trace["carbs_g"][row]
    return replace(trace, columns=dict(trace.columns) | {"carbs_g": carbs})


def error(calibration: Calibration, theta: FloatArray) -> float:
    """RMS distance from the true head, prior sds."""
    return float(np.sqrt(np.mean(((calibration.head.theta - theta) / BOOK_PRIOR.sd) ** 2)))


@cache
def found(seed: int, mixed: bool) -> tuple[Trace, Calibration, Calibration]:
    """The record, the twin without delays and the one whose halves were asked."""
    trace = entered(person(seed)[0], MIXED if mixed else LATE)
    (plain,) = calibrate([trace])
    return trace, plain, with_meal_delays(trace, plain)


@pytest.mark.parametrize("seed", [1, 4])
@pytest.mark.parametrize("mixed", [True, False])
def test_the_delays_of_a_planted_world_are_recovered(seed: int, mixed: bool) -> None:
    """Breakfast, lunch and dinner, as nobody here eats snacks; and the head is better for it."""
    _, plain, late = found(seed, mixed)
    off = late.head.meal_delay_min - (MIXED if mixed else LATE)
    assert np.abs(off[[0, 1, 3]]).max() < 5.0
    theta = person(seed)[1]
    assert error(late, theta) < 0.7 * error(plain, theta)
    assert late.delay_sd_min is not None and (late.delay_sd_min < DELAY_SD_MIN).all()


def test_an_estimate_of_the_wrong_sign_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: delays tried with the other sign; what is recovered is then far off."""
    right = delay_posterior.delays_of
    monkeypatch.setattr(delay_posterior, "delays_of", lambda z: -right(z))
    trace, plain, _ = found(1, True)
    off = with_meal_delays(trace, plain).head.meal_delay_min - MIXED
    assert np.abs(off[[0, 1, 3]]).max() > 5.0


@pytest.mark.parametrize("seed", [0, 4])
def test_somebody_who_enters_meals_as_they_are_eaten_keeps_the_very_twin(seed: int) -> None:
    trace, _ = person(seed)
    (plain,) = calibrate([trace])
    assert with_meal_delays(trace, plain) is plain
    assert not plain.head.meal_delay_min.any()


@pytest.mark.parametrize(
    ("gains", "nearer", "better"),
    [
        ((3.0, 0.1), (0.2, 0.1), True),
        ((300.0, -0.1), (0.2, 0.1), False),
        ((3.0, 0.1), (2.0, -0.1), True),
        ((3.0, 0.1), (2.0, -2.1), False),
    ],
)
def test_each_half_has_to_be_likelier_and_both_nearer(
    gains: tuple[float, float], nearer: tuple[float, float], better: bool
) -> None:
    assert Foretold(gains, nearer).better is better


def test_delays_that_no_half_asks_for_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: everybody gets delays. Then the test of the very twin goes red."""
    monkeypatch.setattr(Foretold, "better", True)
    with pytest.raises(AssertionError):
        test_somebody_who_enters_meals_as_they_are_eaten_keeps_the_very_twin(0)


def test_too_short_a_record_keeps_no_delays() -> None:
    trace = entered(person(1)[0], LATE).rows(0, STEPS_PER_DAY // 2)
    assert not calibrate_meals([trace])[0].head.meal_delay_min.any()


def test_a_delay_at_its_bound_is_flagged() -> None:
    words = delay_fit._bounds(np.array([EARLIEST_MIN, 0.0, 10.0, LATEST_MIN]))
    assert words == ("delay_breakfast at its bound -30 min", "delay_dinner at its bound 60 min")


def test_gradient_and_curvature_of_the_joint_posterior() -> None:
    trace = person(1)[0].rows(0, 3 * STEPS_PER_DAY)
    inputs, rows = physiology_inputs(trace), np.arange(len(trace))
    record = Record(inputs, rows, rows, trace["glucose_mg_dl"], 140.0)
    asked = DelayPosterior(Posterior.of(record, BOOK_PRIOR))
    z = np.append(np.zeros(len(NAMES)), MIXED / DELAY_SD_MIN + 0.01)
    cost, gradient, curvature = asked.expansion(z)
    assert cost == pytest.approx(asked.costs(z[None])[0])
    steps = 1e-5 * np.eye(len(z))
    rise = asked.costs(z + steps) - asked.costs(z - steps)
    assert 2.0 * gradient == pytest.approx(rise / 2e-5, rel=1e-4, abs=1e-4)
    assert np.linalg.eigvalsh(curvature).min() > 0.0


def test_beyond_a_bound_a_delay_has_only_its_priors_gradient() -> None:
    trace = person(1)[0].rows(0, 3 * STEPS_PER_DAY)
    rows = np.arange(len(trace))
    record = Record(physiology_inputs(trace), rows, rows, trace["glucose_mg_dl"], 140.0)
    asked = DelayPosterior(Posterior.of(record, BOOK_PRIOR))
    z = np.append(np.zeros(len(NAMES)), [9.0, 0.0, 0.0, -9.0])
    assert asked.expansion(z)[1][[-4, -1]] == pytest.approx([9.0, -9.0])
    assert THETA_HIGH.shape == (len(NAMES),)


def test_a_nights_refit_keeps_the_delays() -> None:
    trace, _, late = found(1, True)
    night = refit(trace, len(trace) - STEPS_PER_DAY, late)
    assert np.array_equal(night.head.meal_delay_min, late.head.meal_delay_min)
    assert not np.array_equal(night.head.theta, late.head.theta)


def test_unseen_days_are_replayed_the_better_for_it() -> None:
    for seed in (1, 4):
        trace, _, _ = found(seed, True)
        cut = 10 * STEPS_PER_DAY
        twins = (f([trace.rows(0, cut)])[0] for f in (calibrate, calibrate_meals))
        left = [
            np.sqrt(np.mean((shown.path_mg_dl - shown.readings_mg_dl) ** 2))
            for shown in (replayed(trace, twin, cut, len(trace)) for twin in twins)
        ]
        assert left[1] < 0.9 * left[0]


def test_questions_and_scenarios_hear_the_delays() -> None:
    """A regimen and a scenario that change nothing return the readings; delays move the rest."""
    trace, _, late = found(1, True)
    start = 10 * STEPS_PER_DAY
    same = compare(trace, late, (Regimen(), Regimen(carbs_scale=0.5)), start)
    assert np.abs(same.glucose_a_mg_dl - same.measured_mg_dl).max() < 1e-9
    ground = ground_of(trace, late, start, 24, Asked(draws=4))
    recorded = lived(ground, [AS_RECORDED])[0]
    assert np.abs(recorded - ground.measured_mg_dl).max() < 1e-6
    whole = physiology_inputs(trace).carbs_mg_kg_min.sum()
    head = replace(late.head, meal_delay_min=np.full(4, 25.0))
    told = under(Regimen(extra_carbs_g=((600, 5.0),)), inputs_of(trace, head), start)
    assert told.carbs_mg_kg_min.sum() == pytest.approx(whole + 5000.0 / 70.0)
    assert told.carbs_mg_kg_min[5 * start + 625] > 5000.0 / 70.0 - 1e-6


@pytest.mark.parametrize("fat_g", [0.0, 20.0])
def test_an_added_meal_arrives_at_the_delay_but_never_before_it_is_eaten(fat_g: float) -> None:
    trace, _, late = found(1, True)
    start = 10 * STEPS_PER_DAY
    meal = Scenario("more", life=Life(meals=(Eaten(MealMake(480, 30.0, fat_g), bolus_u=0.0),)))

    def rises_at(minutes: float) -> int:
        head = replace(late.head, meal_delay_min=np.full(4, minutes))
        ground = ground_of(trace, replace(late, head=head), start, 24, Asked(draws=2))
        without, with_meal = lived(ground, [AS_RECORDED, meal])
        return int(np.flatnonzero((with_meal - without).mean(axis=0) > 1e-3)[0])

    assert rises_at(30.0) == rises_at(0.0) + 6
    assert rises_at(-20.0) == rises_at(0.0)
