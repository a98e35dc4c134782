"""From what one patient's files say to a trace and to a page of the site's data report."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from client.ingest.grid import (
    Grid,
    hold_rates,
    snap_readings,
    spread,
    sum_events,
    within_spells,
)
from client.ingest.interleaving import interleaved
from client.ingest.interpolation import Interpolation, find_interpolation
from client.ingest.local_time import clock_changes
from client.ingest.table import QuarantinedRow, Range
from client.site_report import PatientReport
from models.trace import (
    STEP_MIN,
    BoolArray,
    FloatArray,
    GlucoseFlag,
    IntArray,
    Trace,
)

MG_DL_PER_MMOL_L = 18.016
"""Molar mass of glucose, 180.16 g/mol, over 10 dL/L."""

PLAUSIBLE_MG_DL = Range(20.0, 600.0, "mg/dL")
"""Sensors report 39-501 mg/dL and meters 20-600; anything else is no reading."""

FEWEST_READINGS = 48
FEWEST_REAL_SHARE = 0.5
MOST_TORN_SHARE = 0.5
LONGEST_BETWEEN_MIN = 30


@dataclass(frozen=True)
class Events:
    """Moments (m,) with amounts (m,) by the column that they go to, in its unit; NaN if unknown."""

    utc_s: IntArray
    amounts: Mapping[str, FloatArray]


@dataclass(frozen=True)
class Spells:
    """Beginnings (m,), durations (m,), and an amount for each (m,)."""

    utc_s: IntArray
    duration_s: IntArray
    amounts: FloatArray


@dataclass(frozen=True)
class Recording:
    """All that one patient's files say, in UTC and our units, in the order of the files.

    `at_limit` marks readings at the sensor's limits. `pumped` has rates in U/h, each until the
    next; `events` are doses and meals; the spells of `walked` have steps.
    """

    patient: str
    time_zone: str
    utc_s: IntArray
    mg_dl: FloatArray
    at_limit: BoolArray
    low_limit_mg_dl: float
    outliers: int = 0
    repeated_events: int = 0
    pumped: Events | None = None
    events: tuple[Events, ...] = ()
    walked: Spells | None = None
    slept: Spells | None = None
    quarantine: tuple[QuarantinedRow, ...] = field(default=(), repr=False)


def trace_of(recording: Recording) -> tuple[Trace | None, PatientReport]:
    """The trace, or None where the report's `unusable` says why not, and the report."""
    report = PatientReport(
        patient=recording.patient,
        outliers=recording.outliers,
        quarantined_rows=len(recording.quarantine),
        duplicates_removed=recording.repeated_events,
    )
    if len(recording.utc_s) < FEWEST_READINGS:
        found = f"{len(recording.utc_s)} readings; at least {FEWEST_READINGS} are needed"
        return None, replace(report, readings=len(recording.utc_s), unusable=found)
    trace, report = _glucose_trace(recording, report)
    grid = Grid(trace.start_utc_s, len(trace))
    columns, conflicts = _columns(recording, grid, trace.local_day)
    trace = replace(trace, columns={**trace.columns, **columns})
    report = replace(
        report,
        conflicting_basal_records=conflicts,
        days_with_cgm_but_no_meals=_days_without_meals(trace),
    )
    return (None if report.unusable else trace), report


def _glucose_trace(recording: Recording, report: PatientReport) -> tuple[Trace, PatientReport]:
    grid = Grid.over(recording.utc_s)
    torn = interleaved(recording.utc_s, recording.mg_dl)
    snapped = snap_readings(grid, recording.utc_s, recording.mg_dl)
    found = find_interpolation(snapped.values, recording.low_limit_mg_dl)
    torn_rows = _marked(grid, recording.utc_s[torn])
    limit_values = np.unique(recording.mg_dl[recording.at_limit])
    flag = np.select(
        [torn_rows | np.isnan(snapped.values), ~found.real, np.isin(snapped.values, limit_values)],
        [GlucoseFlag.ABSENT, GlucoseFlag.INTERPOLATED, GlucoseFlag.AT_SENSOR_LIMIT],
        default=GlucoseFlag.MEASURED,
    )
    known = (flag == GlucoseFlag.MEASURED) | (flag == GlucoseFlag.AT_SENSOR_LIMIT)
    trace = Trace(
        patient=recording.patient,
        time_zone=recording.time_zone,
        sensor_period_min=_sensor_period_min(snapped.values, found),
        start_utc_s=grid.start_utc_s,
        columns={
            "glucose_mg_dl": np.where(known, snapped.values, np.nan),
            "glucose_flag": flag.astype(np.float64),
        },
    )
    report = replace(
        _covered(report, trace),
        duplicates_removed=report.duplicates_removed + snapped.duplicates,
        conflicting_duplicates=snapped.conflicts,
        interleaved_readings=int(torn.sum()),
        interpolated_rows=int((flag == GlucoseFlag.INTERPOLATED).sum()),
        clipped_readings=int((flag == GlucoseFlag.AT_SENSOR_LIMIT).sum()),
        unusable=_why_unusable(trace, found, float(torn.mean())),
    )
    return trace, report


