"""Inputs: hand-computed rates, depots, and the rest that stands for what nobody recorded."""

from dataclasses import replace

import numpy as np
import pytest

from models.inputs import (
    DEFAULT_WEIGHT_KG,
    Background,
    LongActing,
    background_of,
    known_rows,
    physiology_inputs,
    product_of,
)
from models.trace import STEP_MIN, STEPS_PER_DAY, Trace
from tests.models.virtual import columns, eventful, trace_of

TO_RATE = 1000.0 / 70.0
NOBODY = Background(0.0, 0.0)


def test_a_bolus_is_delivered_in_the_first_minute_of_its_row() -> None:
    table = columns(1)
    table["bolus_u"][10] = 7.0
    inputs = physiology_inputs(trace_of(table))
    bolus = inputs.insulin_mu_kg_min - inputs.background_mu_kg_min
    assert np.flatnonzero(bolus).tolist() == [50]
    assert bolus[50] == pytest.approx(7.0 * TO_RATE)


def test_basal_is_a_rate_per_minute_and_its_median_is_rest() -> None:
    table = columns(1)
    table["basal_u_per_h"][:100] = 2.0
    inputs = physiology_inputs(trace_of(table))
    assert inputs.resting_mu_kg_min == pytest.approx(1.0 / 60.0 * TO_RATE)
    assert inputs.insulin_mu_kg_min[:500] == pytest.approx(2.0 / 60.0 * TO_RATE)
    assert inputs.insulin_mu_kg_min[500:] == pytest.approx(inputs.resting_mu_kg_min)


def test_meals_queue_and_are_eaten_at_5_g_per_minute() -> None:
    table = columns(1)
    table["carbs_g"][[10, 11]] = 32.0, 4.0
    inputs = physiology_inputs(trace_of(table))
    grams = inputs.carbs_mg_kg_min * 70.0 / 1000.0
    assert grams[50:58] == pytest.approx([5, 5, 5, 5, 5, 5, 5, 1])
    assert grams[58:].sum() == 0.0
    assert inputs.uneaten_mg_kg[10:13] * 0.07 == pytest.approx([0.0, 7.0, 0.0])


def test_all_that_was_recorded_is_delivered_and_eaten() -> None:
    trace = eventful(3, seed=1)
    inputs = physiology_inputs(trace)
    delivered = inputs.insulin_mu_kg_min.sum() / TO_RATE
    recorded = trace["bolus_u"].sum() + trace["basal_u_per_h"].sum() / 12.0
    assert delivered == pytest.approx(recorded, rel=1e-12)
    assert inputs.carbs_mg_kg_min.sum() * 0.07 == pytest.approx(trace["carbs_g"].sum())


def test_an_unknown_weight_counts_as_70_kg() -> None:
    trace = eventful(1, seed=1)
    anonymous = Trace("p", "UTC", 5, trace.start_utc_s, trace.columns)
    assert DEFAULT_WEIGHT_KG == 70.0
    expected = physiology_inputs(trace).insulin_mu_kg_min
    assert np.array_equal(physiology_inputs(anonymous).insulin_mu_kg_min, expected)
    heavy = Trace("p", "UTC", 5, trace.start_utc_s, trace.columns, weight_kg=140.0)
    assert physiology_inputs(heavy).insulin_mu_kg_min == pytest.approx(expected / 2.0)


@pytest.mark.parametrize("product", list(LongActing))
def test_long_acting_insulin_leaves_a_depot_with_its_half_life(product: LongActing) -> None:
    table = columns(4, basal_u_per_h=np.full(4 * STEPS_PER_DAY, np.nan))
    doses = np.zeros(4 * STEPS_PER_DAY)
    doses[96] = 24.0
    trace = trace_of(table | {"long_acting_u": doses})
    released = physiology_inputs(trace, NOBODY, product).background_mu_kg_min / TO_RATE
    half_life = int(60 * product.half_life_h)
    assert released[:480].sum() == 0.0
    assert released[480 : 480 + half_life].sum() == pytest.approx(12.0, rel=2e-3)
    assert released.sum() == pytest.approx(24.0 * (1.0 - 0.5 ** (5280 / half_life)), rel=1e-3)


