"""The filter: causal, calm in gaps, hard to fool, honest of its own model, resumable."""

from dataclasses import replace

import numpy as np
import pytest

from models import filter as module
from models.filter import LEAST_MEMBERS, WIDTH, D, Drift, Filter, FilterError, R, W
from models.heads import BOOK_PRIOR, physical
from models.openloop import IG, Q1, QG, G
from models.scan import GLUCOSE_CEILING_MG_DL, GLUCOSE_FLOOR_MG_DL
from models.trace import FloatArray

QUIET = np.zeros((2, 5))
HORIZONS = np.array([30, 60, 120])


def heads(count: int = 32, seed: int = 1, spread: float = 0.1) -> FloatArray:
    noise = np.random.default_rng(seed).standard_normal((count, len(BOOK_PRIOR.mean)))
    return BOOK_PRIOR.mean + spread * BOOK_PRIOR.sd * noise


@pytest.fixture
def started() -> Filter:
    return Filter.start(heads(), 130.0, seed=3)


def meal(grams_per_kg: float = 0.7) -> FloatArray:
    drive = QUIET.copy()
    drive[1] = 1000.0 * grams_per_kg / 5
    return drive


def ran(state: Filter, readings: list[float], drive: FloatArray = QUIET) -> Filter:
    for reading in readings:
        state = state.advanced(drive, 8.0).updated(reading)[0]
    return state


def test_it_starts_where_the_sensor_reads(started: Filter) -> None:
    seen = started.members[:, IG] + started.members[:, R]
    np.testing.assert_allclose(seen, 130.0)
    assert started.glucose_mg_dl[0] == pytest.approx(130.0, abs=1e-9)
    assert started.ln_sensitivity == pytest.approx(0.0, abs=1e-12)


def test_readings_pull_it_and_say_how_surprised_it_was(started: Filter) -> None:
    before = started.advanced(QUIET, 8.0)
    after, surprise = before.updated(160.0)
    assert surprise is not None and surprise.off_mg_dl > 20.0
    assert after.glucose_mg_dl[0] > before.glucose_mg_dl[0] + 1.0
    assert after.glucose_mg_dl[1] < before.glucose_mg_dl[1], "a reading never makes it less sure"


def test_the_update_is_kalman_s_for_mean_and_spread(started: Filter) -> None:
    """Scalar reading: mean + gain * surprise, covariance (I - K H) P, as in any textbook."""
    state = ran(started, [128.0, 131.0, 135.0])
    before = state.advanced(QUIET, 8.0)
    after = before.updated(137.0)[0]
    white = before.drift.white_sd_mg_dl**2
    p = np.cov(before.members, rowvar=False)
    h = np.zeros(WIDTH)
    h[[IG, R]] = 1.0
    gain = p @ h / (h @ p @ h + white)
    off = 137.0 - before.members.mean(axis=0) @ h
    free = [place for place in range(WIDTH) if not Q1 <= place <= QG]  # the gut is held above 0
    np.testing.assert_allclose(
        after.members.mean(axis=0)[free], (before.members.mean(axis=0) + gain * off)[free]
    )
    expected = p - np.outer(gain, h @ p)
    got = np.cov(after.members, rowvar=False)
    np.testing.assert_allclose(got[np.ix_(free, free)], expected[np.ix_(free, free)], atol=1e-9)


def test_a_missing_reading_teaches_nothing(started: Filter) -> None:
    moved = started.advanced(QUIET, 8.0)
    same, surprise = moved.updated(float("nan"))
    assert same is moved and surprise is None


def test_in_a_gap_it_grows_less_sure(started: Filter) -> None:
    known = ran(started, [130.0] * 6)
    blind = known
    for _ in range(12):
        blind = blind.advanced(QUIET, 8.0)
    assert blind.glucose_mg_dl[1] > 1.5 * known.glucose_mg_dl[1]