def _marked(grid: Grid, utc_s: IntArray) -> BoolArray:
    rows = np.zeros(grid.n, dtype=bool)
    rows[grid.nearest_row(utc_s)] = True
    return rows


def _sensor_period_min(values: FloatArray, found: Interpolation) -> int:
    """5 or 15, by the median distance between rows with a reading."""
    rows = np.flatnonzero(np.isfinite(values))
    slow = found.drawn or np.median(np.diff(rows)) * STEP_MIN > 10
    return 15 if slow else 5


def _covered(report: PatientReport, trace: Trace) -> PatientReport:
    """The report with the length of the record, its coverage and its gaps."""
    rows = np.flatnonzero(np.isfinite(trace["glucose_mg_dl"]))
    between_min = STEP_MIN * np.diff(rows)
    expected = len(trace) * STEP_MIN / trace.sensor_period_min
    utc_s = trace.utc_s
    return replace(
        report,
        days=round(trace.days, 2),
        sensor_period_min=trace.sensor_period_min,
        readings=len(rows),
        coverage_pct=round(min(100.0, 100.0 * len(rows) / expected), 1),
        gaps=int((between_min > LONGEST_BETWEEN_MIN).sum()),
        longest_gap_h=round(float(between_min.max(initial=0)) / 60, 2),
        dst_hours=clock_changes(int(utc_s[0]), int(utc_s[-1]), trace.time_zone),
    )


def _why_unusable(trace: Trace, found: Interpolation, torn_share: float) -> str:
    """Why this is not one sensor's recording, or ""."""
    if torn_share > MOST_TORN_SHARE:
        return f"two series interleaved in {100 * torn_share:.0f} % of the readings"
    real = int(found.real.sum())
    expected = len(trace) * STEP_MIN / trace.sensor_period_min
    if found.drawn and real < FEWEST_REAL_SHARE * expected:
        return f"only {real} of {expected:.0f} readings are real; the others were interpolated"
    return ""


def _columns(
    recording: Recording, grid: Grid, local_day: IntArray
) -> tuple[dict[str, FloatArray], int]:
    """Doses, meals, activity and sleep on the grid, and how many basal records conflicted."""
    columns = {
        name: sum_events(grid, events.utc_s, amounts, local_day)
        for events in recording.events
        for name, amounts in events.amounts.items()
    }
    if (walked := recording.walked) is not None:
        columns["steps"] = spread(grid, walked.utc_s, walked.duration_s, walked.amounts)
    if (slept := recording.slept) is not None:
        columns["asleep"] = within_spells(grid, slept.utc_s, slept.duration_s, local_day)
    if (pumped := recording.pumped) is not None:
        rates, conflicts = hold_rates(grid, pumped.utc_s, pumped.amounts["basal_u_per_h"])
        return {**columns, "basal_u_per_h": rates}, conflicts
    if "long_acting_u" in columns:
        columns["basal_u_per_h"] = _no_pump(columns)
    return columns, 0


def _no_pump(columns: Mapping[str, FloatArray]) -> FloatArray:
    """A rate of 0 on days whose injections were written down, NaN (unknown) on others, (n,)."""
    written = [columns[name] for name in ("long_acting_u", "bolus_u") if name in columns]
    return np.where(np.isfinite(written).any(axis=0), 0.0, np.nan)


def _days_without_meals(trace: Trace) -> int:
    """Local days with readings on which no meal was logged."""
    read = np.unique(trace.local_day[np.isfinite(trace["glucose_mg_dl"])])
    fed = np.unique(trace.local_day[np.isfinite(trace["carbs_g"])])
    return len(np.setdiff1d(read, fed))