def test_the_half_lives_are_those_of_the_labels() -> None:
    ranges = {
        LongActing.GLARGINE_U100: (12.0, 13.0),
        LongActing.GLARGINE_U300: (18.0, 19.0),
        LongActing.DEGLUDEC: (25.0, 25.4),
        LongActing.DETEMIR: (5.0, 7.0),
        LongActing.NPH: (4.0, 7.0),
    }
    assert set(ranges) == set(LongActing)
    for product, (low, high) in ranges.items():
        assert low <= product.half_life_h <= high


def test_daily_long_acting_doses_swing_around_rest() -> None:
    days = 20
    doses = np.zeros(days * STEPS_PER_DAY)
    doses[264::STEPS_PER_DAY] = 24.0
    table = columns(days, basal_u_per_h=np.full(len(doses), np.nan), long_acting_u=doses)
    trace = trace_of(table)
    assert background_of(trace) == Background(0.0, 1.0)
    inputs = physiology_inputs(trace)
    last = inputs.background_mu_kg_min[-1440:] / inputs.resting_mu_kg_min
    assert last.mean() == pytest.approx(1.0, abs=0.01)
    assert last.max() / last.min() == pytest.approx(
        2.0 ** (24 / LongActing.GLARGINE_U100.half_life_h), rel=0.01
    )


def test_a_day_without_a_long_acting_record_rests_instead_of_starving() -> None:
    doses = np.zeros(6 * STEPS_PER_DAY)
    doses[96::STEPS_PER_DAY] = 24.0
    doses[3 * STEPS_PER_DAY : 4 * STEPS_PER_DAY] = np.nan
    table = columns(6, basal_u_per_h=np.full(len(doses), np.nan), long_acting_u=doses)
    inputs = physiology_inputs(trace_of(table))
    missing = inputs.background_mu_kg_min[3 * 1440 : 4 * 1440]
    assert missing == pytest.approx(inputs.resting_mu_kg_min)


@pytest.mark.parametrize("column", ["bolus_u", "carbs_g"])
def test_the_physiology_rests_on_days_of_which_insulin_or_meals_are_unknown(column: str) -> None:
    trace = eventful(3, seed=2)
    trace.columns[column][STEPS_PER_DAY + 7] = np.nan
    inputs = physiology_inputs(trace)
    assert not inputs.known[STEPS_PER_DAY : 2 * STEPS_PER_DAY].any()
    assert inputs.known[:STEPS_PER_DAY].all() and inputs.known[2 * STEPS_PER_DAY :].all()
    assert inputs.insulin_mu_kg_min[1440:2880] == pytest.approx(inputs.resting_mu_kg_min)
    assert inputs.carbs_mg_kg_min[1440:2880].sum() == 0.0


def test_known_days_are_local_days() -> None:
    table = columns(3)
    table["carbs_g"][STEPS_PER_DAY : STEPS_PER_DAY + 12] = np.nan
    known = known_rows(trace_of(table, time_zone="America/New_York"))
    assert np.flatnonzero(~known)[[0, -1]].tolist() == [5 * 12, STEPS_PER_DAY + 5 * 12 - 1]


def test_a_patient_with_readings_only_rests_throughout() -> None:
    readings = {"glucose_mg_dl": np.full(2 * STEPS_PER_DAY, 150.0)}
    trace = trace_of(readings)
    assert background_of(trace) == Background(0.0, 0.0)
    inputs = physiology_inputs(trace)
    assert not inputs.known.any()
    assert (inputs.insulin_mu_kg_min == inputs.resting_mu_kg_min).all()
    assert not inputs.carbs_mg_kg_min.any() and not inputs.uneaten_mg_kg.any()


def test_basal_unknown_within_a_known_day_rests() -> None:
    table = columns(1)
    table["basal_u_per_h"][100:110] = np.nan
    inputs = physiology_inputs(trace_of(table))
    assert inputs.known.all()
    assert inputs.insulin_mu_kg_min[500:550] == pytest.approx(inputs.resting_mu_kg_min)


