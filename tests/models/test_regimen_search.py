"""The search on made-up days, where what each lever does is known."""

from dataclasses import replace

import numpy as np
import pytest

from models import regimen_search
from models.dose_response import Response, Responses
from models.levers import MEALS, PARTS_OF_DAY, Lever
from models.regimen_search import Found, lows_in_its_hours, search
from models.size_doubt import SizeDoubt
from models.trace import STEPS_PER_DAY, FloatArray

DAYS, DRAWS = 8, 4
HOUR = np.arange(STEPS_PER_DAY) * 24.0 / STEPS_PER_DAY
NIGHT = Lever("basal night", "basal", PARTS_OF_DAY["night"], 1.0, 0.05, "U/h")
LUNCH = Lever("ratio lunch", "carb_ratio", MEALS["lunch"], 10.0, 0.5, "g/U")
SURE = SizeDoubt({"basal": 0.0, "carb_ratio": 0.0}, {"basal": 0.1, "carb_ratio": 0.1})
UNSURE = SizeDoubt({"basal": 0.0, "carb_ratio": 0.0}, {"basal": 1.5, "carb_ratio": 1.5})


def acting(lever: Lever, mg_dl: float) -> Response:
    """A lever that moves glucose by so much in its hours and the four after, a tenth higher."""
    start = lever.window.since_hour
    fall = mg_dl * ((start <= HOUR) & (lever.window.until_hour + 4.0 > HOUR))
    paths = np.tile(fall, (DRAWS, DAYS)) * np.linspace(0.9, 1.1, DRAWS)[:, None]
    return Response(lever, -paths, paths)


def days(level_mg_dl: FloatArray, night: float = -12.0, lunch: float = 12.0) -> Responses:
    """The same day again and again, give or take a few mg/dL."""
    rng = np.random.default_rng(0)
    measured = np.tile(level_mg_dl, DAYS) + rng.normal(0.0, 4.0, DAYS * STEPS_PER_DAY)
    return Responses(measured, (acting(NIGHT, night), acting(LUNCH, lunch)))


def rising_to(level_mg_dl: FloatArray, top: float) -> FloatArray:
    """Every more mg/dL taken off the night brings more of it into range."""
    level = level_mg_dl.copy()
    night = HOUR < 10.0
    level[night] = np.linspace(150.0, top, int(night.sum()))
    return level


def course(night: float, lunch: float, rest: float = 130.0) -> FloatArray:
    """Glucose of a day by its hours: night until 10, lunch from 11 to 20."""
    level = np.full(STEPS_PER_DAY, rest)
    level[HOUR < 10.0] = night
    level[(HOUR >= 11.0) & (HOUR < 20.0)] = lunch
    return level


HIGH_AT_NIGHT = days(course(188.0, 130.0))
LOW_AFTER_LUNCH = days(course(130.0, 68.0))


def test_high_nights_get_more_basal_a_tenth_at_most() -> None:
    found = search(HIGH_AT_NIGHT, SURE)
    assert set(found.setting) == {"basal night"}
    assert 1.0 < found.setting["basal night"] <= 1.1
    assert not found.tells_nothing and found.outcome.helps == 1.0
    assert found.outcome.shifts["mean"].high < 0.0 and found.moves >= 1


def test_lows_after_lunch_get_a_weaker_ratio() -> None:
    found = search(LOW_AFTER_LUNCH, SURE)
    assert set(found.setting) == {"ratio lunch"} and found.setting["ratio lunch"] > 10.0
    assert found.outcome.shifts["time_below_70"].high < 0.0


def test_nothing_to_gain_moves_nothing() -> None:
    assert search(days(course(120.0, 120.0, 120.0)), SURE).setting == {}


def test_what_only_one_size_of_the_effect_would_bring_is_not_told() -> None:
    found = search(days(course(188.0, 130.0), night=-5.0), UNSURE)
    assert found.outcome.helps < 0.95 or not found.setting
    assert found.tells_nothing


NIGHT_LOWS = rising_to(course(0.0, 130.0), 260.0)
NIGHT_LOWS[HOUR < 1.0] = 50.0


def test_no_more_insulin_where_its_hours_hold_lows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: an hour of lows before high mornings; without the bar the basal would rise."""
    some = days(NIGHT_LOWS, night=-20.0)
    assert lows_in_its_hours(some, NIGHT) > 5.0 > lows_in_its_hours(some, LUNCH)
    assert search(some, SURE).setting.get("basal night", 1.0) <= 1.0
    monkeypatch.setattr(regimen_search, "MOST_LOW_PCT", 100.0)
    assert search(some, SURE).setting["basal night"] > 1.0


NEAR_LOW = rising_to(course(0.0, 130.0), 240.0)
NEAR_LOW[(HOUR >= 2.0) & (HOUR < 4.0)] = 103.0


def worst_rise(found: Found, of: Responses, size: float) -> float:
    """Rise of time below 70 if every effect were `size` times what the twin says."""
    glucose = of.measured_mg_dl.copy()
    for one in of.by_lever:
        if one.lever.name in found.setting:
            glucose = glucose + size * one.to(found.setting[one.lever.name])[0]
    return float(100.0 * (np.mean(glucose < 70.0) - np.mean(of.measured_mg_dl < 70.0)))


@pytest.mark.parametrize("guard", ["MORE_LOWS_CHANCE", "LARGER"])
def test_lows_stay_rare_even_if_effects_are_larger(
    guard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: nights that are high but for two hours not far from low."""
    near = days(NEAR_LOW, night=-20.0)
    guarded = search(near, SURE)
    assert worst_rise(guarded, near, 2.0) < 2.0
    monkeypatch.setattr(regimen_search, "MORE_LOWS_CHANCE", 2.0)
    if guard == "LARGER":
        monkeypatch.undo()
        monkeypatch.setattr(regimen_search, "LARGER", 1.0)
    assert worst_rise(search(near, SURE), near, 2.0) > 2.0


def test_more_than_a_tenth_more_is_never_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    higher = days(rising_to(course(0.0, 130.0), 260.0))
    assert search(higher, SURE).setting["basal night"] == pytest.approx(1.1)
    monkeypatch.setattr(regimen_search, "MOST_MORE", 0.2)
    assert search(higher, SURE).setting["basal night"] > 1.1


def test_the_promise_is_of_days_that_were_not_searched() -> None:
    """Planted: every second day, the searched ones, would gain; the others do not."""
    measured = HIGH_AT_NIGHT.measured_mg_dl.reshape(DAYS, -1).copy()
    measured[1::2, HOUR < 10.0] = 120.0
    found = search(replace(HIGH_AT_NIGHT, measured_mg_dl=measured.reshape(-1)), SURE)
    assert found.setting and found.tells_nothing


def test_who_is_worse_than_the_index_can_say_is_helped_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """All day between 240 and 275 mg/dL: an index of more than 100, however much it falls."""
    far_too_high = days(np.linspace(240.0, 275.0, STEPS_PER_DAY), night=-20.0, lunch=20.0)
    found = search(far_too_high, SURE)
    assert found.setting and not found.tells_nothing
    assert found.outcome.before["gri"] > 100.0 and found.outcome.shifts["gri"].high < 0.0
    monkeypatch.setattr(regimen_search, "CAPPED", True)
    assert search(far_too_high, SURE).setting == {}
