"""Effects of life: what each is, and the tables of the papers they come from.

The people are twins of adults of the UVA/Padova worlds (`adults.py`), fasting at 120 mg/dL before a
meal. Each test states what the paper found and holds the cohort's mean to it.
"""

import numpy as np
import pytest

from models.life_effect import (
    FAT_RESISTANCE,
    LIFE_EFFECTS,
    LUTEAL_PHASE,
    MIDDLES,
    MOVEMENT_SENSITIVITY,
    MOVEMENT_UPTAKE,
    POPULATION,
    PROTEIN,
    SHORT_SLEEP,
    Belief,
    LifeEffect,
    population_draws,
    population_middle,
)
from models.lived import Modifiers
from models.mixed_meal import MealMake, appearance
from models.movement import Bout, Kind, moved
from models.strain import Illness, Stretch, feverish, stressed
from tests.models.adults import (
    MG_DL_PER_MMOL_L,
    ROWS_PER_HOUR,
    Given,
    bolus_for,
    eat,
    live,
    thetas,
    usual_bolus,
)

MIDDLE = population_middle()
LOW_FAT_LOW_PROTEIN = MealMake(0, 50.0, 4.0, 9.0)
HIGH_FAT_HIGH_PROTEIN = MealMake(0, 50.0, 44.0, 36.0)


def believed(effect: LifeEffect, mean: float, sd: float) -> Belief:
    """The population, but for one effect."""
    place, middles, covariance = LIFE_EFFECTS.index(effect), MIDDLES.copy(), POPULATION.covariance
    middles[place], covariance = mean, covariance.copy()
    covariance[place, place] = sd**2
    return Belief(middles, covariance)


