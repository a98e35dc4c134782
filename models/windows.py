"""Forecast windows of one patient: what is known at each origin, and physiology's path ahead."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np

from models.correction import FEATURES, LAGS
from models.heads import Head
from models.meal_delay import inputs_of
from models.openloop import open_loop
from models.rollout import rollout
from models.trace import STEP_MIN, BoolArray, FloatArray, IntArray, Trace

HORIZONS_MIN = (30, 60, 120)
GLUCOSE_SCALE_MG_DL = 30.0
LEVEL_CENTRE_MG_DL = 150.0
LEVEL_SCALE_MG_DL = 60.0
LARGEST_CHANGE = 6.0
STEPS_SCALE = 5.0
STEPS_REPORTED_LATE_MIN = 15


@dataclass(frozen=True)
class Windows:
    """W forecast origins of one patient at H horizons; target is NaN where nothing was measured.

    features (W, F): inputs of the correction, free of insulin and carbs. start (W, H): the twin's
    forecast without correction, mg/dL. response (W, H, 3): mg/dL per 1 mg/dL/min of disturbance in
    each interval. sensitivity_slope (W, H): mg/dL per unit of ln insulin sensitivity.
    """

    patient: str
    horizons_min: tuple[int, ...]
    origin: IntArray = field(repr=False)
    glucose_now: FloatArray = field(repr=False)
    features: FloatArray = field(repr=False)
    start: FloatArray = field(repr=False)
    response: FloatArray = field(repr=False)
    sensitivity_slope: FloatArray = field(repr=False)
    target: FloatArray = field(repr=False)

    def __len__(self) -> int:
        return len(self.origin)

    def where(self, chosen: IntArray) -> "Windows":
        """The windows at these places."""
        arrays = {
            item.name: getattr(self, item.name)[chosen]
            for item in fields(self)
            if item.name not in ("patient", "horizons_min")
        }
        return replace(self, **arrays)

    def thinned(self, at_most: int) -> "Windows":
        """At most this many windows, evenly spaced in time."""
        if len(self) <= at_most:
            return self
        return self.where(np.linspace(0, len(self) - 1, at_most).astype(np.int64))


def windows_of(
    trace: Trace,
    head: Head,
    horizons_min: Sequence[int] = HORIZONS_MIN,
    *,
    judged_only: bool = True,
) -> Windows:
    """All windows of a trace whose origin is a real reading with two hours of history before it.

    Where `judged_only`, a reading must stand at one horizon too; which windows there are then
    depends on what came after.

    A gap in the history of up to 25 minutes (35 for 15-minute sensors) is bridged by the last
    reading. No row after the origin enters anything but the target.
    """
    glucose = trace["glucose_mg_dl"]
    held = hold_last(glucose, longest_rows=5 if trace.sensor_period_min <= STEP_MIN else 7)
    target = _targets(glucose, horizons_min)
    origin = _origins(glucose, held, target, judged_only)
    inputs = inputs_of(trace, head, causal=True)
    if not head.identified:
        inputs = inputs.at_rest()
    path = rollout(head, inputs, origin, tuple(horizons_min))
    now = open_loop(head.theta, inputs, head.values["Gb"]).interstitial_mg_dl[0, origin]
    residual = glucose[origin] - now
    persistence = head.residual_phi ** (np.asarray(horizons_min) / STEP_MIN)
    history = held[origin[:, None] - np.arange(LAGS, 0, -1)]
    return Windows(
        patient=trace.patient,
        horizons_min=tuple(horizons_min),
        origin=origin,
        glucose_now=glucose[origin],
        features=_features(trace, origin, history, residual, inputs.known),
        start=path.base + persistence * residual[:, None],
        response=path.response,
        sensitivity_slope=path.d_sensitivity,
        target=target[origin],
    )


def hold_last(values: FloatArray, longest_rows: int) -> FloatArray:
    """Each NaN replaced by the last value before it, if at most `longest_rows` old, (n,)."""
    rows = np.arange(len(values))
    last = np.maximum.accumulate(np.where(np.isfinite(values), rows, -1))
    fresh = (last >= 0) & (rows - last <= longest_rows)
    return np.where(fresh, values[last], np.nan)


def _targets(glucose: FloatArray, horizons_min: Sequence[int]) -> FloatArray:
    """Reading at each horizon after each row, NaN beyond the end, (n, H)."""
    target = np.full((len(glucose), len(horizons_min)), np.nan)
    for place, horizon_min in enumerate(horizons_min):
        ahead = horizon_min // STEP_MIN
        target[: len(glucose) - ahead, place] = glucose[ahead:]
    return target


def _origins(
    glucose: FloatArray, held: FloatArray, target: FloatArray, judged_only: bool
) -> IntArray:
    measured = np.isfinite(glucose) & (np.isfinite(target).any(axis=1) | (not judged_only))
    unknown = np.concatenate([[0], np.cumsum(~np.isfinite(held))])
    rows = np.arange(LAGS, len(glucose))
    history_known = unknown[rows + 1] == unknown[rows - LAGS]
    origins: IntArray = rows[measured[rows] & history_known]
    return origins


def _features(
    trace: Trace, origin: IntArray, history: FloatArray, residual: FloatArray, known: BoolArray
) -> FloatArray:
    now = trace["glucose_mg_dl"][origin]
    angle = 2 * np.pi * trace.local_hour[origin] / 24
    change = (history - now[:, None]) / GLUCOSE_SCALE_MG_DL
    columns = np.column_stack(
        [
            np.clip(change, -LARGEST_CHANGE, LARGEST_CHANGE),
            (now - LEVEL_CENTRE_MG_DL) / LEVEL_SCALE_MG_DL,
            np.clip(residual / LEVEL_SCALE_MG_DL, -LARGEST_CHANGE, LARGEST_CHANGE),
            np.sin(angle),
            np.cos(angle),
            np.full(len(origin), float(trace.sensor_period_min > STEP_MIN)),
            known[origin],
            _steps_last_hour(trace)[origin],
        ]
    )
    if columns.shape[1] != len(FEATURES):
        raise ValueError(f"{columns.shape[1]} features made, but {len(FEATURES)} are named.")
    return columns


def _steps_last_hour(trace: Trace) -> FloatArray:
    """ln(1 + steps in the hour up to a quarter ago) / 5; 0 where steps are unknown, (n,).

    Watches report sums of up to 15 minutes: a later row may hold steps not yet reported.
    """
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(trace["steps"]))])
    reported = np.maximum(np.arange(len(trace)) + 1 - STEPS_REPORTED_LATE_MIN // STEP_MIN, 0)
    steps = total[reported] - total[np.maximum(reported - 60 // STEP_MIN, 0)]
    return np.asarray(np.log1p(steps) / STEPS_SCALE, dtype=np.float64)
