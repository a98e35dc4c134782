from dataclasses import replace

import numpy as np
import pytest

from simulations.padova import PadovaError
from simulations.titration_people import (
    RUN_IN_DAYS,
    Diary,
    PumpSettings,
    Recruit,
    live_under,
    recruit,
    worth,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def someone() -> Recruit:
    return recruit(0, "B", 9_000_000, 4, 0.2)


def test_without_a_rule_a_life_in_pieces_is_the_whole_life(someone: Recruit) -> None:
    daily, at_once = (live_under(None, someone, days) for days in (1, 4))
    assert np.array_equal(daily.glucose_mg_dl, at_once.glucose_mg_dl)
    assert np.array_equal(daily.run_in_mg_dl, at_once.run_in_mg_dl)
    assert len(daily.settings) == 5 and len(daily.glucose_mg_dl) == 4 * 288


def test_a_rule_acts_after_the_run_in_and_sees_only_what_was(someone: Recruit) -> None:
    seen: list[Diary] = []

    def halved(diary: Diary) -> PumpSettings:
        seen.append(diary)
        return replace(diary.settings, basal_u_per_h=0.5 * diary.settings.basal_u_per_h)

    alone, less = live_under(None, someone, 2), live_under(halved, someone, 2)
    assert np.array_equal(alone.run_in_mg_dl, less.run_in_mg_dl)
    assert less.glucose_mg_dl.mean() > alone.glucose_mg_dl.mean() + 10.0
    assert [len(diary.trace) for diary in seen] == [RUN_IN_DAYS * 288] * 2
    first, second = seen
    assert [diary.days_on_settings for diary in seen] == [RUN_IN_DAYS, 2]
    overlap = second.trace["glucose_mg_dl"][: -2 * 288]
    assert np.array_equal(first.trace["glucose_mg_dl"][2 * 288 :], overlap)
    assert second.trace.start_utc_s - first.trace.start_utc_s == 2 * 86_400
    assert np.nanmax(first.trace["carbs_g"]) > 20.0 and first.trace["bolus_u"].sum() > 0.0


def test_a_rule_is_told_for_how_long_settings_have_been_in_use(someone: Recruit) -> None:
    """Planted: a change at the second visit alone."""
    told: list[int] = []

    def at_the_second(diary: Diary) -> PumpSettings:
        told.append(diary.days_on_settings)
        factor = 0.9 if len(told) == 2 else 1.0
        return replace(diary.settings, basal_u_per_h=factor * diary.settings.basal_u_per_h)

    live_under(at_the_second, someone, 1)
    assert told == [RUN_IN_DAYS, RUN_IN_DAYS, 1, 2]


def test_young_people_are_drawn_of_their_group() -> None:
    child = recruit(0, "A", 9_000_003, 1, 0.2, group="child").cast()
    assert child.patient.group == "child"


def test_settings_hold_in_their_hours(someone: Recruit) -> None:
    """Planted: no basal from noon on."""
    seen: list[Diary] = []

    def until_noon(diary: Diary) -> PumpSettings:
        seen.append(diary)
        basal = np.where(np.arange(24) < 12, diary.settings.basal_u_per_h, 0.0)
        return replace(diary.settings, basal_u_per_h=basal)

    live_under(until_noon, someone, 2)
    rate = seen[-1].trace["basal_u_per_h"][-288:]
    assert rate[144:].max() == 0.0 < rate[:144].max()


def test_whom_a_trial_asks_for_is_recruited_or_it_is_said() -> None:
    high = recruit(0, "B", 9_000_001, 1, 0.3, 150.0)
    assert live_under(None, high, 1).run_in_mg_dl.mean() >= 150.0
    with pytest.raises(PadovaError, match="Nobody was recruited"):
        recruit(0, "A", 9_000_002, 1, 0.0, 400.0)


def test_a_low_of_fifteen_minutes_is_an_event_and_a_shorter_one_is_none() -> None:
    glucose = np.full(7 * 288, 120.0)
    glucose[100:103] = 65.0
    glucose[105:108] = 65.0
    glucose[300:302] = 65.0
    glucose[400:420] = 50.0
    assert worth(glucose)["events_per_week"] == 2.0
    assert worth(np.full(288, 120.0))["events_per_week"] == 0.0
