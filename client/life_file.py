"""`events.csv` of a site folder: bouts, stress, short nights, fevers and phases of its patients.

    patient,time,kind,minutes,intensity,heart_rate_bpm,temperature_c
    2307,2024-01-09 17:30,aerobic,45,moderate,,

Times are local. A bout needs minutes, and an intensity or a heart rate; an illness minutes and a
temperature; a luteal phase minutes; stress and a short night (its morning) only a time.
"""

import csv
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from models.movement import EXCESS_BPM, RESTING_BPM, Bout, Kind
from models.scenario import Life, ScenarioError
from models.scenario_terms import DAY_AFTER_LASTS_MIN
from models.strain import Illness, Stretch
from models.trace import Trace
from study.failure import ExitCode, Failure

EVENTS = "events.csv"
COLUMNS = ("patient", "time", "kind", "minutes", "intensity", "heart_rate_bpm", "temperature_c")
BOUTS = {kind.name.lower(): kind for kind in Kind}
KINDS = (*BOUTS, "stress", "short_sleep", "illness", "luteal_phase")
CLOCK = "%Y-%m-%d %H:%M"
LONGEST_MIN = {"illness": 30 * 24 * 60, "luteal_phase": 20 * 24 * 60}

Row = Mapping[str, str]


def life_on_file(path: Path, trace: Trace) -> Life:
    """What a site's events file says of one patient, in minutes from the trace's first row.

    No file is an empty life. A Failure names the row that cannot be read; then nothing is used.
    """
    if not path.exists():
        return Life()
    rows = [(number, row) for number, row in _rows(path) if row["patient"].strip() == trace.patient]
    parts: dict[str, list[object]] = {}
    for number, row in rows:
        name, event = _event(f"row {number} of {path.name}", row, trace)
        parts.setdefault(name, []).append(event)
    try:
        return Life(**{name: tuple(events) for name, events in parts.items()})  # type: ignore[arg-type]
    except ScenarioError as error:
        raise _unusable(f"{path.name}: {error}", "bouts and fevers that a person has") from error


def _rows(path: Path) -> list[tuple[int, Row]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            table = csv.DictReader(handle, restval="")
            if missing := [name for name in COLUMNS[:3] if name not in (table.fieldnames or ())]:
                found = f"{path.name} without {', '.join(missing)}"
                raise _unusable(found, f"columns among {', '.join(COLUMNS)}")
            if more := sorted(set(table.fieldnames or ()) - set(COLUMNS)):
                found = f"{path.name} with columns {', '.join(more)}"
                raise _unusable(found, f"columns among {', '.join(COLUMNS)}")
            return [(number, _whole(path, number, row)) for number, row in enumerate(table, 2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unusable(f"{path.name}, which cannot be read: {error}", "a CSV file") from error


def _whole(path: Path, number: int, row: Mapping[str | None, str]) -> Row:
    if None in row:
        raise _unusable(f"row {number} of {path.name} with too many fields", "those of the header")
    return {name: value.strip() for name, value in row.items() if name is not None}


def _event(place: str, row: Row, trace: Trace) -> tuple[str, object]:
    """Which part of a life a row belongs to, and the event."""
    kind, minute = row["kind"], _minute(place, row, trace)
    if kind in BOUTS:
        minutes = round(_number(place, row, "minutes", 1.0, 360.0))
        return "exercise", Bout(minute, minutes, BOUTS[kind], _excess(place, row))
    if kind == "stress":
        return "stress_minutes", minute
    if kind == "short_sleep":
        return "short_sleep", Stretch(minute, DAY_AFTER_LASTS_MIN)
    if kind not in KINDS:
        raise _unusable(f"kind {kind!r} in {place}", f"one of {', '.join(KINDS)}")
    stretch = Stretch(minute, round(_number(place, row, "minutes", 60.0, LONGEST_MIN[kind])))
    if kind == "illness":
        return "illness", Illness(stretch, _number(place, row, "temperature_c", 35.0, 42.0))
    return "luteal", stretch


def _minute(place: str, row: Row, trace: Trace) -> int:
    try:
        clock = datetime.strptime(row["time"], CLOCK)
    except ValueError as error:
        raise _unusable(f"time {row['time']!r} in {place}", "YYYY-MM-DD hh:mm") from error
    moment = clock.replace(tzinfo=ZoneInfo(trace.time_zone)).timestamp()
    return round((moment - trace.start_utc_s) / 60.0)


def _excess(place: str, row: Row) -> float:
    if row.get("heart_rate_bpm"):
        return _number(place, row, "heart_rate_bpm", RESTING_BPM + 1.0, 210.0) - RESTING_BPM
    intensity = row.get("intensity", "")
    if intensity not in EXCESS_BPM:
        expected = f"a heart rate, or one of {', '.join(EXCESS_BPM)}"
        raise _unusable(f"intensity {intensity!r} in {place}", expected)
    return EXCESS_BPM[intensity]


def _number(place: str, row: Row, name: str, low: float, high: float) -> float:
    try:
        value = float(row.get(name, ""))
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        found = f"{name} {row.get(name, '')!r} in {place}"
        raise _unusable(found, f"a number from {low:g} to {high:g}")
    return value


def _unusable(found: str, expected: str) -> Failure:
    return Failure(
        found=found,
        expected=expected,
        consequence="No event was used, and nothing was learned or tried.",
        remedy=f"correct {EVENTS}, or move it away; docs/scenarios.md has its columns",
        code=ExitCode.BAD_DATA,
    )
