"""Clock times of an export as UTC, through the hours that a clock change repeats or skips.

A zone is a list of spans of constant offset. A wall time w belongs to the span k for which
w - offset_k lies inside it: to one, as a rule; to two in an hour that occurs twice; to none in an
hour that the clocks skip.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np

from models.trace import BoolArray, IntArray

DAY_S = 86_400
STEP_BACK_S = 10 * 60
"""A clock that falls by more than this inside a repeated hour has begun the hour's second pass."""

ADJOINS_S = 20 * 60
"""Rows this close belong to one run of a 5- or 15-minute sensor."""


@dataclass(frozen=True)
class UtcTimes:
    """UTC seconds (n,), and where they cannot be given: the hour was skipped, or is one of two."""

    utc_s: IntArray
    skipped: BoolArray
    in_doubt: BoolArray


@dataclass(frozen=True)
class _Spans:
    start_utc_s: IntArray
    stop_utc_s: IntArray
    offset_s: IntArray


def to_utc(wall_s: IntArray, time_zone: str) -> UtcTimes:
    """UTC of wall-clock seconds (n,) in the order of the file.

    An hour that occurs twice: after the clock steps back in the file, rows are the second pass.
    Without such a step the hour was passed once: second if its rows adjoin those after it only,
    else first. If they adjoin both sides, two hours were merged or sorted into one, or the clock
    was never set: the rows are given the first pass and marked `in_doubt`.
    """
    if not len(wall_s):
        nothing = np.zeros(0, dtype=bool)
        return UtcTimes(wall_s, nothing, nothing)
    spans = _spans(int(wall_s.min()) - DAY_S, int(wall_s.max()) + DAY_S, time_zone)
    candidate = wall_s[:, None] - spans.offset_s
    fits = (candidate >= spans.start_utc_s) & (candidate < spans.stop_utc_s)
    count = fits.sum(axis=1)
    first = np.where(fits, candidate, np.iinfo(np.int64).max).min(axis=1)
    last = np.where(fits, candidate, np.iinfo(np.int64).min).max(axis=1)
    second, in_doubt = _passes(wall_s, count > 1)
    return UtcTimes(np.where(second, last, first), count == 0, in_doubt)


def clock_changes(first_utc_s: int, last_utc_s: int, time_zone: str) -> int:
    """How often the zone's offset from UTC changes between two moments."""
    return len(_spans(first_utc_s, last_utc_s, time_zone).offset_s) - 1


def _passes(wall_s: IntArray, twice: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Rows of second passes, and rows whose pass the file does not tell, (n,) each."""
    second, in_doubt = np.zeros_like(twice), np.zeros_like(twice)
    nights = wall_s // DAY_S
    for night in np.unique(nights[twice]):
        rows = np.flatnonzero(twice & (nights == night))
        back = np.flatnonzero(np.diff(wall_s[rows]) < -STEP_BACK_S)
        if len(back):
            second[rows[back[0] + 1 :]] = True
            continue
        before, after = _distances(wall_s, twice, rows)
        in_doubt[rows] = max(before, after) <= ADJOINS_S
        second[rows] = after <= ADJOINS_S < before
    return second, in_doubt


def _distances(wall_s: IntArray, twice: BoolArray, rows: IntArray) -> tuple[int, int]:
    """Seconds from a repeated hour's rows to the nearest others before and after on the clock."""
    others, low, high = wall_s[~twice], wall_s[rows].min(), wall_s[rows].max()
    before = low - others[others < low].max(initial=low - DAY_S)
    after = others[others > high].min(initial=high + DAY_S) - high
    return int(before), int(after)


def _spans(first_utc_s: int, last_utc_s: int, time_zone: str) -> _Spans:
    zone = ZoneInfo(time_zone)
    days = [*range(first_utc_s, last_utc_s, DAY_S), last_utc_s]
    changes = [
        _change(a, b, zone) for a, b in pairwise(days) if _offset_s(a, zone) != _offset_s(b, zone)
    ]
    starts = np.array([first_utc_s, *changes], dtype=np.int64)
    offsets = np.array([_offset_s(int(start), zone) for start in starts], dtype=np.int64)
    return _Spans(starts, np.append(starts[1:], last_utc_s + 1), offsets)


def _change(before: int, after: int, zone: ZoneInfo) -> int:
    """The first second with the later offset, by bisection."""
    while after - before > 1:
        middle = (before + after) // 2
        same = _offset_s(middle, zone) == _offset_s(before, zone)
        before, after = (middle, after) if same else (before, middle)
    return after


def _offset_s(utc_s: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(utc_s, UTC).astimezone(zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())
