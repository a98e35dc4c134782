"""Model output statistics: how much of what a twin says comes true, learned on days it never saw.

Glahn & Lowry, The Use of Model Output Statistics (MOS) in Objective Weather Forecasting (1972, J.
Appl. Meteorol. 11:1203). With p the twin's open-loop path, u what is usual for the person at that
hour and y readings, k rows ahead of an origin o

    y_{o+k} - u_{o+k} = a_k (p_{o+k} - u_{o+k}) + b_k (y_o - u_o) - c_k (p_o - u_o) + g_k q_{ok}
                        + e_k,

q being what a shared body adds (models/bending.py), 0 without one. a = 1, b = c = phi^k and g = 0
is the twin as it is with AR(1) residuals, and is where ridge draws the weights: a body, which was
not told doses and meals, is believed as far as the lessons say. A life of unlogged meals earns its
twin a small a: far ahead, the usual course then stands in. The half width of an 80 % interval is
that quantile of |e_k|, nothing being assumed of the twin.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtri

from models.bending import at_leads
from models.replay import Replay, pairs_ahead
from models.scan import GLUCOSE_FLOOR_MG_DL
from models.trace import STEP_MIN, FloatArray, IntArray

KNOTS_MIN = (15, 30, 60, 120, 240, 480, 1440)
"""Leads at which weights are learned; linear in ln k between them, constant beyond."""

WEIGHT_SD = 0.35
"""How far a person's weights are expected from the twin's own.

Chosen with `USUAL_DAYS` and the stretches on 28 drawn children and adolescents of both worlds, with
all meals logged and with a third of them not; 0.2 to 1 differ by less than 0.5 mg/dL there."""

USUAL_DAYS = 2.0
"""Days by which the mean of all readings outweighs an hour's own mean."""

COVERAGE = 0.8
SHORTEST_STRETCH_ROWS, LONGEST_STRETCH_ROWS = 6, 48
"""Errors k rows ahead share what happens in k rows, at most four hours: one stretch, one lesson."""

FEWEST_STRETCHES = 4
REFINEMENTS = 3

_KNOT_ROWS = np.array(KNOTS_MIN) // STEP_MIN


@dataclass(frozen=True)
class OutputStatistics:
    """`usual_mg_dl` (24,) by local hour; weights a, b, c (K, 3), g and half widths (K,) by knot."""

    usual_mg_dl: FloatArray = field(repr=False)
    weights: FloatArray = field(repr=False)
    of_body: FloatArray = field(repr=False)
    half_width_mg_dl: FloatArray = field(repr=False)


def usual_course(readings_mg_dl: FloatArray, local_hour: FloatArray) -> FloatArray:
    """What is usual at each hour of the local day, mg/dL (24,), drawn to the mean of all."""
    read = np.isfinite(readings_mg_dl)
    hour, glucose = local_hour[read].astype(int), readings_mg_dl[read]
    days = np.bincount(hour, minlength=24) * STEP_MIN / 60.0
    total = np.bincount(hour, weights=glucose, minlength=24) * STEP_MIN / 60.0
    course: FloatArray = (total + USUAL_DAYS * glucose.mean()) / (days + USUAL_DAYS)
    return course


def learned(
    lessons: Sequence[Replay], usual_mg_dl: FloatArray, phi: float, sd_mg_dl: float
) -> OutputStatistics:
    """Weights and half widths from replays of days that their twins had not seen.

    Where lessons reach no knot, both are those of the twin and its AR(1) residuals, phi and sd.
    """
    found = [_at_knot(lessons, usual_mg_dl, int(rows), phi, sd_mg_dl) for rows in _KNOT_ROWS]
    weights, half_widths = zip(*found, strict=True)
    all_four = np.stack(weights)
    return OutputStatistics(usual_mg_dl, all_four[:, :3], all_four[:, 3], np.array(half_widths))


