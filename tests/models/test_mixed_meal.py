import numpy as np
import pytest

from models.heads import NAMES, physical
from models.life_effect import population_draws, population_middle
from models.mixed_meal import MealMake, appearance, resistance
from models.openloop import TO_RA
from models.trace import FloatArray
from tests.models.adults import thetas

DAY_ROWS, LONG_ROWS = 288, 6 * 288
MIDDLE = population_middle()


def total(meal: MealMake, rows: int = LONG_ROWS) -> FloatArray:
    """mg/dL that appear in all, (D,)."""
    hour = np.full(rows, 12.0)
    appears: FloatArray = 5.0 * appearance(thetas(), [meal], hour, 70.0, MIDDLE).sum(axis=1)
    return appears


@pytest.mark.parametrize(
    "meal",
    [
        MealMake(0, 60.0),
        MealMake(37, 60.0, fat_g=60.0),
        MealMake(0, 60.0, glycaemic_index=30.0),
        MealMake(600, 60.0, glycaemic_index=100.0),
    ],
)
def test_a_meal_s_make_moves_glucose_in_time_and_never_makes_or_loses_any(meal: MealMake) -> None:
    gain = physical(thetas())[:, NAMES.index("meal_gain")]
    assert total(meal) == pytest.approx(gain * 60_000.0 / 70.0 * TO_RA, rel=1e-3)


def test_protein_becomes_so_much_glucose_and_none_of_it_at_once() -> None:
    beside = total(MealMake(0, 30.0, protein_g=40.0)) - total(MealMake(0, 30.0))
    assert beside == pytest.approx(np.full(24, 0.4 * 40_000.0 / 70.0 * TO_RA), rel=1e-6)
    course = appearance(
        thetas(), [MealMake(0, 30.0, 0.0, 40.0)], np.full(DAY_ROWS, 12.0), 70.0, MIDDLE
    )
    plain = appearance(thetas(), [MealMake(0, 30.0)], np.full(DAY_ROWS, 12.0), 70.0, MIDDLE)
    protein = (course - plain)[0]
    assert np.abs(protein[: 95 // 5]).max() < 1e-12
    assert 180 <= 5 * protein.argmax() <= 240


@pytest.mark.parametrize(("grams", "counts"), [(40.0, 0.0), (74.0, 0.0), (75.0, 75.0)])
def test_protein_alone_counts_from_75_g(grams: float, counts: float) -> None:
    assert MealMake(0, 0.0, protein_g=grams).protein_counts_g == counts
    assert MealMake(0, 12.5, protein_g=grams).protein_counts_g == grams


def test_fat_weakens_insulin_from_two_to_ten_hours_and_smoothly() -> None:
    bent = resistance([MealMake(60, 80.0, fat_g=50.0)], DAY_ROWS, MIDDLE)[0]
    weakened = np.flatnonzero(bent < 1.0 - 1e-9) * 5
    assert weakened[0] == pytest.approx(60 + 120, abs=5)
    assert weakened[-1] == pytest.approx(60 + 600, abs=5)
    assert bent.min() == pytest.approx(np.exp(-0.45))
    assert np.abs(np.diff(bent)).max() < 0.04


def test_two_meals_add_up() -> None:
    hour = np.full(DAY_ROWS, 12.0)
    meals = [MealMake(0, 30.0, 20.0, 10.0), MealMake(90, 50.0, glycaemic_index=40.0)]
    both = appearance(thetas(), meals, hour, 70.0, MIDDLE)
    apart = sum(appearance(thetas(), [one], hour, 70.0, MIDDLE) for one in meals)
    assert np.allclose(both, apart)


def test_a_meal_after_the_end_does_nothing() -> None:
    hour = np.full(DAY_ROWS, 12.0)
    late = appearance(thetas(), [MealMake(24 * 60 + 5, 50.0, 10.0)], hour, 70.0, MIDDLE)
    assert not late.any()


def test_every_draw_has_an_amplitude_of_its_own() -> None:
    drawn = population_draws(24, seed=1)
    hour = np.full(DAY_ROWS, 12.0)
    one_head = np.repeat(thetas()[:1], 24, axis=0)
    spread = appearance(one_head, [MealMake(0, 50.0, 50.0)], hour, 70.0, drawn).std(axis=0)
    assert spread.max() > 0.01
