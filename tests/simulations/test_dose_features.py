"""Doses as the baselines see them: sums by hand, nothing of the future, unknown is not zero."""

import numpy as np

from models.trace import FloatArray, Trace
from simulations.dose_features import dose_features

ROWS = 600
ORIGIN = np.array([400], dtype=np.int64)
BOLUS_30, BOLUS_60, BOLUS_240, CARBS_30, CARBS_120 = 0, 1, 3, 4, 6
BASAL, LONG_ACTING = 8, 9


def trace(**columns: FloatArray) -> Trace:
    """A pump user's record in which nothing happens but what `columns` says."""
    quiet = {name: np.zeros(ROWS) for name in ("bolus_u", "carbs_g", "long_acting_u")}
    basal = np.full(ROWS, 0.8)
    return Trace(
        patient="p",
        time_zone="UTC",
        sensor_period_min=5,
        start_utc_s=0,
        columns={"glucose_mg_dl": np.full(ROWS, 110.0), "basal_u_per_h": basal, **quiet, **columns},
    )


def event(row: int, amount: float) -> FloatArray:
    column = np.zeros(ROWS)
    column[row] = amount
    return column


def test_sums_by_hand() -> None:
    features = dose_features(
        trace(
            bolus_u=event(396, 3.0) + event(390, 1.5),
            carbs_g=event(380, 45.0),
            long_acting_u=event(150, 20.0),
        ),
        ORIGIN,
    )[0]
    assert features.tolist() == [3.0, 4.5, 4.5, 4.5, 0.0, 0.0, 45.0, 45.0, 0.8, 20.0]


def test_a_span_holds_its_number_of_rows_and_not_one_more() -> None:
    assert dose_features(trace(bolus_u=event(394, 2.0)), ORIGIN)[0, BOLUS_30] == 2.0
    assert dose_features(trace(bolus_u=event(393, 2.0)), ORIGIN)[0, BOLUS_30] == 0.0


def test_the_last_dose_is_known_and_the_one_about_to_come_is_not() -> None:
    """Planted: doses of the origin's own row, which may be given five minutes after it."""
    assert dose_features(trace(carbs_g=event(399, 30.0)), ORIGIN)[0, CARBS_30] == 30.0
    future = np.where(np.arange(ROWS) >= 400, 99.0, 0.0)
    doses = dict.fromkeys(("bolus_u", "carbs_g", "long_acting_u"), future)
    planted = dose_features(trace(**doses, basal_u_per_h=0.8 + future), ORIGIN)
    assert np.array_equal(planted, dose_features(trace(), ORIGIN))


def test_unknown_is_not_zero() -> None:
    one_row_unknown = event(370, np.nan)
    features = dose_features(trace(bolus_u=one_row_unknown), ORIGIN)[0]
    assert features[BOLUS_60] == 0.0
    assert np.isnan(features[BOLUS_240])


def test_a_span_that_reaches_before_the_record_is_unknown() -> None:
    early = dose_features(trace(), np.array([10], dtype=np.int64))[0]
    assert early[BOLUS_30] == 0.0
    assert np.isnan(early[CARBS_120]) and np.isnan(early[LONG_ACTING])


def test_a_record_without_doses_is_unknown_throughout() -> None:
    cgm_only = Trace("p", "UTC", 5, 0, {"glucose_mg_dl": np.full(ROWS, 110.0)})
    assert np.isnan(dose_features(cgm_only, ORIGIN)).all()
    assert dose_features(cgm_only, ORIGIN).shape == (1, 10)


def test_basal_is_the_last_rate() -> None:
    basal = np.arange(ROWS, dtype=np.float64)
    origins = np.array([0, 400], dtype=np.int64)
    features = dose_features(trace(basal_u_per_h=basal), origins)
    assert np.isnan(features[0, BASAL]) and features[1, BASAL] == 399.0
