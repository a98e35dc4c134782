"""The rule of thumb: units a day times the correction factor, and nothing else."""

from dataclasses import replace

import pytest

from models.knowledge import ClinicKnowledge
from simulations.behaviour import DAY_MIN
from simulations.effects_people import CHANGES, TRAINING_DAYS, Change, Treatment
from simulations.thumb import thumb_mg_dl
from study.failure import Failure
from tests.simulations.effect_cases import someone


def test_a_fifth_of_the_basal_times_the_correction_factor() -> None:
    who = someone()
    factor = who.knowledge.correction_factor_mg_dl_per_u
    assert factor is not None
    daily_u = who.life.basal_u_per_h[: TRAINING_DAYS * 288].mean() * 24.0
    change = Change(Treatment.BASAL, 0.8)
    assert thumb_mg_dl(who, change) == pytest.approx(0.2 * daily_u * factor)


def test_only_training_days_are_counted() -> None:
    who = someone()
    bolus = who.life.bolus_u.copy()
    bolus[TRAINING_DAYS * DAY_MIN :] = 100.0
    planted = replace(who, life=who.life._replace(bolus_u=bolus))
    for change in CHANGES:
        assert thumb_mg_dl(planted, change) == thumb_mg_dl(who, change)


def test_more_and_less_are_the_same_size() -> None:
    who = someone()
    for treatment in Treatment:
        less, more = (thumb_mg_dl(who, Change(treatment, factor)) for factor in (0.8, 1.2))
        assert less == pytest.approx(more) and less > 0.0


def test_boluses_are_more_than_their_part_for_meals() -> None:
    who = someone()
    bolus, ratio = (
        thumb_mg_dl(who, Change(treatment, 0.8))
        for treatment in (Treatment.BOLUS, Treatment.CARB_RATIO)
    )
    assert bolus == pytest.approx(ratio, rel=0.4)
    assert bolus != ratio


def test_without_a_correction_factor_there_is_no_rule() -> None:
    unknown = replace(someone(), knowledge=ClinicKnowledge())
    with pytest.raises(Failure, match="No rule of thumb was applied"):
        thumb_mg_dl(unknown, CHANGES[0])