def rows(since_min: int, until_min: int) -> slice:
    return slice(since_min // 5, until_min // 5 + 1)


@pytest.mark.parametrize("effect", LIFE_EFFECTS, ids=lambda one: one.name)
def test_every_effect_says_what_it_is(effect: LifeEffect) -> None:
    assert effect.equation and effect.unit and effect.source
    assert effect.spread > 0.0


def test_draws_are_spread_as_stated_and_start_from_the_middle() -> None:
    drawn = population_draws(4000, seed=1)
    for effect in LIFE_EFFECTS:
        if effect.on:
            spread = np.log(drawn[effect] / effect.middle)
            assert abs(spread.mean()) < 4 * effect.spread / np.sqrt(4000)
            assert spread.std() == pytest.approx(effect.spread, rel=0.06)


def test_what_points_both_ways_is_off_until_the_patient_s_data_speak() -> None:
    assert not LUTEAL_PHASE.on
    assert (population_draws(50, seed=1)[LUTEAL_PHASE] == 0.0).all()
    learned = believed(LUTEAL_PHASE, 0.08, 0.02).draws(50, seed=1)
    assert learned[LUTEAL_PHASE].mean() == pytest.approx(0.08, abs=0.02)


def test_draws_of_one_effect_do_not_move_another_s() -> None:
    plain, planted = population_draws(8, 3), believed(PROTEIN, 0.0, 0.1).draws(8, 3)
    assert np.array_equal(plain[FAT_RESISTANCE], planted[FAT_RESISTANCE])
    assert not np.allclose(plain[PROTEIN], planted[PROTEIN])


def test_effects_that_a_record_tells_together_are_drawn_together() -> None:
    places = [LIFE_EFFECTS.index(one) for one in (MOVEMENT_UPTAKE, MOVEMENT_SENSITIVITY)]
    covariance = POPULATION.covariance.copy()
    covariance[places[0], places[1]] = covariance[places[1], places[0]] = -0.9 * 0.7 * 0.5
    drawn = Belief(MIDDLES, covariance).draws(3000, seed=2)
    uptake, sensitivity = np.log(drawn[MOVEMENT_UPTAKE]), np.log(drawn[MOVEMENT_SENSITIVITY])
    assert np.corrcoef(uptake, sensitivity)[0, 1] == pytest.approx(-0.9, abs=0.02)
    assert sensitivity.std() == pytest.approx(0.5, rel=0.06)


def test_parillo_2011_a_low_index_takes_a_fifth_off_the_first_three_hours() -> None:
    """Glycaemic index 59 beside 90: AUC 0-3 h lower by 20 %."""
    low, high = (
        (eat(MealMake(0, 50.0, glycaemic_index=index), 3, Given(usual_bolus())) - 120.0)
        .clip(0.0)
        .mean()
        for index in (59.0, 90.0)
    )
    assert low / high - 1.0 == pytest.approx(-0.20, abs=0.03)


def test_smart_2013_protein() -> None:
    """40 beside 5 g: from 180 min 2.4 mmol/L (1.1 to 3.7) beside 0.5 (-0.8 to 1.8), 1.9 more."""
    given = Given(0.6 * usual_bolus())
    high, low = (eat(MealMake(0, 30.0, 4.0, grams), 6, given) for grams in (40.0, 5.0))
    late = (high - low)[:, rows(180, 300)].mean() / MG_DL_PER_MMOL_L
    assert late == pytest.approx(1.9, abs=0.3)
    assert np.abs((high - low)[:, rows(0, 90)]).max() < 1.0


def test_smart_2013_fat() -> None:
    """35 beside 4 g: 2.3 mmol/L more from 210 min (1.8 [0.3-3.2], -0.5 [-1.9-0.8]: 0.3 to 4.3).

    Ours is 0.6, in the interval and well below its middle: with more, meals of both fat and protein
    would need more insulin than Bell et al. found.
    """
    given = Given(0.6 * usual_bolus())
    high, low = (eat(MealMake(0, 30.0, grams, 5.0), 6, given) for grams in (35.0, 4.0))
    assert 0.3 < (high - low)[:, rows(210, 300)].mean() / MG_DL_PER_MMOL_L < 4.3
    assert (high - low)[:, rows(30, 90)].mean() < 0.0


@pytest.mark.slow
def test_bell_2016_a_meal_of_fat_and_protein_needs_two_thirds_more_insulin() -> None:
    """+65 % (17 to 124 %), 30/70 over 2.4 h."""
    target = eat(LOW_FAT_LOW_PROTEIN, 6, Given(usual_bolus())).mean(axis=1)
    more = bolus_for(target, HIGH_FAT_HIGH_PROTEIN, 6, now=0.3, over_h=2.4) - 1.0
    assert more.mean() == pytest.approx(0.65, abs=0.12)
    tenth, nine_tenths = np.quantile(more, [0.1, 0.9])
    assert tenth > 0.17 and nine_tenths < 1.24  # his is the range of ten people


@pytest.mark.parametrize(("now", "over_h"), [(1.0, 0.0), (0.7, 1.0), (0.5, 2.0), (0.3, 4.0)])
def test_bell_2016_the_extra_insulin_is_best_given_30_to_70_over_2_4_h(
    now: float, over_h: float
) -> None:
    """Nearer to the course after the lean meal than other ways to give the same dose."""
    lean = eat(LOW_FAT_LOW_PROTEIN, 6, Given(usual_bolus()))
    units = 1.65 * usual_bolus()
    best, other = (
        np.abs(eat(HIGH_FAT_HIGH_PROTEIN, 6, Given(units, *way)) - lean).mean()
        for way in ((0.3, 2.4), (now, over_h))
    )
    assert best < other


@pytest.mark.slow
def test_wolpert_2013_a_fat_dinner_needs_more_insulin() -> None:
    """60 beside 10 g of fat: 12.6 (1.9) beside 9.0 (1.3) U, +40 %; 0 to 85 % by these errors."""
    target = eat(MealMake(0, 96.0, 10.0, 30.0), 10, Given(1.92 * usual_bolus())).mean(axis=1)
    more = bolus_for(target, MealMake(0, 96.0, 60.0, 30.0), 10, now=0.5, over_h=3.0) - 1.0
    assert 0.0 < more.mean() < 0.85


def test_laxminarayan_2015_fat_slows_the_gut() -> None:
    """60 beside 10 g: t_max of the gut 71 to 102 min; ours is as many times slower."""
    hours = np.full(24 * 4 * ROWS_PER_HOUR, 8.0)
    minute = 5.0 * np.arange(len(hours)) + 2.5
    late, early = (
        np.average(minute, weights=appearance(thetas(), [meal], hours, 70.0, MIDDLE).mean(axis=0))
        for meal in (MealMake(0, 50.0, 60.0), MealMake(0, 50.0, 10.0))
    )
    eating = 5.0
    assert (late - eating) / (early - eating) == pytest.approx(102.0 / 71.0, abs=0.05)


@pytest.mark.parametrize(
    ("kind", "mean_mg_dl"), [(Kind.AEROBIC, -18.0), (Kind.INTERVAL, -14.0), (Kind.RESISTANCE, -9.0)]
)
def test_t1dexi_half_an_hour_of_exercise(kind: Kind, mean_mg_dl: float) -> None:
    """-18 (39), -14 (32), -9 (36) mg/dL from beginning to end, mean (sd) over people.

    Ours are changes beside the same hours without the bout, two to three hours after a meal. The
    published sd holds what people ate and took before, and the sensor; ours does not.
    """
    theta, amplitudes = thetas(), population_draws(24, seed=3)
    hours, begins = 5, 150
    bout = moved([Bout(begins, 30, kind, 55.0)], hours * ROWS_PER_HOUR, amplitudes)
    given = Given(usual_bolus())
    still = live(theta, hours, Modifiers.none(1, hours * ROWS_PER_HOUR), given, 150.0, 50.0)
    change = (live(theta, hours, bout, given, 150.0, 50.0) - still)[:, (begins + 30) // 5]
    assert change.mean() == pytest.approx(mean_mg_dl, abs=4.0)


def test_sprints_raise_glucose_first() -> None:
    hours, begins = 4, 60
    theta = thetas()
    bouts = {
        kind: live(
            theta, hours, moved([Bout(begins, 30, kind, 55.0)], hours * ROWS_PER_HOUR, MIDDLE)
        )
        - live(theta, hours, Modifiers.none(1, hours * ROWS_PER_HOUR))
        for kind in (Kind.INTERVAL, Kind.AEROBIC)
    }
    first = rows(begins, begins + 15)
    assert bouts[Kind.INTERVAL][:, first].max(axis=1).mean() > 1.0
    assert bouts[Kind.AEROBIC][:, first].max() <= 0.0
    assert bouts[Kind.INTERVAL][:, (begins + 60) // 5].mean() < -5.0


def test_davey_2013_the_raised_need_lasts_about_eleven_hours() -> None:
    """Raised until 11 h after 45 min: still a fifth of its height then, and gone in two days."""
    boost = moved([Bout(0, 45, Kind.AEROBIC, 55.0)], 48 * ROWS_PER_HOUR, MIDDLE).boost[0]
    peak = boost.max()
    assert 0.2 < boost[45 // 5 + 11 * ROWS_PER_HOUR] / peak < 0.5
    assert boost[-1] < 0.02 * peak


def test_moberg_1994_stress_acts_after_meals_and_not_fasting() -> None:
    hours = 8
    stress = Modifiers.none(1, hours * ROWS_PER_HOUR).with_(
        usual=stressed(0, hours * ROWS_PER_HOUR, MIDDLE)
    )
    theta, given, none = thetas(), Given(usual_bolus()), Modifiers.none(1, hours * ROWS_PER_HOUR)
    assert np.array_equal(live(theta, hours, stress), live(theta, hours, none))
    after = live(theta, hours, stress, given, 120.0, 50.0) - live(
        theta, hours, none, given, 120.0, 50.0
    )
    assert after[:, rows(120, 360)].mean() > 2.0
    assert np.flatnonzero(stress.usual[0] < 0.999)[[0, -1]] * 5 == pytest.approx([60, 385], abs=5)
    assert stress.usual.min() == pytest.approx(0.82)


def test_donga_2010_a_short_night() -> None:
    """Insulin's action x 0.79 to 0.86: four draws of five lie there, and the middle."""
    drawn = population_draws(2000, seed=1)[SHORT_SLEEP]
    assert 0.79 < SHORT_SLEEP.middle < 0.86
    assert 0.5 < np.mean((drawn > 0.79) & (drawn < 0.86)) < 0.9


@pytest.mark.parametrize("temperature_c", [38.5, 39.5])
def test_a_degree_of_fever_costs_a_quarter_more_basal(temperature_c: float) -> None:
    """The basal that keeps a fasting person level rises by 25 % a degree above 37.5."""
    hours = 24
    size = hours * ROWS_PER_HOUR
    action = feverish(Illness(Stretch(-600, 3000), temperature_c), size, MIDDLE)
    theta = thetas()
    needed = 1.0 + 0.25 * (temperature_c - 37.5)
    extra = Given(np.full(len(theta), (needed - 1.0) * hours), 0.0, float(hours))
    ill = live(theta, hours, Modifiers.none(1, size).with_(action=action), extra, None)
    drift = np.abs(ill[:, -1] - ill[:, 0])
    untreated = live(theta, hours, Modifiers.none(1, size).with_(action=action), None, None)
    assert np.median(drift) < 0.25 * np.median(np.abs(untreated[:, -1] - untreated[:, 0]))
