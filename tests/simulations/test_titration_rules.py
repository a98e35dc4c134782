"""Each rule on made-up records in which it is known what it should do."""

from dataclasses import replace

import numpy as np
import pytest

from models.evidence import Experiment
from models.knowledge import ClinicKnowledge
from models.levers import PARTS_OF_DAY, Lever, levers_of
from models.outcome import MEASURES, Outcome, Shift
from models.regimen_search import Found
from models.trace import STEPS_PER_DAY, FloatArray, Trace
from simulations import titration_rules
from simulations.titration_people import Diary, PumpSettings
from simulations.titration_rules import Autotune, Booleans, RunToRun, guideline, twin

HOUR = np.arange(STEPS_PER_DAY) / 12.0
NOW = PumpSettings(np.full(24, 1.0), np.full(24, 10.0), 40.0)
MEAL_H = (8.0, 13.0, 19.0)


def diary(level_mg_dl: FloatArray, days: int = 14) -> Diary:
    """The same day again and again: three meals of 60 g, 6 U each, and this glucose."""
    carbs, bolus = np.zeros(STEPS_PER_DAY), np.zeros(STEPS_PER_DAY)
    for hour in MEAL_H:
        carbs[round(12 * hour)], bolus[round(12 * hour)] = 60.0, 6.0
    columns = {
        "glucose_mg_dl": np.tile(level_mg_dl, days),
        "basal_u_per_h": np.full(days * STEPS_PER_DAY, 1.0),
        "bolus_u": np.tile(bolus, days),
        "carbs_g": np.tile(carbs, days),
    }
    trace = Trace("P", "UTC", 5, 1_704_672_000, columns, 70.0)
    return Diary(trace, NOW, ClinicKnowledge(40.0))


def level(rest: float = 120.0, **hours: float) -> FloatArray:
    """Glucose of a day: `night` until 7, `lunch` from 14 to 16."""
    glucose = np.full(STEPS_PER_DAY, rest)
    glucose[HOUR < 7.0] = hours.get("night", rest)
    glucose[(HOUR >= 14.0) & (HOUR < 16.0)] = hours.get("lunch", rest)
    return glucose


def basal(found: PumpSettings) -> FloatArray:
    return found.basal_u_per_h


def test_the_guideline_leaves_who_is_in_target() -> None:
    found = guideline(diary(level()))
    assert np.array_equal(found.by_hour(), NOW.by_hour())


@pytest.mark.parametrize(("night", "factor"), [(170.0, 1.1), (60.0, 0.9)])
def test_the_guideline_moves_basal_by_a_tenth(night: float, factor: float) -> None:
    assert np.allclose(basal(guideline(diary(level(night=night)))), factor)


@pytest.mark.parametrize(("lunch", "grams"), [(230.0, 9.0), (60.0, 11.0)])
def test_the_guideline_moves_the_ratio_of_that_meal(lunch: float, grams: float) -> None:
    ratio = guideline(diary(level(lunch=lunch))).carb_ratio_g_per_u
    assert np.allclose(ratio[11:16], grams) and np.allclose(ratio[[6, 20]], 10.0)


PLAIN = RunToRun(gain=0.001, reference_mg_dl=120.0, cap=0.1, wary=False)


def test_run_to_run_goes_towards_its_reference_and_no_further_than_its_cap() -> None:
    at_rest = PLAIN(diary(np.full(STEPS_PER_DAY, 120.0)))
    assert np.allclose(at_rest.by_hour(), NOW.by_hour())
    high = PLAIN(diary(level(night=170.0, lunch=170.0)))
    assert np.allclose(basal(high)[:6], 1.05)
    assert np.allclose(high.carb_ratio_g_per_u[11:16], 10.0 / 1.05)
    assert np.allclose(basal(PLAIN(diary(level(night=390.0))))[:6], 1.1)


@pytest.mark.parametrize(("wary", "night"), [(True, 0.9), (False, 1.04)])
def test_a_wary_run_goes_down_where_lows_hide_behind_a_high_mean(wary: bool, night: float) -> None:
    """A tenth of the night at 60 mg/dL, its mean at 160."""
    glucose = level()
    glucose[:72] = (160.0 - 7.0 * 60.0 / 72.0) * 72.0 / 65.0
    glucose[20:27] = 60.0
    found = replace(PLAIN, wary=wary)(diary(glucose))
    assert basal(found)[:6] == pytest.approx(night, abs=2e-3)


def rising(per_hour_mg_dl: float) -> FloatArray:
    """Glucose that rises, or falls, through the night and comes back by day."""
    return np.interp(
        HOUR, [0.0, 6.0, 12.0, 24.0], [120.0, 120.0 + 6 * per_hour_mg_dl, 120.0, 120.0]
    )


