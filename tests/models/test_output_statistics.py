"""What output statistics learn of a twin: all of it, none of it, and how wide to be."""

from dataclasses import replace

import numpy as np
import pytest

from models import output_statistics as module
from models.output_statistics import (
    KNOTS_MIN,
    OutputStatistics,
    forecast,
    interval,
    learned,
    usual_course,
)
from models.replay import Replay
from models.scan import GLUCOSE_FLOOR_MG_DL
from models.trace import STEPS_PER_DAY, FloatArray, IntArray

USUAL = np.full(24, 130.0)
PHI, SD = 0.95, 5.0
DAY_AHEAD = len(KNOTS_MIN) - 1


def autoregression(rng: np.random.Generator, rows: int, phi: float, sd: float) -> FloatArray:
    left = np.zeros(rows)
    for row in range(1, rows):
        left[row] = phi * left[row - 1] + sd * rng.normal()
    return left


def days(count: int, seed: int, trust: float, phi: float = PHI, sd: float = SD) -> Replay:
    """A life that follows its twin's excursions by `trust`, with AR(1) residuals."""
    rng = np.random.default_rng(seed)
    rows = count * STEPS_PER_DAY
    excursion = autoregression(rng, rows, 0.98, 9.0)
    readings = 130.0 + trust * excursion + autoregression(rng, rows, phi, sd)
    hours = (np.arange(rows) % STEPS_PER_DAY) / 12.0
    known = np.ones(rows, dtype=bool)
    return Replay(0, readings, known, hours, 130.0 + excursion, PHI, SD)


def ahead(replay: Replay, rows: int) -> tuple[IntArray, IntArray]:
    origin = np.arange(len(replay.readings_mg_dl) - rows)
    return origin, origin + rows


def error(statistics: OutputStatistics, replay: Replay, rows: int) -> float:
    origin, target = ahead(replay, rows)
    miss = forecast(statistics, replay, origin, target) - replay.readings_mg_dl[target]
    return float(np.sqrt(np.mean(miss**2)))


