"""From what files say to a trace and its page of the report."""

from collections.abc import Mapping

import numpy as np
import pytest

from client.ingest.recording import Events, Recording, Spells, trace_of
from client.ingest.table import QuarantinedRow
from client.site_report import PatientReport
from models.trace import FloatArray, GlucoseFlag, IntArray, Trace

MIDNIGHT = 19_700 * 86_400
DAY_ROWS = 288


def moments(n: int, every_s: int = 300) -> IntArray:
    return MIDNIGHT + every_s * np.arange(n, dtype=np.int64)


def readings(n: int) -> FloatArray:
    rng = np.random.default_rng(7)
    return np.round(140 + 30 * np.sin(np.arange(n) / 20) + rng.normal(0, 2, n))


def recording(n: int = DAY_ROWS, every_s: int = 300, **more: object) -> Recording:
    fields: dict[str, object] = {
        "patient": "p",
        "time_zone": "Europe/Madrid",
        "utc_s": moments(n, every_s),
        "mg_dl": readings(n),
        "at_limit": np.zeros(n, dtype=bool),
        "low_limit_mg_dl": 40.0,
        **more,
    }
    return Recording(**fields)  # type: ignore[arg-type]


def made(record: Recording) -> tuple[Trace, PatientReport]:
    trace, report = trace_of(record)
    assert trace is not None, report.unusable
    return trace, report


def events(rows: Mapping[int, float], column: str) -> Events:
    seconds = [MIDNIGHT + 300 * row for row in rows]
    return Events(np.array(seconds, dtype=np.int64), {column: np.array([*rows.values()])})


def test_readings_become_a_trace() -> None:
    trace, report = made(recording())
    assert np.array_equal(trace["glucose_mg_dl"], readings(DAY_ROWS))
    assert (trace["glucose_flag"] == GlucoseFlag.MEASURED).all()
    assert (report.days, report.readings, report.coverage_pct) == (1.0, DAY_ROWS, 100.0)
    assert (report.gaps, report.longest_gap_h, report.unusable) == (0, round(5 / 60, 2), "")


def test_a_fifteen_minute_sensor_leaves_two_rows_of_three_unknown() -> None:
    trace, report = made(recording(96, 900))
    assert trace.sensor_period_min == report.sensor_period_min == 15
    assert np.isnan(trace["glucose_mg_dl"][1::3]).all()
    assert np.isnan(trace["glucose_mg_dl"][2::3]).all()
    assert report.readings == 96
    assert report.coverage_pct == 100.0


@pytest.mark.parametrize(
    ("n", "every_s", "period"), [(96, 300, 5), (96, 600, 5), (96, 840, 15), (96, 900, 15)]
)
def test_the_sensor_has_one_of_two_periods(n: int, every_s: int, period: int) -> None:
    assert made(recording(n, every_s))[0].sensor_period_min == period


def test_gaps_are_counted_and_measured() -> None:
    keep = np.ones(2 * DAY_ROWS, dtype=bool)
    keep[100:106] = False
    keep[200:205] = False
    keep[300:336] = False
    record = recording(2 * DAY_ROWS)
    utc_s, mg_dl = record.utc_s[keep], record.mg_dl[keep]
    _, report = made(recording(int(keep.sum()), utc_s=utc_s, mg_dl=mg_dl))
    assert report.gaps == 2
    assert report.longest_gap_h == round(37 * 5 / 60, 2)
    assert report.coverage_pct == round(100 * keep.mean(), 1)


def test_readings_at_the_sensors_limit_keep_their_value_and_are_flagged() -> None:
    mg_dl = readings(DAY_ROWS)
    mg_dl[10:13] = [400.0, 399.0, 400.0]
    trace, report = made(recording(mg_dl=mg_dl, at_limit=mg_dl >= 400))
    assert trace["glucose_flag"][10:13].tolist() == [2, 1, 2]
    assert trace["glucose_mg_dl"][10] == 400.0
    assert report.clipped_readings == 2


def test_drawn_rows_lose_their_value_and_are_flagged() -> None:
    knots = readings(400)
    rows = np.arange(1198)
    mg_dl = np.interp(rows, 3 * np.arange(400), knots)
    trace, report = made(recording(1198, mg_dl=mg_dl))
    drawn = trace["glucose_flag"] == GlucoseFlag.INTERPOLATED
    assert report.interpolated_rows == drawn.sum() >= 2 * 1198 / 3 - 2
    assert np.isnan(trace["glucose_mg_dl"][drawn]).all()
    assert trace.sensor_period_min == 15
    assert report.coverage_pct > 90


def test_too_few_real_readings_are_no_recording() -> None:
    mg_dl = np.interp(np.arange(3600), np.arange(0, 3601, 18), readings(201))
    trace, report = trace_of(recording(3600, mg_dl=mg_dl))
    assert trace is None
    assert "readings are real; the others were interpolated" in report.unusable
    assert report.interpolated_rows > 3000


