import numpy as np

from models.evidence import Experiment, untold
from models.levers import levers_of
from tests.models.virtual import columns, eventful, trace_of


def test_a_life_with_paused_basal_and_missed_boluses_tells_all() -> None:
    assert untold(eventful(14, seed=1), levers_of(eventful(14, seed=1))) == {}


def test_boluses_that_follow_the_carbs_and_a_basal_that_never_changes_tell_little() -> None:
    table = columns(10)
    for hour, grams in ((8, 50.0), (13, 70.0), (19, 80.0)):
        table["carbs_g"][12 * hour :: 288] = grams
        table["bolus_u"][12 * hour :: 288] = grams / 10.0
    trace = trace_of(table)
    found = untold(trace, levers_of(trace))
    assert found["basal night"] is Experiment.BASAL_TWO_NIGHTS
    assert found["ratio breakfast"] is Experiment.SKIPPED_BREAKFAST
    assert found["ratio dinner"] is Experiment.COVERED_DIFFERENTLY
    table["bolus_u"][12 * 8 + 288] = 0.0  # one breakfast in ten not covered
    assert "ratio breakfast" not in untold(trace_of(table), levers_of(trace))
    table["basal_u_per_h"] = np.ones(2880)
    table["basal_u_per_h"][300:400] = 0.5
    assert "basal night" not in untold(trace_of(table), levers_of(trace))


def test_a_daily_profile_of_the_pump_is_no_variation() -> None:
    table = columns(10)
    table["basal_u_per_h"] = np.tile(1.0 + 0.5 * (np.arange(288) < 72), 10)
    trace = trace_of(table)
    assert untold(trace, levers_of(trace))["basal night"] is Experiment.BASAL_TWO_NIGHTS