def forecast(
    statistics: OutputStatistics, replay: Replay, origin: IntArray, target: IntArray
) -> FloatArray:
    """What is expected at `target` rows from `origin` rows, mg/dL (N,), at least the floor."""
    usual = _usual(statistics.usual_mg_dl, replay)
    by_knot = np.column_stack([statistics.weights, statistics.of_body])
    weights = [_between(target - origin, column) for column in by_knot.T]
    anomalies = _anomalies(replay, usual, origin, target)
    expected = usual[target] + sum(w * x for w, x in zip(weights, anomalies.T, strict=True))
    floored: FloatArray = np.maximum(expected, GLUCOSE_FLOOR_MG_DL)
    return floored


def interval(
    statistics: OutputStatistics, replay: Replay, origin: IntArray, target: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Ends of the 80 % interval of `forecast`, mg/dL (N,) each."""
    expected = forecast(statistics, replay, origin, target)
    half_width = _between(target - origin, statistics.half_width_mg_dl)
    return np.maximum(expected - half_width, GLUCOSE_FLOOR_MG_DL), expected + half_width


def _at_knot(
    lessons: Sequence[Replay], usual_mg_dl: FloatArray, rows: int, phi: float, sd_mg_dl: float
) -> tuple[FloatArray, float]:
    """Weights (4,) by ridge towards the twin's own, and the half width, so many rows ahead."""
    own = np.array([1.0, phi**rows, phi**rows, 0.0])
    x, y, stretches = _lesson(lessons, usual_mg_dl, rows)
    if stretches < FEWEST_STRETCHES:
        doubt = sd_mg_dl * np.sqrt((1.0 - phi ** (2 * rows)) / (1.0 - phi**2))
        return own, float(ndtri(0.5 + COVERAGE / 2) * doubt)
    left, change = y - x @ own, np.zeros(len(own))
    gram, moment = x.T @ x / len(y), x.T @ left / len(y)
    for _ in range(REFINEMENTS):
        variance = float(np.mean((left - x @ change) ** 2)) + 1e-9
        precision = stretches * gram / variance + np.eye(len(own)) / WEIGHT_SD**2
        change = np.linalg.solve(precision, stretches * moment / variance)
    place = min(COVERAGE * (1.0 + 1.0 / stretches), 1.0)
    return own + change, float(np.quantile(np.abs(left - x @ change), place))


def _lesson(
    lessons: Sequence[Replay], usual_mg_dl: FloatArray, rows: int
) -> tuple[FloatArray, FloatArray, int]:
    """What `_anomalies` gives (N, 4), the reading's own (N,), and how many stretches say so."""
    length = int(np.clip(rows, SHORTEST_STRETCH_ROWS, LONGEST_STRETCH_ROWS))
    x, y, stretches = [np.zeros((0, 4))], [np.zeros(0)], 0
    for replay in lessons:
        usual = _usual(usual_mg_dl, replay)
        origin, target = pairs_ahead(replay, rows)
        x.append(_anomalies(replay, usual, origin, target))
        y.append(replay.readings_mg_dl[target] - usual[target])
        stretches += len(np.unique(origin // length))
    return np.concatenate(x), np.concatenate(y), stretches


def _anomalies(replay: Replay, usual: FloatArray, origin: IntArray, target: IntArray) -> FloatArray:
    """Of path and origin, and what the body adds, (N, 4)."""
    path, read = replay.path_mg_dl - usual, replay.readings_mg_dl - usual
    added = np.zeros(len(origin))
    if replay.added_mg_dl is not None:
        added = at_leads(replay.added_mg_dl, origin, target)
    return np.stack([path[target], read[origin], -path[origin], added], axis=1)


def _usual(usual_mg_dl: FloatArray, replay: Replay) -> FloatArray:
    course: FloatArray = usual_mg_dl[replay.local_hour.astype(int)]
    return course


def _between(rows: IntArray, at_knots: FloatArray) -> FloatArray:
    return np.interp(np.log(rows), np.log(_KNOT_ROWS), at_knots)
