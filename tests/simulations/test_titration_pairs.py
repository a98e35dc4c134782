import numpy as np
import pytest

from simulations.titration import MEASURES, Titrated
from simulations.titration_pairs import pairs, pairs_table, spread_of


def lived(arm: str, number: int, in_range: float, below: float, seed: int = 1) -> Titrated:
    after = dict.fromkeys(MEASURES, 10.0) | {"time_in_range": in_range, "time_below_70": below}
    return Titrated("A", seed, number, arm, after, after, 50.0, 3)


FOUND = [
    lived("leave alone", 0, 60.0, 2.0),
    lived("leave alone", 1, 90.0, 1.0),
    lived("twin", 0, 70.0, 4.5),
    lived("twin", 1, 94.0, 1.5),
]


def test_people_are_compared_with_themselves() -> None:
    """Between people 30 points lie; between arms of each, 10 and 4."""
    (one,) = pairs(FOUND, "leave alone")
    in_range = one.differences["time_in_range"]
    assert (one.world, one.arm, one.people) == ("A", "twin", 2)
    assert in_range.mean == 7.0 and in_range.sd == pytest.approx(18.0**0.5)
    assert (in_range.low, in_range.high) == (4.0, 10.0)
    assert (one.more_lows_pct, one.worst_more_lows) == (50.0, 2.5)
    assert one.differences["gri"].mean == 0.0


def test_who_lived_one_arm_only_is_left_out() -> None:
    """Planted: person 2, and person 0 of another seed, lived with the twin alone."""
    more = [lived("twin", 2, 0.0, 90.0), lived("twin", 0, 0.0, 90.0, seed=2)]
    assert pairs([*FOUND, *more], "leave alone") == pairs(FOUND, "leave alone")


def test_the_table_tells_each_arm_and_is_empty_without_the_other() -> None:
    lines = pairs_table(FOUND, "leave alone").splitlines()
    assert lines[2].startswith("| A | twin | 2 | +7.0 (+4.0 to +10.0), 4.2 |")
    assert lines[2].endswith("| 50 | +2.5 |") and len(lines) == 3
    assert pairs_table(FOUND, "guideline") == ""


def test_the_interval_narrows_with_people() -> None:
    values = np.random.default_rng(1).standard_normal(400)
    few, many = spread_of(values[:25]), spread_of(values)
    assert many.high - many.low == pytest.approx(2 * 1.96 / 20.0, rel=0.15)
    assert few.high - few.low > 3.0 * (many.high - many.low)