def test_autotune_adds_basal_before_hours_that_rise() -> None:
    """A fifth of the need, 10 mg/dL an hour over a factor of 40, in the three hours before."""
    found = Autotune()._day(NOW, diary(rising(10.0)), *_day_of(diary(rising(10.0))))
    expected = 1.0 + 3 * 0.2 * 10.0 / 40.0 / 3.0
    assert basal(found)[2] == pytest.approx(expected, rel=0.02)


def _day_of(one: Diary) -> tuple[FloatArray, Booleans, slice]:
    """Deviations of the first day as glucose itself has them: basal as usual, boluses forgotten."""
    change = np.diff(one.trace["glucose_mg_dl"][:STEPS_PER_DAY], prepend=120.0)
    food = np.zeros(STEPS_PER_DAY, dtype=bool)
    food[96:] = True
    return change, food, slice(0, STEPS_PER_DAY)


def test_autotune_stays_within_a_fifth_of_the_pump_s_settings() -> None:
    rule, week = Autotune(), diary(rising(60.0))
    for _ in range(5):
        found = rule(week)
        week = Diary(week.trace, found, week.knowledge)
    assert basal(found).max() == pytest.approx(1.2) and basal(found).min() >= 0.8
    assert 8.0 - 1e-9 <= found.carb_ratio_g_per_u.min() <= found.carb_ratio_g_per_u.max() <= 12.0


def test_insulin_s_activity_is_all_of_the_unit_and_peaks_at_75_minutes() -> None:
    shares = titration_rules._activity()
    assert shares.sum() == pytest.approx(1.0)
    assert int(np.argmax(shares)) * 5 == 75


NIGHT = Lever("basal night", "basal", PARTS_OF_DAY["night"], 1.0, 0.05, "U/h")


def promised(helps: float) -> Found:
    shifts = dict.fromkeys(MEASURES, Shift(-3.0, -5.0, -1.0))
    levels = dict.fromkeys(MEASURES, 10.0)
    return Found({"basal night": 0.9}, Outcome(levels, levels, shifts, helps, 0.0), 1)


Asked = tuple[list[int], tuple[Lever, ...]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """What the search was asked, days and levers; it always finds less basal by night."""
    seen: list[Asked] = []

    def found(trace: Trace, calibration: None, rows: list[int], levers: tuple[Lever, ...]) -> Found:
        seen.append((rows, levers))
        return promised(HELPS[0])

    monkeypatch.setattr(titration_rules, "calibrate", lambda traces, prior, knowledge: [None])
    monkeypatch.setattr(titration_rules, "untold", lambda trace, levers: {})
    monkeypatch.setattr(titration_rules, "best_settings", found)
    monkeypatch.setattr(titration_rules, "levers_of", lambda trace: (NIGHT,))
    return seen


HELPS = [1.0]


@pytest.mark.parametrize(("helps", "night"), [(1.0, 0.9), (0.6, 1.0)])
def test_the_twin_s_plan_is_followed_where_it_is_sure(
    helps: float, night: float, asked: list[Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.HELPS", [helps])
    found = basal(twin(diary(level())))
    assert np.allclose(found[:6], night) and np.allclose(found[6:], 1.0)


def test_what_the_record_does_not_tell_the_twin_leaves(
    asked: list[Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = {"basal night": Experiment.BASAL_TWO_NIGHTS}
    monkeypatch.setattr(titration_rules, "untold", lambda trace, levers: lacking)
    assert np.array_equal(twin(diary(level())).by_hour(), NOW.by_hour())
    assert asked


@pytest.mark.parametrize(("days", "planned"), [(14, 13), (7, 7), (4, 4)])
def test_the_twin_plans_on_days_on_today_s_settings(
    days: int, planned: int, asked: list[Asked]
) -> None:
    """The first day of the fourteen has no day ahead of it on record."""
    one = replace(diary(level()), days_on_settings=days)
    twin(one)
    (rows, _), last = asked[0], len(one.trace) - STEPS_PER_DAY
    assert rows == [last - STEPS_PER_DAY * back for back in reversed(range(planned))]


def test_the_twin_s_levers_stand_where_settings_stand_today(
    asked: list[Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: twice the basal in the week before the latest change."""
    monkeypatch.setattr(titration_rules, "levers_of", levers_of)
    one = diary(level())
    one.trace.columns["basal_u_per_h"][: 7 * STEPS_PER_DAY] = 2.0
    twin(replace(one, days_on_settings=7))
    assert {lever.today for lever in asked[0][1] if lever.kind == "basal"} == {1.0}


def test_too_few_days_on_today_s_settings_leave_them(asked: list[Asked]) -> None:
    found = twin(replace(diary(level()), days_on_settings=3))
    assert np.array_equal(found.by_hour(), NOW.by_hour()) and not asked
