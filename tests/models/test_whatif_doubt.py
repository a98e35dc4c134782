"""Doubt about a change: it grows with what is not known, holds the best head, and is repeatable."""

from dataclasses import replace

import numpy as np
import pytest

from models.calibration import Calibration, calibrate
from models.trace import STEPS_PER_DAY, Trace
from models.whatif import Comparison, Regimen, compare
from models.whatif_doubt import Doubt, doubt_of
from tests.models.virtual import eventful, heads, read_by_sensor

pytestmark = pytest.mark.slow

SAME = Regimen()
LESS = Regimen(basal_scale=0.8)
START = 5 * STEPS_PER_DAY


@pytest.fixture(scope="module")
def trace() -> Trace:
    return read_by_sensor(eventful(6, seed=2), heads(1, seed=2, spread=0.3)[0], seed=2)


@pytest.fixture(scope="module")
def calibration(trace: Trace) -> Calibration:
    return calibrate([trace])[0]


def asked(trace: Trace, calibration: Calibration, regimen: Regimen) -> tuple[Comparison, Doubt]:
    regimens = (SAME, regimen)
    comparison = compare(trace, calibration, regimens, START)
    return comparison, doubt_of(trace, calibration, regimens, comparison)


@pytest.mark.parametrize(
    "regimen", [LESS, Regimen(basal_scale=1.2), Regimen(bolus_scale=0.8), Regimen(carbs_scale=1.3)]
)
def test_the_best_head_lies_within_and_the_sign_is_everybodys(
    regimen: Regimen, trace: Trace, calibration: Calibration
) -> None:
    comparison, doubt = asked(trace, calibration, regimen)
    low, high = doubt.mean_difference_mg_dl
    assert low < comparison.mean_difference_mg_dl < high
    assert low * high > 0.0
    assert doubt.draws == 100


def test_time_in_range_has_an_interval_too(trace: Trace, calibration: Calibration) -> None:
    comparison, doubt = asked(trace, calibration, Regimen(basal_scale=0.5))
    low, high = doubt.time_in_range_difference_points
    assert low <= comparison.time_in_range_difference_points <= high
    assert -100.0 <= low < high <= 100.0


def test_nothing_changed_leaves_no_doubt(trace: Trace, calibration: Calibration) -> None:
    _, doubt = asked(trace, calibration, SAME)
    assert doubt.mean_difference_mg_dl == (0.0, 0.0)
    assert doubt.time_in_range_difference_points == (0.0, 0.0)


def test_less_belief_is_more_doubt(trace: Trace, calibration: Calibration) -> None:
    """Planted: intervals from a single head have no width, whatever is believed."""
    assert calibration.belief is not None
    sure = replace(calibration, belief=1e-12 * calibration.belief)
    narrow = np.ptp(asked(trace, sure, LESS)[1].mean_difference_mg_dl)
    wide = np.ptp(asked(trace, calibration, LESS)[1].mean_difference_mg_dl)
    assert narrow < 1e-3 < wide


def test_a_sure_ensemble_says_what_the_best_head_says(
    trace: Trace, calibration: Calibration
) -> None:
    """The three days of settling stand for the whole record."""
    assert calibration.belief is not None
    sure = replace(calibration, belief=1e-12 * calibration.belief)
    comparison, doubt = asked(trace, sure, LESS)
    assert np.mean(doubt.mean_difference_mg_dl) == pytest.approx(
        comparison.mean_difference_mg_dl, rel=0.02
    )


def test_the_same_question_has_the_same_answer(trace: Trace, calibration: Calibration) -> None:
    assert asked(trace, calibration, LESS)[1] == asked(trace, calibration, LESS)[1]


def test_a_question_at_the_start_of_a_record_is_answered(
    trace: Trace, calibration: Calibration
) -> None:
    regimens = (SAME, LESS)
    comparison = compare(trace, calibration, regimens, 0)
    doubt = doubt_of(trace, calibration, regimens, comparison, draws=10)
    low, high = doubt.mean_difference_mg_dl
    assert 0.0 < low < high
