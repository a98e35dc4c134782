"""Error zones: bounds by hand, borders against polygons and a closed form, planted mistakes."""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.path import Path as Polygon

from models.error_zones import (
    DTS_LOWER,
    DTS_UPPER,
    LETTERS,
    PARKES_TYPE_1_LOWER,
    PARKES_TYPE_1_UPPER,
    Border,
    ErrorZoneError,
    Zones,
    clarke_zones,
    dts_zones,
    parkes_type_1_zones,
    zone_shares_pct,
)
from models.trace import FloatArray

Grid = Callable[[FloatArray, FloatArray], Zones]
GRIDS: tuple[Grid, ...] = (clarke_zones, parkes_type_1_zones, dts_zones)
DRAWN_MG_DL: dict[Grid, float] = {parkes_type_1_zones: 550.0, dts_zones: 600.0}
BORDERS: dict[Grid, tuple[tuple[Border, ...], tuple[Border, ...]]] = {
    parkes_type_1_zones: (PARKES_TYPE_1_UPPER, PARKES_TYPE_1_LOWER),
    dts_zones: (DTS_UPPER, DTS_LOWER),
}
every_grid = pytest.mark.parametrize("grid", GRIDS)
bordered_grid = pytest.mark.parametrize("grid", [parkes_type_1_zones, dts_zones])
glucose = st.floats(0.0, 900.0)
# Pairs next to each corner of the consensus grid, mildest side first.
PARKES_BY_HAND = [
    ((30, 50), (30, 51), "AB"),
    ((140, 170), (140, 171), "AB"),
    ((280, 380), (280, 381), "AB"),
    ((430, 550), (430, 551), "AB"),
    ((50, 30), (51, 30), "AB"),
    ((170, 145), (171, 145), "AB"),
    ((385, 300), (386, 300), "AB"),
    ((550, 450), (551, 450), "AB"),
    ((30, 60), (30, 61), "BC"),
    ((50, 80), (50, 81), "BC"),
    ((70, 110), (70, 111), "BC"),
    ((260, 550), (260, 551), "BC"),
    ((120, 30), (121, 30), "BC"),
    ((260, 130), (261, 130), "BC"),
    ((550, 250), (551, 250), "BC"),
    ((25, 100), (25, 101), "CD"),
    ((50, 125), (50, 126), "CD"),
    ((80, 215), (80, 216), "CD"),
    ((125, 550), (125, 551), "CD"),
    ((250, 40), (251, 40), "CD"),
    ((550, 150), (551, 150), "CD"),
    ((0, 150), (0, 151), "DE"),
    ((35, 155), (35, 156), "DE"),
    ((50, 550), (50, 551), "DE"),
]


def zone(grid: Grid, reference: float, measured: float) -> str:
    """Letter of one pair."""
    return str(grid(np.array([reference]), np.array([measured]))[0])


def square(step: float, top: float) -> tuple[FloatArray, FloatArray]:
    """Every pair on a lattice from 0 to top, flat."""
    axis = np.arange(0.0, top + step, step)
    reference, measured = np.meshgrid(axis, axis)
    return reference.ravel(), measured.ravel()


CLARKE_BY_HAND = [
    (100, 120, "A"),  # exactly 20 % above
    (100, 80, "A"),  # exactly 20 % below
    (115, 138, "A"),  # exactly 20 % again
    (100, 121, "B"),
    (100, 79, "B"),
    (69, 30, "A"),  # both below 70
    (30, 69, "A"),
    (69.9, 69.9, "A"),
    (75, 55, "B"),
    (60, 70, "A"),
    (50, 70, "D"),
    (60, 73, "D"),
    (50, 180, "E"),
    (50, 179, "D"),
    (70, 180, "E"),
    (71, 181, "C"),
    (71, 180, "B"),
    (180, 70, "E"),
    (181, 71, "B"),
    (200, 69, "E"),
    (240, 180, "D"),
    (239, 180, "B"),
    (300, 181, "B"),
    (240, 70, "E"),
    (240, 71, "D"),
    (150, 28, "C"),  # on the line 7/5 r - 182
    (150, 29, "B"),
    (155, 35, "C"),
    (155, 36, "B"),
    (130, 0, "C"),
    (129, 0, "B"),
    (180, 71, "B"),
    (290, 400, "C"),
    (291, 401, "B"),
    (290, 399, "B"),
]


def mistakes(grid: Grid) -> list[tuple[float, float, str]]:
    """Pairs that a grid places elsewhere than the list by hand does."""
    return [row for row in CLARKE_BY_HAND if zone(grid, row[0], row[1]) != row[2]]


