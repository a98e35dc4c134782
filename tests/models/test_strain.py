import numpy as np
import pytest

from models.life_effect import Amplitudes, population_middle
from models.strain import Illness, Stretch, after_short_sleep, feverish, luteal, stressed

ROWS = 288
MIDDLE = population_middle()


def test_nobody_is_ill_below_37_5() -> None:
    assert (feverish(Illness(Stretch(0, 1440), 37.5), ROWS, MIDDLE) == 1.0).all()
    assert (feverish(Illness(Stretch(0, 1440), 36.0), ROWS, MIDDLE) == 1.0).all()


def test_fever_weakens_insulin_by_its_height() -> None:
    one, two = (feverish(Illness(Stretch(0, 1440), t), ROWS, MIDDLE).min() for t in (38.5, 39.5))
    assert one == pytest.approx(1.0 / 1.25)
    assert two == pytest.approx(1.0 / 1.5)


def test_a_short_night_lasts_its_day_and_comes_and_goes_within_an_hour() -> None:
    bent = after_short_sleep(Stretch(420, 960), ROWS, MIDDLE)[0]
    assert bent.min() == pytest.approx(0.825)
    assert np.flatnonzero(bent < 1.0)[[0, -1]] * 5 == pytest.approx([420, 1375], abs=5)
    assert np.abs(np.diff(bent)).max() < 0.02


def test_stress_begins_an_hour_later() -> None:
    bent = stressed(600, ROWS, MIDDLE)[0]
    assert (bent[: 660 // 5] == 1.0).all()
    assert bent[(600 + 60 + 165) // 5] == pytest.approx(0.82)


def test_the_luteal_phase_does_nothing_unless_learned_and_then_either_way() -> None:
    assert (luteal(Stretch(0, 1440), ROWS, MIDDLE) == 1.0).all()
    for learned in (0.1, -0.1):
        own = Amplitudes({"luteal_phase": np.array([learned])})
        bent = luteal(Stretch(0, 1440), ROWS, own)
        assert bent[0, 144] == pytest.approx(1.0 - learned)
