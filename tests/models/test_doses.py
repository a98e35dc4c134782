import numpy as np
import pytest

from models.doses import doses_of, usual_grams_per_u
from models.inputs import LongActing, physiology_inputs
from models.trace import Trace
from tests.models.virtual import columns, eventful, trace_of

DAY = slice(288, 576)


def test_the_events_are_the_record_s() -> None:
    trace = eventful(3, seed=1)
    doses = doses_of(trace, DAY)
    assert np.array_equal(doses.bolus_u, trace["bolus_u"][DAY])
    assert np.array_equal(doses.carbs_g, trace["carbs_g"][DAY])
    assert doses.eaten_g_per_min.sum() == pytest.approx(doses.carbs_g.sum())
    assert doses.depot_u_per_h.max() < 1e-12
    insulin = physiology_inputs(trace).background_mu_kg_min[5 * 288 : 5 * 576]
    assert np.allclose(doses.pump_u_per_h * 1000.0 / 60.0 / 70.0, insulin)


def test_a_bolus_near_a_meal_is_that_meal_s() -> None:
    table = columns(2)
    for row, grams, units in ((100, 50.0, 0.0), (106, 0.0, 4.0), (94, 0.0, 1.0), (107, 0.0, 2.0)):
        table["carbs_g"][row], table["bolus_u"][row] = grams, units
    doses = doses_of(trace_of(table), slice(0, 288))
    assert np.flatnonzero(doses.of_meal).tolist() == [94, 106]


def test_the_usual_ratio_is_the_median_of_meals_that_were_covered() -> None:
    table = columns(2)
    for row, units in ((100, 5.0), (200, 10.0), (300, 5.0), (400, 0.0)):
        table["carbs_g"][row], table["bolus_u"][row + 1] = 50.0, units
    assert usual_grams_per_u(trace_of(table)) == 10.0
    assert usual_grams_per_u(trace_of(columns(2))) is None


def test_long_acting_insulin_is_a_depot_beside_the_pump() -> None:
    table = columns(4, long_acting_u=np.zeros(4 * 288), basal_u_per_h=np.zeros(4 * 288))
    table["long_acting_u"][100::288] = 24.0
    trace = Trace("p", "UTC", 5, trace_of(table).start_utc_s, table, 70.0, "Tresiba")
    doses = doses_of(trace, slice(2 * 288, 3 * 288))
    assert doses.product is LongActing.DEGLUDEC
    assert not doses.pump_u_per_h.any()
    assert doses.depot_u_per_h.mean() == pytest.approx(1.0, abs=0.05)
    assert doses.long_acting_u.sum() == 24.0