def strict(reference: FloatArray, measured: FloatArray) -> Zones:
    """Planted: an error of exactly 20 % is no longer zone A."""
    exactly = 5.0 * np.abs(measured - reference) == reference
    return np.where(exactly, "B", clarke_zones(reference, measured))


def exchanged(reference: FloatArray, measured: FloatArray) -> Zones:
    """Planted: the per cent of the measured, and every zone mirrored."""
    return clarke_zones(measured, reference)


def test_clarke_by_hand() -> None:
    assert mistakes(clarke_zones) == []


def test_a_strict_20_per_cent_and_exchanged_axes_would_be_seen() -> None:
    assert mistakes(strict) == CLARKE_BY_HAND[:3]
    assert len(mistakes(exchanged)) > 5


def test_clarke_zone_a_of_whole_numbers_is_exact() -> None:
    reference, measured = square(1.0, 120.0)
    expected = [
        (r < 70 and m < 70) or Fraction(abs(m - r)) <= Fraction(r, 5)
        for r, m in zip(reference.astype(int).tolist(), measured.astype(int).tolist(), strict=True)
    ]
    np.testing.assert_array_equal(clarke_zones(reference, measured) == "A", expected)


def test_clarke_lower_zone_c_of_whole_numbers_is_exact() -> None:
    reference = np.arange(130.0, 181.0, 5.0)
    on_the_line = 7.0 * (reference - 130.0) / 5.0
    assert set(clarke_zones(reference[:-1], on_the_line[:-1]).tolist()) == {"C"}
    assert set(clarke_zones(reference[:-1], on_the_line[:-1] + 1.0).tolist()) == {"B"}
    assert (on_the_line > 1.4 * reference - 182.0).any()


def corners(border: Border) -> list[tuple[float, float]]:
    """The vertices of a border, and the middle of each of its stretches."""
    middles = [((a + c) / 2.0, (b + d) / 2.0) for (a, b), (c, d) in pairwise(border)]
    return [*border, *middles]


@bordered_grid
def test_a_pair_on_a_border_is_in_the_milder_zone_and_beyond_it_in_the_next(grid: Grid) -> None:
    upper, lower = BORDERS[grid]
    for index, border in enumerate(upper):
        for reference, measured in corners(border):
            assert zone(grid, reference, measured) == LETTERS[index]
            assert zone(grid, reference, measured + 0.001) == LETTERS[index + 1]
    for index, border in enumerate(lower):
        for reference, measured in corners(border):
            assert zone(grid, reference, measured) == LETTERS[index]
            assert zone(grid, reference + 0.001, measured) == LETTERS[index + 1]


def by_polygons(grid: Grid, reference: FloatArray, measured: FloatArray) -> list[str]:
    """Zones by matplotlib's point in polygon: each border closed round its corner of the square."""
    top, (upper, lower) = DRAWN_MG_DL[grid], BORDERS[grid]
    points = np.column_stack([reference, measured])
    crossed = np.zeros(len(points), dtype=int)
    for border in upper:
        crossed += Polygon([*border, (border[-1][0], top), (0.0, top)]).contains_points(points)
    for border in lower:
        crossed += Polygon([*border, (top, border[-1][1]), (top, 0.0)]).contains_points(points)
    return [LETTERS[count] for count in crossed]


@pytest.mark.parametrize(("inside", "beyond", "letters"), PARKES_BY_HAND)
def test_parkes_by_hand(
    inside: tuple[float, float], beyond: tuple[float, float], letters: str
) -> None:
    assert zone(parkes_type_1_zones, *inside) + zone(parkes_type_1_zones, *beyond) == letters


@bordered_grid
def test_zones_are_the_polygons_of_the_paper(grid: Grid) -> None:
    rng = np.random.default_rng(7)
    reference, measured = rng.uniform(0.0, DRAWN_MG_DL[grid], (2, 20_000))
    zones = grid(reference, measured)
    assert set(zones.tolist()) == set(LETTERS)
    np.testing.assert_array_equal(zones, by_polygons(grid, reference, measured))


@bordered_grid
def test_exchanged_axes_would_be_seen(grid: Grid) -> None:
    reference, measured = np.random.default_rng(7).uniform(0.0, DRAWN_MG_DL[grid], (2, 20_000))
    agrees = grid(measured, reference) == by_polygons(grid, reference, measured)
    assert np.mean(agrees) < 0.95


