"""Days replayed by a twin that was calibrated on other days of the same record.

The record is cut at a local midnight: the last quarter of its days, at most 14, is held out and
judged; what lies before calibrates. The days before are cut once more, into halves that replay each
other, so that a twin's weaknesses can be learned without a look at the days it is judged by.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from models.bending import bent
from models.calibration import SETTLE_ROWS, Calibration, CalibrationError
from models.delay_fit import calibrate_meals
from models.heads import BOOK_PRIOR, HeadPrior
from models.inputs import known_rows
from models.meal_delay import inputs_of
from models.openloop import open_loop
from models.sharing import WeightArray
from models.trace import STEP_MIN, STEPS_PER_DAY, BoolArray, FloatArray, IntArray, Trace

HELD_OUT_SHARE, MOST_HELD_OUT_DAYS = 0.25, 14
FEWEST_READINGS_A_DAY = 0.5
SETTLING_DAYS = 2


class QualityError(ValueError):
    """A record from which no judgement can be made."""


@dataclass(frozen=True)
class Replay:
    """Days as they were and as the best head has them, open loop: readings and path, mg/dL (n,).

    `usable` is whether doses and meals are known at a row and were for 4 h; phi and sd are the
    twin's AR(1) residuals on its own days. `added_mg_dl` (n, H) is what a shared body adds
    (models/bending.py), None without one.
    """

    first_row: int
    readings_mg_dl: FloatArray = field(repr=False)
    usable: BoolArray = field(repr=False)
    local_hour: FloatArray = field(repr=False)
    path_mg_dl: FloatArray = field(repr=False)
    phi: float
    sd_mg_dl: float
    added_mg_dl: FloatArray | None = field(default=None, repr=False)


def cut_row(trace: Trace) -> int:
    """The row of the local midnight from which on days are held out.

    They are the last quarter of the days that can be judged, at most 14. Raises QualityError where
    fewer than 2 days can be.
    """
    first, days = _judged_days(trace)
    if len(days) < 2:
        raise QualityError(
            f"{trace.patient} has {len(days)} days that a twin can be judged by; expected at least "
            "2, one to calibrate and one to judge. No card was made. Wait for more days."
        )
    held_out = min(max(round(HELD_OUT_SHARE * len(days)), 1), MOST_HELD_OUT_DAYS)
    return int(first[days[-held_out]])


def trained(trace: Trace, prior: HeadPrior = BOOK_PRIOR) -> Calibration:
    """The calibration of what lies before `cut_row`: a function of those rows alone."""
    return calibrate_meals([trace.rows(0, cut_row(trace))], prior)[0]


def replay_held_out(
    trace: Trace, calibration: Calibration, body: WeightArray | None = None
) -> Replay:
    """The held-out days as the calibrated twin replays them, bent by a body if there is one."""
    cut = cut_row(trace)
    shown = replayed(trace, calibration, cut, len(trace))
    return _with_body(shown, trace, calibration, (body, 0, cut))


def replay_halves(
    trace: Trace, prior: HeadPrior = BOOK_PRIOR, body: WeightArray | None = None
) -> list[Replay]:
    """Each half of the days before `cut_row`, replayed by the twin of the other.

    Empty where there are fewer than 2 days that can be judged, or a half cannot be calibrated.
    """
    early = trace.rows(0, cut_row(trace))
    first, days = _judged_days(early)
    if len(days) < 2:
        return []
    middle, end = int(first[days[len(days) // 2]]), len(early)
    try:
        of_first, of_second = (
            calibrate_meals([early.rows(*half)], prior)[0] for half in ((0, middle), (middle, end))
        )
    except CalibrationError:
        return []
    first_shown = replayed(early, of_second, 0, middle)
    second_shown = replayed(early, of_first, middle, end)
    return [
        _with_body(first_shown, early, of_second, (body, middle, end)),
        _with_body(second_shown, early, of_first, (body, 0, middle)),
    ]


def _with_body(
    shown: Replay,
    trace: Trace,
    calibration: Calibration,
    whose: tuple[WeightArray | None, int, int],
) -> Replay:
    """The same with what a body adds, its latent vector being of the rows that the twin is of."""
    body, first, end = whose
    if body is None:
        return shown
    said = bent(body, trace, calibration.head, np.arange(first, end)).added_mg_dl
    last = shown.first_row + len(shown.readings_mg_dl)
    return replace(shown, added_mg_dl=said[shown.first_row : last])


def replayed(trace: Trace, calibration: Calibration, first: int, end: int) -> Replay:
    """Rows first to end, after two days to settle in where the record has them."""
    head = calibration.head
    inputs = inputs_of(trace, head)
    if not head.identified:
        inputs = replace(inputs.at_rest(), known=np.ones(len(trace), dtype=bool))
    start = max(first - SETTLING_DAYS * STEPS_PER_DAY, 0)
    shown, readings = inputs.take(np.arange(start, end)), trace["glucose_mg_dl"]
    path = open_loop(head.theta[None], shown, _first(readings[start:])).interstitial_mg_dl[0]
    return Replay(
        first_row=first,
        readings_mg_dl=readings[first:end],
        usable=_settled(inputs.known)[first:end],
        local_hour=trace.local_hour[first:end],
        path_mg_dl=path[first - start :].copy(),
        phi=head.residual_phi,
        sd_mg_dl=head.residual_sd_mg_dl,
    )


def pairs_ahead(replay: Replay, rows: int) -> tuple[IntArray, IntArray]:
    """Rows of readings and of those so many rows later, (N,) each, treatment known throughout."""
    known = np.concatenate([[0], np.cumsum(~replay.usable)])
    origin = np.flatnonzero(np.isfinite(replay.readings_mg_dl))
    origin = origin[origin + rows < len(replay.usable)]
    target = origin + rows
    judged = np.isfinite(replay.readings_mg_dl[target]) & (known[target + 1] == known[origin])
    return origin[judged], target[judged]


def judged_days(trace: Trace) -> int:
    """Days with half of their readings and, where the patient has such days, known treatment."""
    return len(_judged_days(trace)[1])


def _judged_days(trace: Trace) -> tuple[IntArray, IntArray]:
    """The first row of each local day, and the places of the days that can be judged."""
    _, first, day = np.unique(trace.local_day, return_index=True, return_inverse=True)
    known = known_rows(trace)
    counted = np.isfinite(trace["glucose_mg_dl"]) & (known | (not known.any()))
    least = FEWEST_READINGS_A_DAY * STEPS_PER_DAY * STEP_MIN / trace.sensor_period_min
    return first, np.flatnonzero(np.bincount(day, weights=counted) >= least)


def _first(readings: FloatArray) -> float:
    return float(readings[np.isfinite(readings)][0])


def _settled(known: BoolArray) -> BoolArray:
    """Known, and for 4 h before, as in calibration; the start of the record counts as settled."""
    unknown = np.concatenate([[0], np.cumsum(~known)])
    since = np.maximum(np.arange(len(known)) - SETTLE_ROWS, 0)
    settled: BoolArray = unknown[1:] == unknown[since]
    return settled