def torn(days: int) -> FloatArray:
    mg_dl = readings(4 * DAY_ROWS)
    mg_dl[: days * DAY_ROWS : 2] += 90.0
    return mg_dl


def test_a_day_of_two_series_is_unknown() -> None:
    trace, report = made(recording(4 * DAY_ROWS, mg_dl=torn(1)))
    assert np.isnan(trace["glucose_mg_dl"][:DAY_ROWS]).all()
    assert (trace["glucose_flag"][:DAY_ROWS] == GlucoseFlag.ABSENT).all()
    assert np.isfinite(trace["glucose_mg_dl"][DAY_ROWS:]).all()
    assert report.interleaved_readings == DAY_ROWS


def test_mostly_two_series_are_no_recording() -> None:
    trace, report = trace_of(recording(4 * DAY_ROWS, mg_dl=torn(3)))
    assert trace is None
    assert report.unusable == "two series interleaved in 75 % of the readings"


def test_a_few_readings_are_no_recording() -> None:
    for n in (0, 1, 47):
        trace, report = trace_of(recording(n))
        assert trace is None
        assert report.unusable == f"{n} readings; at least 48 are needed"
    made(recording(48))


def test_duplicates_of_readings_and_events_are_counted_together() -> None:
    record = recording(repeated_events=3)
    utc_s, mg_dl = (
        np.append(record.utc_s, record.utc_s[:5]),
        np.append(record.mg_dl, record.mg_dl[:5]),
    )
    mg_dl[-1] += 1.0
    _, report = made(recording(DAY_ROWS + 5, repeated_events=3, utc_s=utc_s, mg_dl=mg_dl))
    assert report.duplicates_removed == 4 + 3
    assert report.conflicting_duplicates == 1


def test_what_was_put_aside_is_counted() -> None:
    rows = (QuarantinedRow("f", 2, "c", "v", "why"),) * 3
    _, report = made(recording(quarantine=rows, outliers=2))
    assert (report.quarantined_rows, report.outliers) == (3, 2)


def test_doses_and_meals_are_known_on_local_days_with_a_record() -> None:
    """UTC midnight is 01:00 in Madrid in winter: row 276 begins the next local day."""
    meals = events({12: 45.0}, "carbs_g")
    trace, report = made(recording(2 * DAY_ROWS, events=(meals,)))
    assert np.nansum(trace["carbs_g"]) == 45.0
    assert np.isfinite(trace["carbs_g"]).sum() == 276
    assert report.days_with_cgm_but_no_meals == 2


def test_without_any_meal_every_day_is_without() -> None:
    assert made(recording())[1].days_with_cgm_but_no_meals == 2


def test_a_pump_has_the_rates_on_file() -> None:
    pumped = events({0: 0.8, 144: 0.4}, "basal_u_per_h")
    trace, _ = made(recording(pumped=pumped))
    assert trace["basal_u_per_h"].tolist() == [0.8] * 144 + [0.4] * 144
    assert "long_acting_u" not in trace.columns


def test_conflicting_rates_are_counted() -> None:
    both = np.array([MIDNIGHT, MIDNIGHT])
    pumped = Events(both, {"basal_u_per_h": np.array([1.7, 1.4])})
    trace, report = made(recording(pumped=pumped))
    assert report.conflicting_basal_records == 1
    assert trace["basal_u_per_h"][0] == 1.4


def test_injections_are_doses_and_never_a_rate() -> None:
    slow = events({12: 20.0}, "long_acting_u")
    fast = events({300: 4.0}, "bolus_u")
    trace, _ = made(recording(3 * DAY_ROWS, events=(slow, fast)))
    assert np.nansum(trace["long_acting_u"]) == 20.0
    written = np.isfinite(trace["long_acting_u"]) | np.isfinite(trace["bolus_u"])
    assert (trace["basal_u_per_h"][written] == 0.0).all()
    assert np.isnan(trace["basal_u_per_h"][~written]).all()
    assert written.sum() == 276 + 288


def test_boluses_alone_say_nothing_of_basal() -> None:
    trace, _ = made(recording(events=(events({12: 4.0}, "bolus_u"),)))
    assert "basal_u_per_h" not in trace.columns


def test_steps_and_sleep_lie_on_the_grid() -> None:
    start, length = moments(1), np.array([900])
    trace, _ = made(
        recording(
            walked=Spells(start, length, np.array([90.0])),
            slept=Spells(start + 1800, length, length.astype(np.float64)),
        )
    )
    assert trace["steps"][:3].tolist() == [30.0, 30.0, 30.0]
    assert np.isnan(trace["steps"][3:]).all()
    assert trace["asleep"][:12].tolist() == [0.0] * 6 + [1.0] * 3 + [0.0] * 3


def test_clock_changes_in_the_record_are_counted() -> None:
    spring = 19_813 * 86_400  # 31 March 2024
    _, report = made(recording(utc_s=moments(DAY_ROWS) - MIDNIGHT + spring))
    assert report.dst_hours == 1
    assert made(recording())[1].dst_hours == 0