def dts_by_risk(reference: FloatArray, measured: FloatArray) -> Zones:
    """Zones by the paper's risk: 2.75 or 2.25 |ln(m / r)|, both at least 50, cut at 0.5 to 3.5."""
    ratio = np.log(np.maximum(measured, 50.0) / np.maximum(reference, 50.0))
    risk = np.where(ratio > 0.0, 2.75 * ratio, -2.25 * ratio)
    return np.array(LETTERS)[np.searchsorted([0.5, 1.5, 2.5, 3.5], risk)]


def test_dts_borders_are_the_papers_risk_to_its_rounding() -> None:
    reference, measured = square(2.5, 600.0)
    differ = dts_zones(reference, measured) != dts_by_risk(reference, measured)
    assert 0.0 < differ.mean() < 0.01
    nudges = [(0.0, 1.3), (0.0, -1.3), (1.3, 0.0), (-1.3, 0.0)]
    for r, m in zip(reference[differ], measured[differ], strict=True):
        around = {zone(dts_by_risk, r + dr, m + dm) for dr, dm in nudges}
        assert zone(dts_zones, r, m) in around


def test_far_beyond_the_drawing_borders_go_on_straight() -> None:
    assert zone(parkes_type_1_zones, 900.0, 800.0) == "A"
    assert zone(parkes_type_1_zones, 900.0, 700.0) == "B"
    assert zone(parkes_type_1_zones, 580.0, 720.0) == "A"
    assert zone(dts_zones, 1000.0, 801.0) == "A"
    assert zone(dts_zones, 1000.0, 799.0) == "B"


def test_a_border_that_stops_at_the_drawing_would_be_seen() -> None:
    stopped = float(np.interp(580.0, *np.array(PARKES_TYPE_1_UPPER[0]).T))
    assert zone(parkes_type_1_zones, 580.0, stopped + 1.0) == "A"


def test_parkes_type_1_has_no_zone_e_below() -> None:
    reference = np.full(500, 550.0)
    assert "E" not in parkes_type_1_zones(reference, np.arange(500.0)).tolist()
    assert zone(dts_zones, 550.0, 0.0) == zone(clarke_zones, 550.0, 0.0) == "E"


@every_grid
@given(glucose)
def test_no_error_is_zone_a(grid: Grid, reference: float) -> None:
    assert zone(grid, reference, reference) == "A"


@bordered_grid
@given(glucose, glucose, glucose)
def test_a_larger_error_is_never_milder(
    grid: Grid, reference: float, one: float, other: float
) -> None:
    near, far = sorted((abs(one - reference), abs(other - reference)))
    sign = 1.0 if one > reference else -1.0
    ends = [max(reference + sign * error, 0.0) for error in (near, far)]
    assert zone(grid, reference, ends[0]) <= zone(grid, reference, ends[1])


@every_grid
@given(st.lists(st.tuples(glucose, glucose), min_size=1, max_size=30))
def test_pairs_are_placed_one_by_one_and_shares_add_up(
    grid: Grid, pairs: list[tuple[float, float]]
) -> None:
    zones = grid(*np.array(pairs).T)
    assert zones.tolist() == [zone(grid, reference, measured) for reference, measured in pairs]
    assert sum(zone_shares_pct(zones).values()) == pytest.approx(100.0)


@every_grid
def test_pairs_with_an_unknown_are_left_out(grid: Grid) -> None:
    reference = np.array([100.0, np.nan, 100.0, 20.0])
    measured = np.array([100.0, 100.0, np.nan, 250.0])
    assert grid(reference, measured).tolist() == ["A", "E"]


def test_shares_by_hand_name_every_zone() -> None:
    shares = zone_shares_pct(np.array(["A", "A", "B", "E"]))
    assert shares == {"A": 50.0, "B": 25.0, "C": 0.0, "D": 0.0, "E": 25.0}


@every_grid
def test_shares_of_nothing_are_refused(grid: Grid) -> None:
    zones = grid(np.array([np.nan]), np.array([100.0]))
    with pytest.raises(ErrorZoneError, match=r"found no pair.*No share was computed"):
        zone_shares_pct(zones)


@every_grid
def test_unequal_shapes_are_refused(grid: Grid) -> None:
    with pytest.raises(ErrorZoneError, match=r"\(3,\) of reference.*\(2,\) of measured.*Align"):
        grid(np.full(3, 100.0), np.full(2, 100.0))


@every_grid
def test_negative_glucose_is_refused(grid: Grid) -> None:
    with pytest.raises(ErrorZoneError, match=r"glucose of -1 mg/dL.*No pair was placed"):
        grid(np.array([100.0]), np.array([-1.0]))
