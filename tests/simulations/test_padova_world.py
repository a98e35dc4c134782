"""World B: what its days do to a body, and that days that do nothing leave world A bit for bit."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from models.trace import FloatArray
from simulations import padova_world
from simulations.padova import glucose_mg_dl, simulate
from simulations.padova_parameters import CONSTANTS, PadovaPatient, public_patients
from simulations.padova_world import (
    BASAL_BIAS,
    BASAL_SD,
    DAILY_COURSE_UP_TO,
    DAWN_UP_TO,
    DAY_CARRY,
    DAY_MIN,
    DAY_SD,
    EMPTYING_SD,
    Conditions,
    basal_factor,
    calm,
    lively,
    replay,
    risk,
    set_constants,
)

ADULT = public_patients()[10]
FASTING = ADULT.fasting_glucose_mg_dl
MEALS = np.array([450, 760, 1130, 1900, 2200, 2590])


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def a_day(carbs_g: float = 60.0, bolus_u: float = 5.0) -> tuple[FloatArray, FloatArray]:
    """Carbohydrate and insulin (1440,) of a day with one meal."""
    carbs, insulin = np.zeros(DAY_MIN), np.full(DAY_MIN, ADULT.basal_u_per_h / 60.0)
    carbs[480] = carbs_g
    insulin[480] += bolus_u
    return carbs, insulin


def conditions(**given: float) -> Conditions:
    """A day with constant factors, or another amplitude of the low-glucose term."""
    low_gain = given.pop("low_gain", 0.0)
    factors = {"sensitivity": 1.0, "production": 1.0, "emptying": 1.0, "uptake": 1.0} | given
    arrays = {name: np.full(DAY_MIN, value) for name, value in factors.items()}
    return Conditions(**arrays, low_gain=low_gain, fasting_mg_dl=FASTING)


def stays(seeds: int, days: int = 8) -> list[Conditions]:
    return [lively(ADULT, days, MEALS, rng(seed)) for seed in range(seeds)]


@pytest.mark.parametrize("patient", public_patients()[::7], ids=lambda p: p.name)
def test_days_that_do_nothing_are_world_a_bit_for_bit(patient: PadovaPatient) -> None:
    carbs, insulin = a_day()
    plain = glucose_mg_dl([patient], simulate([patient], carbs[None], insulin[None]))[0]
    ours = replay(patient, calm(patient, DAY_MIN), carbs, insulin)
    np.testing.assert_array_equal(ours[1:], plain[:-1])


def test_constants_that_say_nothing_are_untouched() -> None:
    now = np.full(len(CONSTANTS), np.nan)
    now[:] = ADULT.constants
    set_constants(now, ADULT.constants, calm(ADULT, 1), 0, 50.0)
    np.testing.assert_array_equal(now, ADULT.constants)


def test_sensitivity_scales_the_livers_answer_around_the_basal_insulin() -> None:
    now = ADULT.constants.copy()
    set_constants(now, ADULT.constants, conditions(sensitivity=1.3), 0, FASTING)
    changed, usual = (dict(zip(CONSTANTS, p, strict=True)) for p in (now, ADULT.constants))
    for delayed in (usual["Ib"], 2.0 * usual["Ib"], 0.0):
        expected = usual["kp1"] - usual["kp3"] * usual["Ib"]
        expected -= 1.3 * usual["kp3"] * (delayed - usual["Ib"])
        assert changed["kp1"] - changed["kp3"] * delayed == pytest.approx(expected)
    assert changed["Vmx"] == pytest.approx(1.3 * usual["Vmx"])


def test_at_rest_sensitivity_changes_nothing() -> None:
    carbs, insulin = a_day(0.0, 0.0)
    glucose = replay(ADULT, conditions(sensitivity=1.4), carbs, insulin)
    assert np.ptp(glucose) < 1.0


Effect = Callable[[Conditions], float]


def peak(these: Conditions) -> float:
    return float(replay(ADULT, these, *a_day()).max())


def lowest(these: Conditions) -> float:
    return float(replay(ADULT, these, *a_day(0.0, 4.0)).min())


@pytest.mark.parametrize(
    ("measure", "more"),
    [
        (peak, {"emptying": 1.5}),
        (peak, {"production": 1.05}),
    ],
)
def test_faster_stomachs_and_busier_livers_raise_the_peak(
    measure: Effect, more: dict[str, float]
) -> None:
    assert measure(conditions(**more)) > measure(conditions()) + 2.0


@pytest.mark.parametrize("more", [{"sensitivity": 1.3}, {"low_gain": 1.0}])
def test_sensitive_days_and_the_low_glucose_term_make_a_bolus_fall_deeper(
    more: dict[str, float],
) -> None:
    assert lowest(conditions(**more)) < lowest(conditions()) - 3.0


def test_the_risk_factor_is_that_of_the_paper() -> None:
    these = conditions(low_gain=1.0)._replace(fasting_mg_dl=120.0)
    depth = math.log(80.0) ** 0.81 - math.log(120.0) ** 0.81
    assert risk(80.0, these) == pytest.approx(1.0 + 10.0 * 1.44 * depth**2)
    assert risk(40.0, these) == risk(60.0, these) > risk(61.0, these)
    assert risk(120.0, these) == 1.0 == risk(300.0, these)
    assert risk(80.0, these._replace(low_gain=0.0)) == 1.0


def test_the_start_can_be_at_another_glucose() -> None:
    carbs, insulin = a_day(0.0, 0.0)
    glucose = replay(ADULT, calm(ADULT, DAY_MIN), carbs, insulin, start_mg_dl=200.0)
    assert glucose[0] == pytest.approx(200.0)
    assert abs(glucose[-1] - FASTING) < abs(glucose[0] - FASTING) / 2.0


def test_days_differ_as_much_as_they_should_and_follow_each_other() -> None:
    courses = np.array(
        [padova_world._day_to_day(30, rng(seed))[720::DAY_MIN] for seed in range(300)]
    )
    assert courses.std() == pytest.approx(DAY_SD, rel=0.05)
    following = np.corrcoef(courses[:, :-1].ravel(), courses[:, 1:].ravel())[0, 1]
    assert following == pytest.approx(DAY_CARRY, abs=0.05)


def test_the_daily_course_has_its_own_height_and_hour() -> None:
    heights, hours = [], []
    for seed in range(200):
        quiet = lively(ADULT, 2, MEALS, rng(seed))
        shape = np.log(quiet.sensitivity[720 : 720 + DAY_MIN])
        wave = np.exp(-2j * np.pi * np.arange(DAY_MIN) / DAY_MIN)
        first = 2.0 * (shape - np.linspace(shape[0], shape[-1], DAY_MIN)) @ wave / DAY_MIN
        heights.append(abs(first))
        hours.append(np.angle(first))
    assert np.quantile(heights, 0.95) == pytest.approx(DAILY_COURSE_UP_TO, abs=0.08)
    assert abs(np.mean(np.exp(1j * np.array(hours)))) < 0.2


def test_the_liver_makes_more_at_dawn_and_only_then() -> None:
    for these in stays(20):
        by_hour = these.production[:DAY_MIN].reshape(24, 60).mean(axis=1)
        assert by_hour.argmax() in (5, 6)
        assert 1.0 <= by_hour.max() <= 1.0 + DAWN_UP_TO
        assert by_hour[12:].max() < 1.001


def test_the_stomach_changes_its_pace_with_each_meal() -> None:
    paces = []
    for these in stays(100):
        changes = np.flatnonzero(np.diff(these.emptying)) + 1
        np.testing.assert_array_equal(changes, MEALS)
        assert these.emptying[0] == 1.0
        paces += np.log(these.emptying[MEALS]).tolist()
    assert np.std(paces) == pytest.approx(EMPTYING_SD, rel=0.1)


def test_the_basal_is_wrong_in_world_b_only() -> None:
    logs = np.log([basal_factor("B", rng(seed)) for seed in range(500)])
    assert logs.mean() == pytest.approx(BASAL_BIAS, abs=0.012)
    assert logs.std() == pytest.approx(BASAL_SD, rel=0.1)
    assert basal_factor("A", rng(0)) == 1.0


def test_the_same_seed_makes_the_same_days() -> None:
    once, again, other = (lively(ADULT, 3, MEALS, rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(once.sensitivity, again.sensitivity)
    assert not np.array_equal(once.sensitivity, other.sensitivity)
