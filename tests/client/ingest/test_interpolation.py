"""Drawn readings are found by the period of their second differences, real ones are left alone."""

import numpy as np
import pytest

from client.ingest import interpolation
from client.ingest.interpolation import Interpolation, find_interpolation
from models.trace import FloatArray

NAN = np.nan
LOW = 40.0


def walk(n: int, seed: int = 3) -> FloatArray:
    """Whole mg/dL that wander as glucose does, (n,)."""
    noise = np.random.default_rng(seed).normal(0.0, 8.0, n)
    decay = 0.96 ** np.arange(n)
    return np.round(220.0 + np.convolve(noise, decay)[:n])


def drawn_out(knots: FloatArray, lead: int = 0) -> FloatArray:
    """15-minute readings drawn to 5 minutes by straight lines, `lead` rows cut from the front."""
    rows = np.arange(3 * (len(knots) - 1) + 1)
    return np.interp(rows, 3 * np.arange(len(knots)), knots)[lead:]


def find(values: FloatArray) -> Interpolation:
    return find_interpolation(values, LOW)


@pytest.mark.parametrize("lead", [0, 1, 2, 3])
def test_only_rows_on_the_beat_are_real(lead: int) -> None:
    knots = walk(400)
    values = drawn_out(knots, lead)
    found = find(values)
    assert found.drawn
    assert set((np.flatnonzero(found.real) + lead) % 3) == {0}
    assert np.isin(values[found.real], knots).all()
    assert found.real.sum() > 0.97 * len(values) / 3


def test_a_real_five_minute_sensor_is_left_alone() -> None:
    values = walk(1200)
    found = find(values)
    assert not found.drawn
    assert found.real.all()


def test_a_real_sensor_with_many_straight_lines_is_left_alone() -> None:
    """Half of the second differences are zero, on any row: `colas` looks like this."""
    values = np.round(walk(1200) / 12) * 2
    straight = np.abs(np.diff(values, 2)) < 1e-6
    assert straight.mean() > 0.3
    assert not find(values).drawn


def test_a_fifteen_minute_sensor_left_as_it_is_has_no_neighbours_and_no_lines() -> None:
    values = np.full(1200, NAN)
    values[::3] = walk(400)
    found = find(values)
    assert not found.drawn
    assert found.real.sum() == 400


def test_rows_in_a_bridged_gap_are_masked_even_on_the_beat() -> None:
    knots = walk(400)
    knots[100:121] = np.linspace(knots[100], knots[120], 21)
    found = find(drawn_out(knots))
    assert not found.real[3 * 101 : 3 * 120].any()
    assert found.real[3 * 122 : 3 * 140].any()


def test_three_readings_in_a_line_are_readings_and_four_may_be_a_gap() -> None:
    knots = walk(400)
    knots[49:54] = [100, 110, 120, 130, 90]
    knots[199:204] = [100, 110, 120, 90, 130]
    real = find(drawn_out(knots)).real
    assert real[3 * 199 : 3 * 203 : 3].all()
    assert real[3 * 49] and real[3 * 52]
    assert not real[3 * 50] and not real[3 * 51]


def test_a_single_row_on_a_line_that_is_no_whole_number_was_drawn() -> None:
    knots = walk(400)
    knots[199:204] = [100, 105.5, 111, 90, 130]
    assert not find(drawn_out(knots)).real[600]


def test_flat_readings_at_the_low_limit_are_readings() -> None:
    knots = walk(400)
    knots[100:120] = LOW
    real = find(drawn_out(knots)).real
    assert real[3 * 100 : 3 * 120 : 3].all()
    assert real[300:360].sum() == 20


def test_ends_without_a_second_difference_are_masked() -> None:
    real = find(drawn_out(walk(400))).real
    assert not real[0] and not real[-1]


def test_gaps_in_a_drawn_file_do_not_hide_it() -> None:
    values = drawn_out(walk(400))
    values[200:260] = NAN
    values[700:705] = NAN
    found = find(values)
    assert found.drawn
    assert not found.real[200:260].any()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 50])
def test_too_few_rows_say_nothing(n: int) -> None:
    found = find(drawn_out(walk(400))[:n])
    assert not found.drawn
    assert found.real.sum() == n


def test_what_is_left_does_not_know_the_next_reading() -> None:
    """Rows kept up to now are the same whatever the next reading will be."""
    knots, other = walk(400), walk(400)
    other[201:] = np.round(400.0 - other[201:])
    now = 3 * 200
    one, two = (find(drawn_out(each)) for each in (knots, other))
    before = slice(0, now - 2)
    assert np.array_equal(one.real[before], two.real[before])
    assert drawn_out(knots)[now + 1] != drawn_out(other)[now + 1]
    assert not one.real[now + 1] and not two.real[now + 1]


def test_with_the_period_unlooked_for_the_future_would_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interpolation, "DRAWN_SHARE", 1.0)
    assert find(drawn_out(walk(400))).real.all()
