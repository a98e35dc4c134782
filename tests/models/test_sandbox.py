from dataclasses import replace

import numpy as np
import pytest

from models.calibration import Calibration, calibrate
from models.inputs import physiology_inputs
from models.mixed_meal import MealMake
from models.movement import Bout, Kind
from models.openloop import open_loop
from models.sandbox import AS_RECORDED, Asked, Ground, ground_of, lived
from models.scenario import (
    Bolus,
    Daily,
    Eaten,
    Life,
    LongActingChange,
    MealBolusChange,
    Scaled,
    Scenario,
    ScenarioError,
    TemporaryBasal,
    Therapy,
    Wave,
)
from models.strain import Illness, Stretch
from models.trace import STEPS_PER_DAY, FloatArray, Trace
from models.whatif import Regimen, compare
from tests.models.virtual import eventful, heads, read_by_sensor

START = 5 * STEPS_PER_DAY


@pytest.fixture(scope="module")
def trace() -> Trace:
    return read_by_sensor(eventful(7, seed=1), heads(1, seed=3, spread=0.4)[0], seed=4)


@pytest.fixture(scope="module")
def calibration(trace: Trace) -> Calibration:
    return calibrate([trace])[0]


@pytest.fixture(scope="module")
def ground(trace: Trace, calibration: Calibration) -> Ground:
    return ground_of(trace, calibration, START, 24, Asked(draws=8))


def mean_change(ground: Ground, scenario: Scenario) -> FloatArray:
    recorded, tried = lived(ground, [AS_RECORDED, scenario])
    change: FloatArray = (tried - recorded).mean(axis=1)
    return change


def with_therapy(**parts: object) -> Scenario:
    return Scenario("tried", therapy=Therapy(**parts))  # type: ignore[arg-type]


def with_life(**parts: object) -> Scenario:
    return Scenario("tried", life=Life(**parts))  # type: ignore[arg-type]


def test_a_scenario_that_changes_nothing_returns_the_measured_curve(ground: Ground) -> None:
    (paths,) = lived(ground, [AS_RECORDED])
    assert np.abs(paths - ground.measured_mg_dl).max() < 1e-9


def test_it_stands_where_a_replay_of_the_whole_record_stands(
    trace: Trace, calibration: Calibration, ground: Ground
) -> None:
    inputs = physiology_inputs(trace, calibration.head.background)
    whole = open_loop(ground.thetas, inputs, 120.0).interstitial_mg_dl[:, START : START + 288]
    left = ground.measured_mg_dl - whole
    assert np.abs(left - ground.left_mg_dl).max() < 0.5


def test_the_old_question_has_the_same_answer(trace: Trace, calibration: Calibration) -> None:
    """The best head by `whatif.compare` and the same head here: basal and boluses 10 % up."""
    asked = ground_of(trace, calibration, START, 24, Asked(draws=2))
    alone = replace(
        asked,
        thetas=calibration.head.theta[None],
        begin=asked.begin[:1],
        left_mg_dl=asked.left_mg_dl[:1],
    )
    scenario = with_therapy(
        basal=(Scaled(1.1),), carb_ratio=(Scaled(1 / 1.1),), correction_factor=(Scaled(1 / 1.1),)
    )
    regimens = (Regimen(), Regimen(basal_scale=1.1, bolus_scale=1.1))
    old = compare(trace, calibration, regimens, START, 24).mean_difference_mg_dl
    assert mean_change(alone, scenario)[0] == pytest.approx(old, abs=0.6)


@pytest.mark.parametrize(
    ("scenario", "sign"),
    [
        (with_therapy(basal=(Scaled(1.2, Daily(22.0, 6.0)),)), -1),
        (with_therapy(temporary_basal=(TemporaryBasal(0.0, Stretch(300, 120)),)), 1),
        (with_therapy(carb_ratio=(Scaled(0.8),)), -1),
        (with_therapy(carb_ratio=(Scaled(1.25, Daily(6.0, 11.0)),)), 1),
        (with_therapy(meal_boluses=(MealBolusChange(Daily(6.0, 11.0), scale=0.0),)), 1),
        (with_therapy(meal_boluses=(MealBolusChange(Daily(), later_min=45),)), 1),
        (with_therapy(boluses=(Bolus(600, 2.0),)), -1),
        (with_life(meals=(Eaten(MealMake(900, 40.0), 0.0),)), 1),
        (with_life(meals=(Eaten(MealMake(900, 40.0, 30.0, 20.0), 0.0),)), 1),
        (with_life(exercise=(Bout(1000, 45, Kind.AEROBIC, 55.0),)), -1),
        (with_life(illness=(Illness(Stretch(0, 1440), 38.5),)), 1),
        (with_life(short_sleep=(Stretch(420, 900),)), 1),
        (with_life(stress_minutes=(420,)), 1),
    ],
)
def test_every_change_moves_every_draw_its_own_way(
    ground: Ground, scenario: Scenario, sign: int
) -> None:
    assert (sign * mean_change(ground, scenario) > 0.0).all()


def test_nothing_moves_before_its_hour(ground: Ground) -> None:
    late = with_life(
        exercise=(Bout(1200, 30, Kind.INTERVAL, 55.0),),
        meals=(Eaten(MealMake(1300, 50.0, 9.0), 5.0),),
    )
    recorded, tried = lived(ground, [AS_RECORDED, late])
    assert np.array_equal(recorded[:, : 1200 // 5 + 1], tried[:, : 1200 // 5 + 1])
    assert not np.array_equal(recorded, tried)


def test_a_split_bolus_is_the_same_insulin(ground: Ground) -> None:
    split = with_therapy(meal_boluses=(MealBolusChange(Daily(), wave=Wave(0.3, 2.4)),))
    change = mean_change(ground, split)
    whole = mean_change(ground, with_therapy(meal_boluses=(MealBolusChange(Daily(), scale=0.0),)))
    assert (np.abs(change) < 0.5 * np.abs(whole)).all()


def test_skipping_a_meal_leaves_out_its_bolus_too(ground: Ground) -> None:
    skipped = mean_change(ground, with_life(skipped=(Daily(6.0, 11.0),)))
    unboluses = mean_change(
        ground, with_therapy(meal_boluses=(MealBolusChange(Daily(6.0, 11.0), scale=0.0),))
    )
    assert (skipped < unboluses).all()


def test_scenarios_together_are_those_apart(ground: Ground) -> None:
    each = [
        AS_RECORDED,
        with_therapy(basal=(Scaled(1.1),)),
        with_life(exercise=(Bout(600, 30, Kind.AEROBIC, 38.0),)),
    ]
    together = lived(ground, each)
    apart = np.concatenate([lived(ground, [one]) for one in each])
    assert np.array_equal(together, apart)


def test_who_has_no_long_acting_insulin_cannot_change_it(ground: Ground) -> None:
    with pytest.raises(ScenarioError, match="without an injection of it"):
        lived(ground, [with_therapy(long_acting=LongActingChange(1.1))])


@pytest.mark.parametrize(("start", "hours"), [(-288, 24), (6 * 288, 48)])
def test_hours_beyond_the_record_are_refused(
    trace: Trace, calibration: Calibration, start: int, hours: int
) -> None:
    with pytest.raises(ScenarioError, match="of a record of"):
        ground_of(trace, calibration, start, hours)


def test_a_twin_made_without_doses_is_refused(trace: Trace, calibration: Calibration) -> None:
    blind = replace(calibration, head=replace(calibration.head, identified=False))
    with pytest.raises(ScenarioError, match="made without insulin or meals"):
        ground_of(trace, blind, START, 24)
