from collections.abc import Callable

import numpy as np
import pytest

from models.mixed_meal import MealMake
from models.movement import Bout, Kind
from models.scenario import (
    Bolus,
    Daily,
    Eaten,
    Life,
    LongActingChange,
    MealBolusChange,
    Scaled,
    Scenario,
    ScenarioError,
    Target,
    TemporaryBasal,
    Therapy,
    Wave,
)
from models.strain import Illness, Stretch

NOBODY: list[tuple[str, Callable[[], object]]] = [
    ("a bolus of 100 U", lambda: Bolus(0, 100.0)),
    ("a bolus of -1 U", lambda: Bolus(0, -1.0)),
    ("a bolus of nan U", lambda: Bolus(0, float("nan"))),
    ("a carbohydrate of 2000 g", lambda: Eaten(MealMake(0, 2000.0))),
    ("a fat of 500 g", lambda: Eaten(MealMake(0, 50.0, 500.0))),
    ("a protein of 900 g", lambda: Eaten(MealMake(0, 50.0, 0.0, 900.0))),
    ("a glycaemic index of 500", lambda: Eaten(MealMake(0, 50.0, glycaemic_index=500.0))),
    ("a bolus of 60 U", lambda: Eaten(MealMake(0, 50.0), 60.0)),
    ("a long-acting dose of 400 U", lambda: LongActingChange(units=400.0)),
    ("a factor of 9", lambda: Scaled(9.0)),
    ("a factor of -1", lambda: TemporaryBasal(-1.0, Stretch(0, 60))),
    ("a temporary basal of 0 min", lambda: TemporaryBasal(0.5, Stretch(0, 0))),
    ("from 7 to 7 h", lambda: Daily(7.0, 7.0)),
    ("from 7 to 25 h", lambda: Daily(7.0, 25.0)),
    ("the rest over 0 h", lambda: Wave(0.3, 0.0)),
    ("150% come at once", lambda: Wave(1.5, 1.0)),
    ("600 min from its meal", lambda: MealBolusChange(Daily(), 600)),
    ("a target moved by 100", lambda: Target(100.0)),
    ("a bout of 900 min", lambda: Life(exercise=(Bout(0, 900, Kind.AEROBIC, 55.0),))),
    ("exercise at 200 beats", lambda: Life(exercise=(Bout(0, 30, Kind.AEROBIC, 200.0),))),
    ("a temperature of 101", lambda: Life(illness=(Illness(Stretch(0, 60), 101.0),))),
    ("a scenario of 12 h", lambda: Scenario("s", 12)),
    ("a scenario of 240 h", lambda: Scenario("s", 240)),
    ("at minute 2000", lambda: Scenario("s", 24, Therapy(boluses=(Bolus(2000, 1.0),)))),
    ("at minute 1500", lambda: Scenario("s", 24, life=Life(stress_minutes=(1500,)))),
]


@pytest.mark.parametrize(("found", "made"), NOBODY, ids=[found for found, _ in NOBODY])
def test_what_no_person_takes_eats_or_has_is_refused(
    found: str, made: Callable[[], object]
) -> None:
    with pytest.raises(ScenarioError) as refusal:
        made()
    words = str(refusal.value)
    assert found in words
    assert "expected" in words and "Nothing was simulated" in words and "What to do" in words


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        (Daily(6.0, 11.0), [6.0, 10.9], [5.9, 11.0]),
        (Daily(22.0, 6.0), [22.0, 0.0, 5.9], [6.0, 21.9]),
        (Daily(), [0.0, 12.0, 23.99], []),
    ],
)
def test_windows_of_the_day(window: Daily, inside: list[float], outside: list[float]) -> None:
    assert window.holds(np.array(inside)).all()
    assert not window.holds(np.array(outside)).any()