def test_a_wild_reading_counts_little_and_is_counted(started: Filter) -> None:
    calm = ran(started, [130.0] * 12)
    fooled = ran(calm, [390.0])
    assert fooled.wild_readings == 1 and calm.wild_readings == 0
    assert fooled.glucose_mg_dl[0] < calm.glucose_mg_dl[0] + 45.0


def test_a_filter_that_believes_everything_would_be_noticed(
    started: Filter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FARTHEST_SD", 1e9)
    with pytest.raises(AssertionError):
        test_a_wild_reading_counts_little_and_is_counted(started)


def test_a_meal_raises_it_and_what_it_expects(started: Filter) -> None:
    drive = np.zeros((2, 120))
    usual = started.ahead(drive, 8.0, HORIZONS).mean_mg_dl
    fed = started.advanced(meal(), 8.0)
    still = started.advanced(QUIET, 8.0)
    more = fed.ahead(drive, 8.1, HORIZONS).mean_mg_dl - still.ahead(drive, 8.1, HORIZONS).mean_mg_dl
    assert (more > 5.0).all() and more[1] > more[0]
    drive[1, :5] = meal()[1]
    assert (started.ahead(drive, 8.0, HORIZONS).mean_mg_dl > usual).all()


def test_insulin_lowers_what_it_expects(started: Filter) -> None:
    drive = np.zeros((2, 120))
    usual = started.ahead(drive, 8.0, HORIZONS).mean_mg_dl
    drive[0, :5] = 2.0
    assert (started.ahead(drive, 8.0, HORIZONS).mean_mg_dl < usual).all()


def test_intervals_widen_with_the_horizon(started: Filter) -> None:
    said = ran(started, [130.0] * 6).ahead(np.zeros((2, 120)), 8.0, HORIZONS)
    width = said.high_mg_dl - said.low_mg_dl
    assert (np.diff(width) > 0).all() and (said.low_mg_dl < said.mean_mg_dl).all()


def test_disturbances_to_come_spread_as_simulated_ones() -> None:
    """The closed form of the integrated process against 4,000 simulated ones, minute by minute."""
    drift = Drift()
    state = replace(Filter.start(heads(16), 120.0, 0), drift=drift)
    keep = np.exp(-1.0 / (60.0 * drift.disturbance_h))
    noise = np.random.default_rng(5).standard_normal((4000, 120))
    d, total, seen = np.zeros(4000), np.zeros(4000), {}
    for minute in range(120):
        step = np.sqrt(1 - keep**2) * drift.disturbance_sd_mg_dl_min * noise[:, minute]
        total += 0.5 * d
        d = keep * d + step
        total += 0.5 * d
        seen[minute + 1] = total.var()
    np.testing.assert_allclose(state._pushed(HORIZONS), [seen[int(h)] for h in HORIZONS], rtol=0.08)


def in_its_own_world(days: int = 6, seed: int = 8) -> tuple[list[float], FloatArray]:
    """Readings that the filter's own model made, of one head, with its true w, d and r."""
    drift, random = Drift(), np.random.default_rng(seed)
    theta = heads(1, spread=0.0)
    truth = np.zeros((1, WIDTH))
    truth[0, [G, IG]] = 130.0
    readings = []
    kept = drift.kept(5.0)
    for row in range(288 * days):
        drive = meal(0.25) if row % 96 == 60 else QUIET
        module._advance(physical(theta), truth, drive, (row / 12) % 24)
        step = np.sqrt(1 - kept**2) * drift.sds * random.standard_normal(3)
        truth[0, W:] = kept * truth[0, W:] + step
        readings.append(
            float(truth[0, IG] + truth[0, R] + drift.white_sd_mg_dl * random.standard_normal())
        )
    return readings, theta


def surprises(drift: Drift) -> FloatArray:
    readings, theta = in_its_own_world()
    state = Filter.start(np.repeat(theta, 64, axis=0), readings[0], 1, drift)
    found = []
    for row, reading in enumerate(readings[1:], start=1):
        drive = meal(0.25) if row % 96 == 60 else QUIET
        state, surprise = state.advanced(drive, (row / 12) % 24).updated(reading)
        if surprise is not None and row > 288:
            found.append(surprise.standardised)
    return np.array(found)


@pytest.mark.slow
def test_in_its_own_world_surprises_are_as_large_as_it_says() -> None:
    """Mean of 1,439 squared innovations: 1 give or take 0.1 (chi-square, four sds, and members)."""
    z = surprises(Drift())
    assert np.mean(z**2) == pytest.approx(1.0, abs=0.12)
    assert abs(np.corrcoef(z[1:], z[:-1])[0, 1]) < 0.15


@pytest.mark.slow
def test_a_filter_too_sure_of_itself_would_be_noticed() -> None:
    sure = replace(Drift(), sensor_sd_mg_dl=2.0, disturbance_sd_mg_dl_min=0.1)
    assert np.mean(surprises(sure) ** 2) > 1.4


def test_the_future_changes_nothing_in_the_past(started: Filter) -> None:
    first = ran(started, [130.0, 133.0, 138.0])
    again = ran(ran(started, [130.0, 133.0]), [138.0])
    assert first.to_bytes() == again.to_bytes()


def test_put_away_and_taken_up_it_goes_on_to_the_same_bytes(started: Filter) -> None:
    half = ran(started, [130.0, 133.0, 250.0])
    back = Filter.from_bytes(half.to_bytes())
    assert ran(back, [140.0] * 4).to_bytes() == ran(half, [140.0] * 4).to_bytes()
    assert back.wild_readings == half.wild_readings and back.row == 3


@pytest.mark.parametrize("damage", [b"", b"x" * 40, b"x" * 200])
def test_other_bytes_are_no_filter(damage: bytes) -> None:
    with pytest.raises(FilterError, match="are no filter"):
        Filter.from_bytes(damage)


def test_a_torn_file_is_no_filter(started: Filter) -> None:
    with pytest.raises(FilterError, match="are no filter"):
        Filter.from_bytes(started.to_bytes()[:-8])


@pytest.mark.parametrize("reading", [float("nan"), 5.0, 2000.0])
def test_it_does_not_start_at_what_is_no_reading(reading: float) -> None:
    with pytest.raises(FilterError, match="first reading"):
        Filter.start(heads(), reading, 0)


def test_it_needs_heads_and_finite_ones() -> None:
    with pytest.raises(FilterError, match="expected 16 finite ones"):
        Filter.start(heads(LEAST_MEMBERS - 1), 120.0, 0)
    broken = heads()
    broken[3, 2] = np.nan
    with pytest.raises(FilterError, match="finite: False"):
        Filter.start(broken, 120.0, 0)


def test_whatever_comes_glucose_stays_possible(started: Filter) -> None:
    random = np.random.default_rng(2)
    state = started
    for _ in range(60):
        drive = np.abs(random.standard_normal((2, 5))) * [[30.0], [400.0]]
        state = state.advanced(drive, 12.0).updated(float(random.uniform(20.0, 600.0)))[0]
        assert np.isfinite(state.members).all()
        glucose = state.members[:, [G, IG]]
        assert glucose.min() >= GLUCOSE_FLOOR_MG_DL and glucose.max() <= GLUCOSE_CEILING_MG_DL
        assert state.members[:, Q1 : QG + 1].min() >= 0.0


def test_other_seeds_give_other_members_and_the_same_belief(started: Filter) -> None:
    other = ran(replace(started, seed=4), [130.0] * 12)
    same = ran(started, [130.0] * 12)
    assert not np.array_equal(other.members[:, D], same.members[:, D])
    assert other.glucose_mg_dl[0] == pytest.approx(same.glucose_mg_dl[0], abs=3.0)