def test_a_life_that_follows_its_twin_leaves_it_as_it_is() -> None:
    found = learned([days(14, 1, trust=1.0)], USUAL, PHI, SD)
    own = np.array([[1.0, PHI ** (m // 5), PHI ** (m // 5)] for m in KNOTS_MIN])
    assert np.abs(found.weights - own).max() < 0.15


def test_without_lessons_it_is_the_twin_with_its_own_residuals() -> None:
    """The forecast and interval of AR(1) residuals, written out by hand."""
    found, low_life = learned([], USUAL, PHI, SD), days(2, 2, trust=1.0)
    shown = replace(
        low_life,
        readings_mg_dl=low_life.readings_mg_dl + 200.0,
        path_mg_dl=low_life.path_mg_dl + 200.0,
    )
    origin, target = ahead(shown, 12)
    fading = PHI**12
    by_hand = shown.path_mg_dl[target] + fading * (shown.readings_mg_dl - shown.path_mg_dl)[origin]
    assert forecast(found, shown, origin, target) == pytest.approx(by_hand)
    low, high = interval(found, shown, origin, target)
    doubt = SD * np.sqrt((1 - fading**2) / (1 - PHI**2))
    assert high - low == pytest.approx(np.full(len(origin), 2 * 1.2815516 * doubt))


@pytest.mark.parametrize("trust", [0.0, 0.3, 0.7])
def test_a_life_that_follows_its_twin_in_part_is_found_out(trust: float) -> None:
    found = learned([days(30, 3, trust)], USUAL, PHI, SD)
    assert found.weights[DAY_AHEAD, 0] == pytest.approx(trust, abs=0.1)


@pytest.mark.parametrize("trust", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("rows", [6, 24, 96])
def test_days_to_come_are_foretold_no_worse_for_it(trust: float, rows: int) -> None:
    taught = learned([days(7, 4, trust), days(7, 5, trust)], USUAL, PHI, SD)
    plain = learned([], USUAL, PHI, SD)
    shown = days(20, 6, trust)
    assert error(taught, shown, rows) < 1.06 * error(plain, shown, rows)
    if trust < 0.5 and rows == 96:
        assert error(taught, shown, rows) < 0.8 * error(plain, shown, rows)


@pytest.mark.parametrize("trust", [0.0, 1.0])
@pytest.mark.parametrize("rows", [6, 24, 96, 400])
def test_intervals_cover_80_per_cent_of_days_to_come(trust: float, rows: int) -> None:
    """Residuals wider and slower than the twin believes of itself."""
    taught = learned([days(14, 7, trust, 0.98, 8.0)], USUAL, PHI, SD)
    shown = days(60, 8, trust, 0.98, 8.0)
    origin, target = ahead(shown, rows)
    low, high = interval(taught, shown, origin, target)
    read = shown.readings_mg_dl[target]
    assert 100 * np.mean((low <= read) & (read <= high)) == pytest.approx(80.0, abs=7.0)


def test_planted_the_twin_s_own_width_would_cover_far_less() -> None:
    shown = days(60, 8, 1.0, 0.98, 8.0)
    low, high = interval(learned([], USUAL, PHI, SD), shown, *ahead(shown, 96))
    read = shown.readings_mg_dl[96:]
    assert np.mean((low <= read) & (read <= high)) < 0.5


def test_a_lesson_of_hours_leaves_far_leads_to_the_twin() -> None:
    """Half a day has no pair a day apart, and few stretches of four hours."""
    short = days(1, 9, trust=0.0)
    half = replace(short, usable=np.arange(STEPS_PER_DAY) < STEPS_PER_DAY // 2)
    found = learned([half], USUAL, PHI, SD)
    assert found.weights[DAY_AHEAD].tolist() == pytest.approx([1.0, PHI**288, PHI**288])
    assert np.isfinite(found.half_width_mg_dl).all()


def test_a_slow_sensor_teaches_as_many_stretches() -> None:
    shown = days(10, 10, trust=0.2)
    every_third = np.where(np.arange(len(shown.readings_mg_dl)) % 3 == 0, 1.0, np.nan)
    slow = replace(shown, readings_mg_dl=shown.readings_mg_dl * every_third)
    quick, less = (learned([one], USUAL, PHI, SD).weights for one in (shown, slow))
    assert np.abs(quick - less)[1:].max() < 0.1


def test_nobody_is_expected_below_what_a_sensor_reads() -> None:
    shown = days(2, 11, trust=1.0)
    deep = replace(shown, path_mg_dl=shown.path_mg_dl - 300.0)
    statistics = learned([], USUAL, 0.1, 50.0)
    origin, target = ahead(deep, 48)
    low, _ = interval(statistics, deep, origin, target)
    assert forecast(statistics, deep, origin, target).min() == GLUCOSE_FLOOR_MG_DL
    assert low.min() == GLUCOSE_FLOOR_MG_DL


def test_leads_between_knots_lie_between_their_widths_and_beyond_stay() -> None:
    found = learned([], USUAL, PHI, SD)
    shown = days(8, 12, trust=1.0)
    widths = []
    for rows in (1, 3, 9, 12, 288, 1000):
        low, high = interval(found, shown, *ahead(shown, rows))
        widths.append(float(np.median(high - low)))
    assert widths[0] == pytest.approx(widths[1]) and widths[1] < widths[2] < widths[3]
    assert widths[4] == pytest.approx(widths[5])


def test_what_is_usual_is_an_hour_s_mean_drawn_to_that_of_all() -> None:
    """Ten days of 200 at seven and 100 else: (10 * 200 + 2 m) / 12, m the mean of all."""
    hour = np.tile(np.arange(STEPS_PER_DAY) / 12.0, 10)
    readings = np.where(hour.astype(int) == 7, 200.0, 100.0)
    usual = usual_course(readings, hour)
    assert usual[7] == pytest.approx((2000.0 + 2 * readings.mean()) / 12.0)
    assert usual[8] == pytest.approx((1000.0 + 2 * readings.mean()) / 12.0)


def test_an_hour_without_readings_is_as_usual_as_all() -> None:
    hour = np.arange(STEPS_PER_DAY) / 12.0
    readings = np.where(hour < 12.0, 120.0, np.nan)
    assert usual_course(readings, hour) == pytest.approx(np.full(24, 120.0))


def test_planted_no_ridge_follows_a_lesson_of_two_days_too_far(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Over twenty short records the free weights stray farther from what is true."""
    strayed = []
    for spread in (module.WEIGHT_SD, 1e3):
        monkeypatch.setattr(module, "WEIGHT_SD", spread)
        found = [learned([days(2, seed, 1.0)], USUAL, PHI, SD).weights[4] for seed in range(20)]
        strayed.append(np.abs(np.stack(found) - [1.0, PHI**48, PHI**48]).mean())
    assert strayed[0] < 0.7 * strayed[1]
