"""Nightly refits: nights add up to what all days say, and a bad night is survived."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from models.calibration import Calibration, calibrate
from models.heads import BOOK_PRIOR
from models.inputs import physiology_inputs
from models.openloop import open_loop
from models.refit import WALK_A_DAY, cautious, refit, tonights_prior
from models.trace import STEPS_PER_DAY, Trace
from simulations.effects_people import drawn_subject

pytestmark = pytest.mark.slow

DAYS = 9


PEOPLE = (1, 2, 4)


@pytest.fixture(scope="module")
def traces() -> list[Trace]:
    return [drawn_subject("adolescent", n, "A", 707, days=DAYS + 3).trace() for n in PEOPLE]


@pytest.fixture(scope="module")
def trace(traces: list[Trace]) -> Trace:
    return traces[0]


def up_to(trace: Trace, number: int) -> tuple[Trace, int]:
    """The record up to the end of a day, and where that day begins."""
    return trace.rows(0, (number + 1) * STEPS_PER_DAY), number * STEPS_PER_DAY


def nights_of(trace: Trace) -> list[Calibration]:
    """Three days at once, then a night at a time."""
    (first,) = calibrate([trace.rows(0, 3 * STEPS_PER_DAY)])
    found = [first]
    for number in range(3, DAYS):
        found.append(refit(*up_to(trace, number), found[-1]))
    return found


@pytest.fixture(scope="module")
def everybody(traces: list[Trace]) -> list[list[Calibration]]:
    return [nights_of(one) for one in traces]


@pytest.fixture(scope="module")
def nights(everybody: list[list[Calibration]]) -> list[Calibration]:
    return everybody[0]


def away(one: Calibration, other: Calibration) -> float:
    """Mean distance of two heads in public prior sds."""
    return float(np.mean(np.abs(one.head.theta - other.head.theta) / BOOK_PRIOR.sd))


def error_to_come_pct(twin: Calibration, trace: Trace) -> float:
    """MARD of the open loop over the days that nobody has seen."""
    glucose = trace["glucose_mg_dl"]
    inputs = physiology_inputs(trace, twin.head.background)
    path = open_loop(twin.head.theta, inputs, float(glucose[0])).interstitial_mg_dl[0]
    ahead = slice(DAYS * STEPS_PER_DAY, None)
    return float(100.0 * np.mean(np.abs(path - glucose)[ahead] / glucose[ahead]))


def mean_error_pct(twins: Sequence[Calibration], traces: Sequence[Trace]) -> float:
    pairs = zip(twins, traces, strict=True)
    return float(np.mean([error_to_come_pct(twin, trace) for twin, trace in pairs]))


@pytest.mark.slow
def test_nights_together_say_what_all_days_would(
    traces: list[Trace], everybody: list[list[Calibration]]
) -> None:
    """Mean over three people of the error on three days that no twin has seen."""
    whole = [calibrate([one.rows(0, DAYS * STEPS_PER_DAY)])[0] for one in traces]
    reached = mean_error_pct([nights[-1] for nights in everybody], traces)
    assert reached < 0.9 * mean_error_pct([nights[0] for nights in everybody], traces)
    assert reached < 1.2 * mean_error_pct(whole, traces)


@pytest.mark.slow
def test_nights_that_forget_yesterday_would_be_noticed(
    traces: list[Trace], everybody: list[list[Calibration]]
) -> None:
    """Planted: the last day alone, as if no night had been before it."""
    last = slice((DAYS - 1) * STEPS_PER_DAY, DAYS * STEPS_PER_DAY)
    alone = [calibrate([one.rows(last.start, last.stop)])[0] for one in traces]
    reached = mean_error_pct([nights[-1] for nights in everybody], traces)
    assert mean_error_pct(alone, traces) > 1.4 * reached


@pytest.mark.slow
def test_each_night_makes_the_twin_surer(nights: list[Calibration]) -> None:
    doubts = []
    for one in nights:
        assert one.belief is not None
        doubts.append(np.trace(one.belief / np.outer(BOOK_PRIOR.sd, BOOK_PRIOR.sd)))
    assert doubts[-1] < doubts[0]


@pytest.mark.slow
def test_a_night_of_garbage_moves_it_little(trace: Trace, nights: list[Calibration]) -> None:
    record, first = up_to(trace, DAYS - 1)
    garbage = record["glucose_mg_dl"].copy()
    garbage[first:] = np.random.default_rng(1).uniform(40.0, 400.0, len(record) - first)
    broken = replace(record, columns=dict(record.columns) | {"glucose_mg_dl": garbage})
    after = refit(broken, first, nights[-2])
    assert away(after, nights[-2]) < 0.5


def test_without_readings_yesterday_stands(trace: Trace, nights: list[Calibration]) -> None:
    record, first = up_to(trace, 5)
    silent = record["glucose_mg_dl"].copy()
    silent[first:] = np.nan
    columns = dict(record.columns) | {"glucose_mg_dl": silent}
    assert refit(replace(record, columns=columns), first, nights[0]) is nights[0]


@pytest.mark.slow
def test_yesterday_s_readings_are_not_used_again(trace: Trace, nights: list[Calibration]) -> None:
    record, first = up_to(trace, 4)
    other = record["glucose_mg_dl"].copy()
    other[:first] = 300.0
    columns = dict(record.columns) | {"glucose_mg_dl": other}
    changed = refit(replace(record, columns=columns), first, nights[1])
    assert changed.head.theta.tolist() == refit(record, first, nights[1]).head.theta.tolist()


def test_tonight_is_never_surer_than_yesterday(nights: list[Calibration]) -> None:
    prior = tonights_prior(nights[0], days=2.0)
    added = prior.covariance - nights[0].covariance
    np.testing.assert_allclose(added, 2.0 * WALK_A_DAY**2 * BOOK_PRIOR.covariance, atol=1e-12)
    assert prior.mean is nights[0].head.theta


def test_doubt_is_that_of_all_likelihood_to_the_power(nights: list[Calibration]) -> None:
    """After the first calibration the two ways to it are one; later it stays far above Laplace."""
    first, last = nights[0], nights[-1]
    assert first.belief is not None and last.belief is not None
    ratio = np.diag(cautious(first.covariance, BOOK_PRIOR)) / np.diag(first.belief)
    assert 0.5 < np.median(ratio) < 2.0
    assert (np.diag(last.belief) > np.diag(last.covariance)).all()
    assert (np.diag(last.belief) <= np.diag(BOOK_PRIOR.covariance) * (1 + 1e-9)).all()


def test_a_covariance_wider_than_the_population_teaches_nothing() -> None:
    belief = cautious(3.0 * BOOK_PRIOR.covariance, BOOK_PRIOR)
    np.testing.assert_allclose(belief, BOOK_PRIOR.covariance, atol=1e-9)


def test_who_was_not_identified_begins_anew(trace: Trace, nights: list[Calibration]) -> None:
    unknown = replace(nights[0], head=replace(nights[0].head, identified=False))
    two = trace.rows(0, 2 * STEPS_PER_DAY)
    (fresh,) = calibrate([two])
    assert refit(two, 0, unknown).head.theta.tolist() == fresh.head.theta.tolist()
