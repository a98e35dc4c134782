"""The card: every parameter and flag on it, unseen days only, effects with what they miss."""

from dataclasses import replace

import numpy as np
import pytest

from client.quality_card import (
    ASKED,
    delay_rows,
    effect_rows,
    make_card,
    meals_missing_pct,
    parameter_rows,
)
from models.heads import BOOK_PRIOR, NAMES, PARAMETERS
from models.trace import STEPS_PER_DAY
from study.effect_lessons import read_lessons
from study.failure import ExitCode, Failure
from tests.client.judged_person import (
    DAYS,
    good_card,
    judged_person,
    sensor_alone,
    with_columns,
)

pytestmark = pytest.mark.slow


def test_the_card_rests_on_the_first_days_and_judges_by_the_last() -> None:
    card = good_card()
    assert card.days == DAYS and card.judged_days == DAYS
    assert card.calibration.known_days == 10.0
    assert card.judged.replay.first_row == 10 * STEPS_PER_DAY
    first_day = int(judged_person().local_day[card.judged.replay.first_row])
    assert card.held_out_from.toordinal() - 719_163 == first_day


def test_changing_the_judged_days_changes_the_scores_and_not_the_parameters() -> None:
    """The leak test: a twin fitted and scored on the same days would move with them."""
    glucose = judged_person()["glucose_mg_dl"].copy()
    glucose[10 * STEPS_PER_DAY :] += 60.0
    other = make_card(with_columns(judged_person(), glucose_mg_dl=glucose))
    card = good_card()
    assert [row.value for row in other.parameters] == [row.value for row in card.parameters]
    assert other.calibration.flags == card.calibration.flags
    day, other_day = card.scores[-1].rmse_mg_dl, other.scores[-1].rmse_mg_dl
    assert other_day["twin"] > 1.5 * day["twin"]


def test_every_parameter_is_there_in_its_own_unit() -> None:
    rows = good_card().parameters
    assert tuple(row.name for row in rows) == NAMES
    assert all(row.low <= row.value <= row.high for row in rows)
    gb, si = rows[0], rows[NAMES.index("SI")]
    assert 60.0 < gb.value < 260.0 and gb.unit == "mg/dL"
    assert si.prior_value == pytest.approx(9e-4)
    assert si.sds_from_prior == pytest.approx(np.log(si.value / 9e-4) / 0.6)


def test_a_parameter_at_its_bound_or_far_away_carries_its_flag() -> None:
    """Planted: `SI` is a beginning of `SI_cos`, whose flag must not land on it, nor be lost."""
    calibration = good_card().calibration
    flags = (
        "SI_cos at its bound 1 -",
        "SI_cos +8.3 prior sds from its mean",
        "kempt at its bound 1 1/min",
    )
    rows = parameter_rows(replace(calibration, flags=flags), BOOK_PRIOR)
    by_name = {row.name: row.flags for row in rows}
    assert by_name["SI_cos"] == flags[:2] and by_name["kempt"] == flags[2:]
    assert by_name["SI"] == ()
    assert sum(len(row.flags) for row in rows) == len(flags)


def test_flags_of_a_real_fit_all_stand_on_the_card() -> None:
    """A prior far from this person: what is beyond 3 sds is flagged in its row, all of it."""
    mean = BOOK_PRIOR.mean.copy()
    mean[NAMES.index("SI")] += 3.0
    tight = replace(BOOK_PRIOR, mean=mean, covariance=BOOK_PRIOR.covariance / 25.0)
    card = make_card(judged_person(), tight)
    far = {row.name for row in card.parameters if abs(row.sds_from_prior) > 3.0}
    flagged = {row.name for row in card.parameters if row.flags}
    assert far and far <= flagged
    assert {flag.split()[0] for flag in card.calibration.flags} == flagged


def test_delays_stand_on_the_card_where_they_were_taken_up() -> None:
    calibration = good_card().calibration
    assert delay_rows(replace(calibration, delay_sd_min=None)) == ()
    head = replace(calibration.head, meal_delay_min=np.array([-30.0, 5.0, 0.0, 55.0]))
    flag = "delay_breakfast at its bound -30 min"
    told = replace(calibration, head=head, delay_sd_min=np.full(4, 10.0), flags=(flag,))
    breakfast, lunch, _, dinner = delay_rows(told)
    assert (breakfast.name, breakfast.unit, breakfast.flags) == ("delay_breakfast", "min", (flag,))
    assert (lunch.value, lunch.flags) == (5.0, ()) and lunch.low == pytest.approx(5.0 - 12.816)
    assert (breakfast.low, dinner.high) == (-30.0, 60.0)
    assert dinner.sds_from_prior == pytest.approx(55.0 / 17.32, rel=1e-3)


def test_effects_have_the_right_sign_an_interval_and_a_usual_error() -> None:
    effects = {effect.change: effect for effect in good_card().effects}
    assert set(effects) == set(ASKED)
    for change, effect in effects.items():
        sign = 1.0 if "-20%" in change else -1.0
        told = effect.estimate
        assert sign * effect.twin_mg_dl > 0.0 and sign * told.change_mg_dl > 0.0
        assert told.low_mg_dl < told.change_mg_dl < told.high_mg_dl
        assert effect.usual_error_mg_dl > 0.0


def test_effects_are_asked_of_days_not_seen() -> None:
    """Unknown treatment on all held-out days leaves nothing to ask; earlier days do not serve."""
    bolus = judged_person()["bolus_u"].copy()
    bolus[10 * STEPS_PER_DAY :] = np.nan
    trace = with_columns(judged_person(), bolus_u=bolus)
    assert effect_rows(trace, good_card().calibration, 10 * STEPS_PER_DAY, read_lessons()) == ()


def test_no_basal_on_record_leaves_the_boluses() -> None:
    columns = {k: v for k, v in judged_person().columns.items() if k != "basal_u_per_h"}
    card = make_card(replace(judged_person(), columns=columns))
    assert {effect.change for effect in card.effects} == {"bolus-20%", "bolus+20%"}


def test_a_sensor_alone_gets_a_card_without_effects() -> None:
    card = make_card(sensor_alone())
    assert card.effects == () and card.meals_missing_pct == 100.0
    assert len(card.parameters) == len(PARAMETERS)
    assert card.scores and not card.calibration.identified


def test_days_without_meals_are_counted_logged_or_not() -> None:
    carbs = judged_person()["carbs_g"].copy()
    carbs[: 2 * STEPS_PER_DAY] = 0.0
    carbs[2 * STEPS_PER_DAY : 3 * STEPS_PER_DAY] = np.nan
    assert meals_missing_pct(with_columns(judged_person(), carbs_g=carbs)) == pytest.approx(
        100.0 * 3 / DAYS
    )
    assert meals_missing_pct(judged_person()) == 0.0


@pytest.mark.parametrize(
    ("product", "assumed"), [(None, True), ("Tresiba", False), ("Brand X", True)]
)
def test_a_product_is_assumed_only_where_doses_have_none(
    product: str | None, assumed: bool
) -> None:
    doses = np.zeros(len(judged_person()))
    doses[::STEPS_PER_DAY] = 15.0
    injected = with_columns(judged_person(), long_acting_u=doses)
    card = make_card(replace(injected, long_acting_product=product))
    assert card.product_assumed is assumed
    assert good_card().product_assumed is False


@pytest.mark.parametrize("rows", [10, STEPS_PER_DAY])
def test_too_short_a_record_gets_no_card(rows: int) -> None:
    with pytest.raises(Failure, match="No quality card was made") as raised:
        make_card(judged_person().rows(0, rows))
    assert raised.value.code is ExitCode.REFUSED