def test_a_given_background_keeps_later_days_from_moving_the_resting_point() -> None:
    table = columns(4)
    table["basal_u_per_h"][STEPS_PER_DAY:] = 3.0
    trace = trace_of(table)
    first_day = background_of(trace.rows(0, STEPS_PER_DAY))
    early = physiology_inputs(trace.rows(0, STEPS_PER_DAY), first_day)
    whole = physiology_inputs(trace, first_day)
    assert whole.resting_mu_kg_min == early.resting_mu_kg_min
    assert np.array_equal(whole.insulin_mu_kg_min[:1440], early.insulin_mu_kg_min)
    assert physiology_inputs(trace).resting_mu_kg_min == pytest.approx(3.0 / 60.0 * TO_RATE)


def test_at_rest_nothing_is_known_or_taken() -> None:
    inputs = physiology_inputs(eventful(2, seed=3)).at_rest()
    assert (inputs.insulin_mu_kg_min == inputs.resting_mu_kg_min).all()
    assert (inputs.background_mu_kg_min == inputs.resting_mu_kg_min).all()
    assert not inputs.carbs_mg_kg_min.any() and not inputs.uneaten_mg_kg.any()
    assert not inputs.known.any() and len(inputs) == 2 * STEPS_PER_DAY


def test_take_takes_minutes_and_rows_alike() -> None:
    inputs = physiology_inputs(eventful(2, seed=3))
    cut = inputs.take(np.arange(100, 200))
    assert len(cut) == 100
    assert np.array_equal(cut.insulin_mu_kg_min, inputs.insulin_mu_kg_min[500:1000])
    assert np.array_equal(cut.background_mu_kg_min, inputs.background_mu_kg_min[500:1000])
    assert np.array_equal(cut.carbs_mg_kg_min, inputs.carbs_mg_kg_min[500:1000])
    assert np.array_equal(cut.uneaten_mg_kg, inputs.uneaten_mg_kg[100:200])
    assert np.array_equal(cut.local_hour, inputs.local_hour[100:200])


@pytest.mark.parametrize(
    ("name", "product"),
    [
        ("Lantus", LongActing.GLARGINE_U100),
        ("insulin glargine 100 U/mL", LongActing.GLARGINE_U100),
        ("Abasaglar KwikPen", LongActing.GLARGINE_U100),
        ("Lantus 300 units cartridge", LongActing.GLARGINE_U100),
        ("TOUJEO SoloStar", LongActing.GLARGINE_U300),
        ("insulin glargine U-300", LongActing.GLARGINE_U300),
        ("Insulin glargine 300 units/mL", LongActing.GLARGINE_U300),
        ("tresiba", LongActing.DEGLUDEC),
        ("Insulin  Degludec", LongActing.DEGLUDEC),
        ("Levemir FlexPen", LongActing.DETEMIR),
        ("Humulin N", LongActing.NPH),
        ("Insulatard", LongActing.NPH),
        (None, None),
        ("", None),
        ("L", None),
        ("NovoRapid", None),
        ("insulin degludec/insulin aspart", None),
        ("NovoMix 30", None),
        ("Humulin 70/30", None),
        ("insulin glargine and lixisenatide", None),
    ],
)
def test_products_are_known_by_name_and_mixtures_are_not(
    name: str | None, product: LongActing | None
) -> None:
    assert product_of(name) is product


def test_the_depot_has_the_half_life_of_the_trace_s_own_product() -> None:
    """Planted: a product that nobody looks up would release like the default."""
    doses = np.zeros(3 * STEPS_PER_DAY)
    doses[STEPS_PER_DAY] = 20.0
    plain = trace_of(columns(3, basal_u_per_h=np.zeros(len(doses)), long_acting_u=doses))

    def release(name: str | None) -> np.ndarray:
        return physiology_inputs(replace(plain, long_acting_product=name)).background_mu_kg_min

    assert np.array_equal(release(None), release("Lantus"))
    assert np.array_equal(release("unheard of"), release(None))
    left = [release(name)[2 * STEPS_PER_DAY * STEP_MIN] for name in ("Levemir", "Lantus", "Toujeo")]
    assert left == sorted(left) and left[0] < left[1] < left[2]
    explicit = physiology_inputs(plain, long_acting=LongActing.DEGLUDEC).background_mu_kg_min
    assert np.array_equal(release("Tresiba"), explicit)
    assert not np.array_equal(release("Tresiba"), release(None))
