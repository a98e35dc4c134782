import numpy as np
import pytest

from models.levers import (
    MEALS,
    PARTS_OF_DAY,
    Lever,
    Steps,
    levers_of,
    require_levers,
    scenario_of_settings,
)
from models.scenario import Daily, ScenarioError
from tests.models.virtual import columns, eventful, trace_of


def lever(today: float, step: float) -> Lever:
    return Lever("x", "basal", Daily(), today, step, "U/h")


@pytest.mark.parametrize(
    ("today", "step", "settings"),
    [
        (1.0, 0.05, np.arange(0.8, 1.21, 0.05)),
        (0.93, 0.05, [0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 1.0, 1.05, 1.1]),
        (10.0, 0.5, np.arange(8.0, 12.1, 0.5)),
        (0.1, 0.05, [0.1]),
        (12.0, 1.0, [10.0, 11.0, 12.0, 13.0, 14.0]),
    ],
)
def test_settings_are_whole_steps_within_a_fifth(
    today: float, step: float, settings: list[float]
) -> None:
    assert lever(today, step).settings() == pytest.approx(tuple(settings))


def test_a_pump_has_four_rates_and_each_meal_its_ratio() -> None:
    levers = {one.name: one for one in levers_of(eventful(5, seed=1))}
    assert set(levers) == {*(f"basal {p}" for p in PARTS_OF_DAY), *(f"ratio {m}" for m in MEALS)}
    assert levers["basal night"].today == 1.0
    with_factor = levers_of(eventful(5, seed=1), Steps(), 40.0)
    assert with_factor[-1].name == "corrections" and with_factor[-1].today == 40.0


def test_injections_have_the_median_dose_of_the_days_that_have_one() -> None:
    table = columns(6, long_acting_u=np.zeros(6 * 288), basal_u_per_h=np.zeros(6 * 288))
    table["long_acting_u"][100 : 4 * 288 : 288] = 20.0
    (one,) = levers_of(trace_of(table))
    assert (one.kind, one.today) == ("long_acting", 20.0)


def test_nothing_to_turn_is_said() -> None:
    table = columns(3, basal_u_per_h=np.zeros(3 * 288))
    with pytest.raises(ScenarioError, match="no basal rate, no injection and no meal bolus of p"):
        require_levers(levers_of(trace_of(table)), "p")


def test_a_setting_is_a_scenario() -> None:
    levers = levers_of(eventful(5, seed=1), Steps(), 40.0)
    setting = {"basal night": 1.1, "ratio dinner": 0.9 * levers[4].today, "corrections": 44.0}
    therapy = scenario_of_settings(levers, setting).therapy
    (basal,), (ratio,), (factor,) = therapy.basal, therapy.carb_ratio, therapy.correction_factor
    assert basal.scale == pytest.approx(1.1) and basal.window == PARTS_OF_DAY["night"]
    assert ratio.scale == pytest.approx(0.9) and ratio.window == MEALS["dinner"]
    assert factor.scale == pytest.approx(1.1)
    assert scenario_of_settings(levers, {}).therapy.basal == ()
