"""ReplayBG's model as we wrote it down, against ReplayBG itself, arithmetic and its own slopes."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.physiology import KE_PER_MIN
from simulations.replaybg_fit import objective
from simulations.replaybg_model import (
    FIRST_MEAL,
    GB,
    SG,
    Day,
    interstitial,
    read_day,
    with_slopes,
)
from study.failure import ExitCode, Failure
from tests.simulations.replaybg_day import STEADY_MU_KG_MIN, WEIGHT_KG, some_values, write_day


@pytest.fixture
def day(tmp_path: Path) -> Day:
    return read_day(write_day(tmp_path / "day.csv"), WEIGHT_KG, STEADY_MU_KG_MIN)


def quiet(day: Day, insulin: float = 0.0, minutes: int = 60) -> Day:
    """Nothing eaten, insulin constant, a reading of 120 mg/dL on every row."""
    rows = np.arange(minutes // 5)
    return Day(
        labels="B",
        insulin_mu_kg_min=np.full(minutes, insulin),
        meals_mg_kg_min=np.zeros((1, minutes)),
        window=np.zeros(minutes, dtype=np.int64),
        rows=rows,
        glucose_mg_dl=np.full(len(rows), 120.0),
    )


def test_replaybg_itself_says_the_same_of_five_sets_of_values(day: Day, repository: Path) -> None:
    """Its own figures, from its own process: tests/golden/make_replaybg.py."""
    golden = json.loads((repository / "tests" / "golden" / "replaybg.json").read_text())
    assert tuple(golden["names"]) == day.names
    for seed, theirs in golden["objective"].items():
        ours = objective(np.array(some_values(int(seed), day.names)), day)
        assert ours == pytest.approx(theirs, rel=1e-10)


def test_every_slope_is_that_of_a_small_step(day: Day) -> None:
    values = np.array(some_values(7, day.names)) + 0.25 * np.isin(day.names, ["beta_B", "beta_D"])
    path, slopes = with_slopes(values, day)
    assert np.array_equal(path, interstitial(values, day))
    for place, name in enumerate(day.names):
        step = 1e-5 * max(values[place], 1e-3)
        if name.startswith("beta"):  # linear within a minute: a step back may leave it
            values[place] += 0.3
            slope, step = with_slopes(values, day)[1][:, place], 1e-4
        else:
            slope = slopes[:, place]
        up, down = values.copy(), values.copy()
        up[place], down[place] = up[place] + step, down[place] - step
        by_steps = (interstitial(up, day) - interstitial(down, day)) / (2.0 * step)
        assert slope == pytest.approx(by_steps, abs=2e-6 * max(np.abs(by_steps).max(), 1e-9)), name
        if name.startswith("beta"):
            values[place] -= 0.3


def test_at_rest_at_its_baseline_glucose_stays(day: Day) -> None:
    values = np.array(some_values(1, quiet(day).names))
    values[GB] = 120.0
    assert interstitial(values, quiet(day)) == pytest.approx(np.full(12, 120.0))


def test_the_first_minutes_are_backward_euler_steps_by_hand(day: Day) -> None:
    """Without insulin above rest: G <- (G + SG Gb) / (1 + SG), and the sensor's lag after it."""
    values = np.array(some_values(2, quiet(day).names))
    values[GB], values[SG] = 150.0, 0.02
    glucose = seen = 120.0
    for _ in range(5):
        glucose = (glucose + 0.02 * 150.0) / 1.02
        seen = (seen + glucose / 7.0) / (1.0 + 1.0 / 7.0)
    assert interstitial(values, quiet(day))[1] == pytest.approx(seen, rel=1e-12)


def test_insulin_lowers_and_carbohydrate_raises(day: Day) -> None:
    values = np.array(some_values(3, quiet(day).names))
    still = interstitial(values, quiet(day, minutes=300))
    lower = interstitial(values, quiet(day, insulin=1.0, minutes=300))
    fed = quiet(day, minutes=300)
    fed.meals_mg_kg_min[0, :5] = 100.0
    assert (lower <= still).all() and lower[-1] < still[-1] - 5.0
    assert (interstitial(values, fed) >= still - 1e-9).all()
    assert KE_PER_MIN > 0.0


def test_a_delay_of_ten_minutes_is_the_same_course_two_rows_later(day: Day) -> None:
    fed = quiet(day, minutes=300)
    fed.meals_mg_kg_min[0, 10:15] = 100.0
    values = np.array(some_values(4, fed.names))
    values[GB] = 120.0
    values[FIRST_MEAL + 1] = 0.0
    at_once = interstitial(values, fed)
    values[FIRST_MEAL + 1] = 10.0
    assert interstitial(values, fed)[2:] == pytest.approx(at_once[:-2], rel=1e-9)


def test_units_windows_and_gaps_of_a_table(day: Day) -> None:
    assert day.labels == "BLDS" and day.names[-2:] == ("kabs_S", "beta_S")
    assert day.meals_mg_kg_min.sum(axis=1) == pytest.approx(
        [5 * grams * 1000.0 / WEIGHT_KG for grams in (9.0, 14.0, 11.0, 4.0)]
    )
    # A basal rate of 0.018 U/min from 8 minutes on, and before that the steady state: none above.
    assert np.array_equal(day.insulin_mu_kg_min[:8], np.zeros(8))
    assert day.insulin_mu_kg_min[8] == pytest.approx(18.0 / WEIGHT_KG - STEADY_MU_KG_MIN)
    hours = [6, 10, 11, 16, 17, 23, 3, 4]
    rows = [(hour - 6) % 24 * 60 for hour in hours]
    assert day.window[rows].tolist() == [0, 0, 1, 1, 2, 2, 2, 0]
    assert 288 - len(day.rows) == 13 and day.rows[0] == 2


def test_rescue_carbohydrate_is_refused(tmp_path: Path) -> None:
    table = write_day(tmp_path / "day.csv", {"S": "H"})
    with pytest.raises(Failure, match=r"labelled \['H'\]") as caught:
        read_day(table, WEIGHT_KG, STEADY_MU_KG_MIN)
    assert caught.value.code is ExitCode.BAD_DATA
