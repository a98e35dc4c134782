import numpy as np
import pytest

from models.life_effect import population_draws, population_middle
from models.movement import EXCESS_BPM, Bout, Kind, moved

ROWS = 288
MIDDLE = population_middle()


def test_no_bout_moves_nothing() -> None:
    bent = moved([], ROWS, population_draws(3, seed=1))
    assert not (bent.uptake.any() or bent.boost.any() or bent.rise.any())
    assert (bent.absorption == 1.0).all()


def test_uptake_follows_the_pulse_and_ends_soon_after_the_bout() -> None:
    uptake = moved([Bout(600, 60, Kind.AEROBIC, 55.0)], ROWS, MIDDLE).uptake[0]
    assert not uptake[: 600 // 5].any()
    assert uptake.max() == pytest.approx(5e-5 * 55.0, rel=0.01)
    assert uptake[660 // 5 + 6] < 0.01 * uptake.max()


def test_insulin_is_absorbed_faster_in_the_bout_alone() -> None:
    absorption = moved([Bout(600, 60, Kind.AEROBIC, 55.0)], ROWS, MIDDLE).absorption[0]
    assert (absorption[120:132] == 1.35).all()
    assert (np.delete(absorption, np.arange(120, 132)) == 1.0).all()


@pytest.mark.parametrize(
    "longer_or_harder", [Bout(0, 60, Kind.AEROBIC, 55.0), Bout(0, 30, Kind.AEROBIC, 80.0)]
)
def test_more_exercise_lasts_more(longer_or_harder: Bout) -> None:
    less = moved([Bout(0, 30, Kind.AEROBIC, 55.0)], ROWS, MIDDLE).boost[0]
    more = moved([longer_or_harder], ROWS, MIDDLE).boost[0]
    assert (more >= less - 1e-12).all() and more.max() > 1.2 * less.max()


def test_kinds_differ_in_uptake_and_burst() -> None:
    bent = {kind: moved([Bout(0, 30, kind, 55.0)], ROWS, MIDDLE) for kind in Kind}
    assert not bent[Kind.AEROBIC].rise.any()
    assert bent[Kind.INTERVAL].rise[0, 0] > bent[Kind.RESISTANCE].rise[0, 0] > 0.4
    assert bent[Kind.RESISTANCE].uptake.max() < 0.5 * bent[Kind.AEROBIC].uptake.max()


def test_bouts_add_up_but_absorption_does_not() -> None:
    one, other = Bout(0, 30, Kind.AEROBIC, 55.0), Bout(15, 30, Kind.AEROBIC, 55.0)
    both = moved([one, other], ROWS, MIDDLE)
    assert np.allclose(
        both.uptake, moved([one], ROWS, MIDDLE).uptake + moved([other], ROWS, MIDDLE).uptake
    )
    assert both.absorption.max() == 1.35


def test_intensities_rise() -> None:
    assert list(EXCESS_BPM) == ["light", "moderate", "vigorous"]
    assert list(EXCESS_BPM.values()) == sorted(EXCESS_BPM.values())
