"""Filter, body and last reading in one: weights found, intervals right, no look ahead."""

from dataclasses import replace

import numpy as np
import pytest

from models import blending
from models.blending import Lessons, blended
from models.filter import Filter
from models.following import Followed
from models.rollout import HORIZONS_MIN
from models.trace import STEPS_PER_DAY, FloatArray
from tests.models.virtual import heads

DAYS = 20
AHEAD = np.array(HORIZONS_MIN) // 5
NOBODY = np.zeros(0, dtype=np.int64)
NONE = Lessons(NOBODY, np.zeros((0, 3, 2)), np.zeros((0, 3)))
Record = tuple[Followed, FloatArray, FloatArray]


def record(share: tuple[float, float], seed: int = 1, noise: float = 6.0) -> Record:
    """Readings that leave the last one by `share` of what filter and body foresaw, and noise."""
    rng = np.random.default_rng(seed)
    rows = DAYS * STEPS_PER_DAY
    glucose = np.full(rows, 140.0)
    foresaw = rng.normal(0.0, 25.0, (rows, 3, 2))
    hourly = np.arange(12, rows, 12)
    mean, body = np.full((2, rows, 3), np.nan)
    for row in hourly:
        later = row + AHEAD[0]
        if later < rows:
            glucose[later] = 140.0 + foresaw[row, 0] @ np.array(share) + rng.normal(0.0, noise)
        mean[row] = 140.0 + foresaw[row, :, 0]
        body[row] = 140.0 + foresaw[row, :, 1]
    last = Filter.start(heads(16, seed=1, spread=0.2), 140.0, 0)
    none = np.full(rows, np.nan)
    return Followed(mean, mean - 50.0, mean + 50.0, none, none, none, last), body, glucose


def day_of(glucose: FloatArray) -> np.ndarray:
    return np.arange(len(glucose)) // STEPS_PER_DAY


def off_at_30(found: Followed, glucose: FloatArray, first_day: int) -> FloatArray:
    rows = np.flatnonzero(np.isfinite(found.mean_mg_dl[:, 0]))
    rows = rows[(rows >= first_day * STEPS_PER_DAY) & (rows + AHEAD[0] < len(glucose))]
    off: FloatArray = found.mean_mg_dl[rows, 0] - glucose[rows + AHEAD[0]]
    return off


@pytest.mark.parametrize("share", [(0.0, 1.0), (1.0, 0.0), (0.3, 0.6), (0.0, 0.0)])
def test_whoever_was_right_is_believed(share: tuple[float, float]) -> None:
    seen, body, glucose = record(share)
    lessons = Lessons.of(seen, body, glucose)
    weights, half_width = blending._learned(lessons, 0, len(glucose))
    assert weights == pytest.approx(share, abs=0.05)
    assert half_width == pytest.approx(1.2816 * 6.0, rel=0.15)
    found = blended(seen, body, glucose, day_of(glucose), NONE)
    assert np.sqrt(np.mean(off_at_30(found, glucose, 5) ** 2)) < 1.1 * 6.0


def test_intervals_cover_80_per_cent_where_the_filters_own_cover_all() -> None:
    seen, body, glucose = record((0.5, 0.5))
    found = blended(seen, body, glucose, day_of(glucose), NONE)
    off = off_at_30(found, glucose, 5)
    rows = np.flatnonzero(np.isfinite(found.mean_mg_dl[:, 0]))
    half = (found.high_mg_dl - found.low_mg_dl)[rows[-len(off) - 1] : rows[-1], 0] / 2.0
    half = half[np.isfinite(half)]
    assert len(half) == len(off)
    assert 100.0 * np.mean(np.abs(off) <= half) == pytest.approx(80.0, abs=5.0)
    assert np.mean(np.abs(off_at_30(seen, glucose, 5)) <= 50.0) > 0.95


def test_a_day_to_come_changes_nothing_that_was_said_before() -> None:
    seen, body, glucose = record((0.2, 0.7))
    cut = 12 * STEPS_PER_DAY
    changed = glucose.copy()
    changed[cut:] += 80.0
    before, after = (
        blended(seen, body, one, day_of(glucose), NONE).mean_mg_dl for one in (glucose, changed)
    )
    assert np.array_equal(before[:cut], after[:cut], equal_nan=True)
    assert not np.array_equal(before[cut + STEPS_PER_DAY :], after[cut + STEPS_PER_DAY :])


def test_planted_lessons_of_days_to_come_would_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learned, late = blending._learned, 2 * STEPS_PER_DAY
    monkeypatch.setattr(blending, "_learned", lambda a, place, last: learned(a, place, last + late))
    with pytest.raises(AssertionError):
        test_a_day_to_come_changes_nothing_that_was_said_before()


def test_without_lessons_halves_and_the_filters_own_interval() -> None:
    seen, body, glucose = record((1.0, 0.0))
    found = blended(seen, body, glucose, day_of(glucose), NONE)
    first = np.flatnonzero(np.isfinite(found.mean_mg_dl[:, 0]))[:5]
    halves = (seen.mean_mg_dl[first] + body[first]) / 2.0
    assert found.mean_mg_dl[first] == pytest.approx(halves)
    assert found.high_mg_dl[first] - found.mean_mg_dl[first] == pytest.approx(np.full((5, 3), 50.0))


def test_days_before_the_start_teach_its_first_day() -> None:
    seen, body, glucose = record((0.0, 1.0))
    before = Lessons.of(*record((0.0, 1.0), seed=2), first_row=-DAYS * STEPS_PER_DAY)
    found = blended(seen, body, glucose, day_of(glucose), before)
    first = np.flatnonzero(np.isfinite(found.mean_mg_dl[:, 0]))[:5]
    assert found.mean_mg_dl[first, 0] == pytest.approx(body[first, 0], abs=3.0)


def test_where_the_body_is_silent_the_filter_speaks_for_it() -> None:
    seen, body, glucose = record((0.5, 0.5))
    found = blended(seen, np.full_like(body, np.nan), glucose, day_of(glucose), NONE)
    first = np.flatnonzero(np.isfinite(found.mean_mg_dl[:, 0]))[0]
    assert found.mean_mg_dl[first] == pytest.approx(seen.mean_mg_dl[first])


def test_nobody_is_expected_below_what_a_sensor_reads() -> None:
    seen, body, glucose = record((0.5, 0.5))
    deep = replace(seen, mean_mg_dl=seen.mean_mg_dl - 500.0)
    found = blended(deep, body - 500.0, glucose, day_of(glucose), NONE)
    assert np.nanmin(found.mean_mg_dl) >= 10.0
