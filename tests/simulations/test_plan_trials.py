from dataclasses import replace

import numpy as np
import pytest

from models.levers import MEALS, PARTS_OF_DAY, Lever
from models.outcome import MEASURES, Shift
from simulations.effects_people import TRAINING_DAYS, Subject, drawn_subject
from simulations.plan_trials import (
    JUDGED,
    Judged,
    Whom,
    as_dict,
    in_words,
    judge,
    on,
    summary,
    truth,
)

pytestmark = pytest.mark.slow

NIGHT = Lever("basal night", "basal", PARTS_OF_DAY["night"], 1.0, 0.05, "U/h")
DINNER = Lever("ratio dinner", "carb_ratio", MEALS["dinner"], 10.0, 0.5, "g/U")
FACTOR = Lever("corrections", "correction_factor", PARTS_OF_DAY["night"], 40.0, 1.0, "mg/dL/U")
LEVERS = (NIGHT, DINNER, FACTOR)


@pytest.fixture(scope="module")
def someone() -> Subject:
    return drawn_subject("adult", 0, "A", 2_000_099, TRAINING_DAYS)


def test_today_s_settings_are_today_s_doses(someone: Subject) -> None:
    doses = on(someone, LEVERS, {})
    assert np.array_equal(doses.basal_u_per_h, someone.life.basal_u_per_h)
    assert np.allclose(doses.bolus_u, someone.life.bolus_u)
    assert set(truth(someone, LEVERS, {}, 7).values()) == {0.0}


def test_each_lever_moves_its_own_insulin_in_its_own_hours(someone: Subject) -> None:
    before, after = someone.doses, on(someone, LEVERS, {"basal night": 1.1})
    hour = np.arange(len(before.basal_u_per_h)) * 5 / 60.0 % 24.0
    assert np.allclose(after.basal_u_per_h[hour < 6], 1.1 * before.basal_u_per_h[hour < 6])
    assert np.array_equal(after.basal_u_per_h[hour >= 6], before.basal_u_per_h[hour >= 6])
    after = on(someone, LEVERS, {"ratio dinner": 8.0})
    minute_hour = np.arange(len(before.bolus_u)) / 60.0 % 24.0
    changed = np.flatnonzero(~np.isclose(after.bolus_u, before.bolus_u))
    assert (minute_hour[changed] >= 16.0).all() and after.bolus_u.sum() > before.bolus_u.sum()
    meals = someone.for_meals_u
    assert np.allclose(
        after.bolus_u - before.bolus_u, np.where(minute_hour >= 16, 0.25 * meals, 0.0)
    )


def test_more_insulin_truly_lowers(someone: Subject) -> None:
    found = truth(someone, LEVERS, {"basal night": 1.2, "ratio dinner": 8.0}, 7)
    assert set(found) == set(MEASURES)
    assert found["mean"] < 0.0


def test_a_person_is_proposed_to_and_run() -> None:
    found = judge(Whom(99), ("A", 1))
    assert found.refused or set(found.true) == set(MEASURES)


def test_public_adults_come_in_stays_and_settings_may_be_amiss() -> None:
    """Same body, another stay; amiss, the same clinic's ratio is another."""
    one, again = (Whom(1, public=True).person("A", number) for number in (3, 13))
    assert np.array_equal(one.patient.constants, again.patient.constants)
    assert (one.identifier, again.identifier) == ("adult#004/1", "adult#004/2")
    assert not np.array_equal(one.life.glucose_mg_dl, again.life.glucose_mg_dl)
    amiss = Whom(1, public=True, off=0.15).person("A", 3)
    assert amiss.prescription.basal_u_per_h != one.prescription.basal_u_per_h
    assert amiss.knowledge.carb_ratio_g_per_u == one.knowledge.carb_ratio_g_per_u


KEPT = Judged(
    "a",
    "A",
    "",
    {name: Shift(-5.0, -8.0, -2.0) for name in MEASURES},
    dict.fromkeys(MEASURES, -4.0),
)


def test_the_summary_counts_signs_cover_and_lows() -> None:
    wrong = replace(KEPT, true={**dict.fromkeys(MEASURES, 1.0), "time_below_70": 2.5})
    refused = Judged("b", "A", "untold", {}, {})
    found = summary([KEPT, KEPT, KEPT, wrong, refused])
    assert (found["people"], found["planned"], found["refused"]) == (5, 4, {"untold": 1})
    assert found["sign_right_pct"] == 75.0
    assert found["coverage_80_pct"] == dict.fromkeys(JUDGED, 75.0)
    assert found["worst_rise_below_70_points"] == 2.5


def test_the_summary_is_told_a_line_each() -> None:
    assert "sign_right_pct: 100.0" in in_words([KEPT]).splitlines()


def test_nobody_planned_for_is_no_figure() -> None:
    found = as_dict([Judged("b", "A", "untold", {}, {})])["summary"]
    assert isinstance(found, dict)
    assert found["sign_right_pct"] is None and found["worst_rise_below_70_points"] is None
