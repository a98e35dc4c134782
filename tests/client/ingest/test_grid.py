"""Readings, doses, rates and spells on the grid, computed by hand and held to conservation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.ingest.grid import (
    Grid,
    hold_rates,
    snap_readings,
    spread,
    sum_events,
    within_spells,
)
from models.trace import FloatArray, IntArray

START = 1_700_000_100
NAN = float("nan")


def at(*seconds: float) -> IntArray:
    return START + np.array(seconds, dtype=np.int64)


def days(n: int) -> IntArray:
    """Local days that change every 12 rows, to keep the grids small."""
    return np.arange(n) // 12


def same(values: FloatArray, expected: list[float]) -> bool:
    return np.array_equal(values, np.array(expected), equal_nan=True)


def test_a_grid_begins_and_ends_at_the_nearest_rows() -> None:
    grid = Grid.over(at(149, 300, 3600 + 151))
    assert (grid.start_utc_s, grid.n) == (START, 14)
    assert Grid.over(at(151, 900)).start_utc_s == START + 300


def test_one_reading_is_a_grid_of_one_row() -> None:
    assert Grid.over(at(0)) == Grid(START, 1)


def test_readings_go_to_the_nearest_row_and_doses_to_the_row_they_fall_in() -> None:
    grid = Grid(START, 3)
    moments = at(-151, -150, 0, 149, 150, 299, 300)
    assert grid.nearest_row(moments).tolist() == [-1, 0, 0, 0, 1, 1, 1]
    assert grid.row(moments).tolist() == [-1, -1, 0, 0, 0, 0, 1]


def test_of_two_readings_in_a_row_the_nearest_stays() -> None:
    snapped = snap_readings(Grid(START, 3), at(0, 290, 320, 700), np.array([1.0, 2.0, 3.0, 4.0]))
    assert same(snapped.values, [1.0, 2.0, 4.0])
    assert (snapped.duplicates, snapped.conflicts) == (0, 0)


def test_of_two_equally_near_readings_the_earlier_stays() -> None:
    assert same(snap_readings(Grid(START, 1), at(20, -20), np.array([1.0, 2.0])).values, [2.0])


def test_repeats_are_counted_apart_from_conflicts_and_the_first_stays() -> None:
    moments, values = at(300, 0, 0, 0, 300), np.array([7.0, 5.0, 5.0, 6.0, 8.0])
    snapped = snap_readings(Grid(START, 3), moments, values)
    assert same(snapped.values, [5.0, 7.0, NAN])
    assert (snapped.duplicates, snapped.conflicts) == (1, 2)


@given(st.permutations(range(8)))
def test_unique_moments_give_the_same_rows_in_any_order(order: list[int]) -> None:
    moments, values = at(0, 140, 310, 450, 600, 749, 751, 1200), np.arange(8.0)
    straight = snap_readings(Grid(START, 5), moments, values).values
    shuffled = snap_readings(Grid(START, 5), moments[order], values[order]).values
    assert np.array_equal(straight, shuffled, equal_nan=True)


def test_events_are_summed_in_their_row_and_unknown_on_days_without_any() -> None:
    totals = sum_events(Grid(START, 24), at(0, 299, 600), np.array([1.0, 2.0, 4.0]), days(24))
    assert same(totals, [3.0, 0.0, 4.0] + [0.0] * 9 + [NAN] * 12)


def test_an_event_of_unknown_size_makes_its_row_unknown() -> None:
    totals = sum_events(Grid(START, 12), at(0, 10, 300), np.array([1.0, NAN, 2.0]), days(12))
    assert same(totals[:3], [NAN, 2.0, 0.0])


def test_events_outside_the_grid_count_nowhere() -> None:
    totals = sum_events(Grid(START, 12), at(-1, 3600), np.array([1.0, 1.0]), days(12))
    assert np.isnan(totals).all()


def test_a_measured_zero_is_a_record() -> None:
    assert same(sum_events(Grid(START, 12), at(0), np.zeros(1), days(12)), [0.0] * 12)


def test_a_rate_stands_until_the_next_record() -> None:
    rates, conflicts = hold_rates(Grid(START, 5), at(300, 900), np.array([1.2, 0.6]))
    assert same(rates, [NAN, 1.2, 1.2, 0.6, 0.6])
    assert conflicts == 0


def test_a_row_of_two_rates_shows_their_mean() -> None:
    rates, _ = hold_rates(Grid(START, 2), at(-300, 60), np.array([1.0, 2.0]))
    assert rates.tolist() == pytest.approx([(60 * 1.0 + 240 * 2.0) / 300, 2.0])


def test_a_rate_is_unknown_after_a_day_without_a_record() -> None:
    rates, _ = hold_rates(Grid(START, 300), at(0, 60), np.array([1.0, 1.0]))
    assert np.isfinite(rates).sum() == 288
    assert np.isnan(rates[288:]).all()


def test_a_new_record_ends_the_unknown() -> None:
    rates, _ = hold_rates(Grid(START, 600), at(0, 500 * 300), np.array([1.0, 2.0]))
    assert np.isnan(rates[288:500]).all()
    assert same(rates[500:], [2.0] * 100)


def test_of_records_of_one_moment_the_last_holds_and_others_count_as_conflicts() -> None:
    rates, conflicts = hold_rates(
        Grid(START, 2), at(0, 0, 0, 300, 300), np.array([9, 9, 1, 2, 2.0])
    )
    assert same(rates, [1.0, 2.0])
    assert conflicts == 1


@given(
    st.lists(st.integers(1, 7200), min_size=1, max_size=20),
    st.lists(st.floats(0, 5).map(lambda rate: round(rate, 3)), min_size=20, max_size=20),
)
def test_the_grid_delivers_what_the_pump_delivered(gaps: list[int], rates: list[float]) -> None:
    """Conservation: units on the grid are the sum of rate times time from record to record."""
    moments = START + np.cumsum([0, *gaps])
    per_h = np.array(rates[: len(moments)] + [0.0] * (len(moments) - len(rates)))
    grid = Grid(START, int((moments[-1] - START) // 300) + 1)
    end_s = START + 300 * grid.n
    delivered = (per_h * np.diff(np.append(moments, end_s))).sum() / 3600
    held, _ = hold_rates(grid, moments, per_h)
    assert held.sum() * 5 / 60 == pytest.approx(delivered, abs=1e-6)


def test_amounts_are_spread_over_their_spell() -> None:
    steps = spread(Grid(START, 6), at(300, 300), at(900, 300) - START, np.array([90.0, 7.0]))
    assert same(steps, [NAN, 37.0, 30.0, 30.0, NAN, NAN])


def test_a_short_spell_belongs_to_the_row_in_which_it_begins() -> None:
    assert same(spread(Grid(START, 2), at(310), at(1) - START, np.array([5.0])), [NAN, 5.0])


def test_a_spell_that_begins_before_the_grid_leaves_its_part() -> None:
    steps = spread(Grid(START, 2), at(-300), at(900) - START, np.array([30.0]))
    assert same(steps, [10.0, 10.0])


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 6000)), min_size=1, max_size=9))
def test_nothing_is_lost_by_spreading(spells: list[tuple[int, int]]) -> None:
    moments = at(*(300 * row for row, _ in spells))
    duration_s = np.array([duration for _, duration in spells])
    amounts = np.arange(1.0, 1 + len(spells))
    assert np.nansum(spread(Grid(START, 80), moments, duration_s, amounts)) == pytest.approx(
        amounts.sum()
    )


def test_spells_are_one_and_the_rest_of_their_days_zero() -> None:
    asleep = within_spells(Grid(START, 36), at(3300), at(900) - START, days(36))
    assert same(asleep, [0.0] * 11 + [1.0] * 3 + [0.0] * 10 + [NAN] * 12)
