"""Where the marks of the studio's charts stand: numbers for a template, in any colours.

Drawn here and not by matplotlib, which takes longer than the whole answer may.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from client.trial import Recorded, Trial
from client.trial_words import catalogue
from client.twin_question import local_time
from models.ambulatory import Day, Profile
from models.glycemia import HIGH_MG_DL, LOW_MG_DL, VERY_HIGH_MG_DL, VERY_LOW_MG_DL
from models.trace import STEP_MIN, FloatArray

LOWEST_MG_DL, USUAL_TOP_MG_DL, HIGHEST_MG_DL = 40.0, 300.0, 400.0
LEVELS = (VERY_LOW_MG_DL, LOW_MG_DL, HIGH_MG_DL, VERY_HIGH_MG_DL)


@dataclass(frozen=True)
class Mark:
    """A number on a scale, and where it stands."""

    at: float
    label: str


@dataclass(frozen=True)
class Frame:
    """The inside of a chart in its own units, hours along and mg/dL up."""

    hours: float
    top_mg_dl: float = USUAL_TOP_MG_DL
    width: float = 800.0
    height: float = 300.0
    left: float = 54.0
    right: float = 792.0
    top: float = 10.0
    bottom: float = 270.0

    def x(self, hour: FloatArray) -> FloatArray:
        """Where hours stand."""
        return self.left + (self.right - self.left) * hour / self.hours

    def y(self, glucose_mg_dl: FloatArray) -> FloatArray:
        """Where glucose stands; what is off the scale stands at its edge."""
        inside = np.clip(glucose_mg_dl, LOWEST_MG_DL, self.top_mg_dl)
        share = (inside - LOWEST_MG_DL) / (self.top_mg_dl - LOWEST_MG_DL)
        return self.bottom - (self.bottom - self.top) * share

    @property
    def levels(self) -> tuple[Mark, ...]:
        """The bounds of the ranges."""
        return tuple(Mark(float(self.y(np.array(one))), f"{one:g}") for one in LEVELS)

    @property
    def hour_marks(self) -> tuple[Mark, ...]:
        """Every third hour of one day, every sixth of more."""
        step = 3 if self.hours <= 24 else 6
        return tuple(
            Mark(float(self.x(np.array(float(hour)))), f"{hour % 24:02d}:00")
            for hour in range(0, int(self.hours) + 1, step)
        )

    def line(self, hour: FloatArray, glucose_mg_dl: FloatArray) -> str:
        """A path; it is broken where nothing is known."""
        known = np.isfinite(glucose_mg_dl)
        begins = known & ~np.concatenate([[False], known[:-1]])
        points = zip(self.x(hour)[known], self.y(glucose_mg_dl)[known], begins[known], strict=True)
        return "".join(f"{'M' if new else 'L'}{x:.1f} {y:.1f}" for x, y, new in points)

    def band(self, hour: FloatArray, low_mg_dl: FloatArray, high_mg_dl: FloatArray) -> str:
        """A closed path between two lines, unknown hours left out."""
        known = np.isfinite(low_mg_dl) & np.isfinite(high_mg_dl)
        if not known.any():
            return ""
        there = self.line(hour[known], high_mg_dl[known])
        back = self.line(hour[known][::-1], low_mg_dl[known][::-1])
        return f"{there}L{back[1:]}Z"

    def dots(self, hour: FloatArray, glucose_mg_dl: FloatArray) -> str:
        """A path of points, drawn by the round ends of lines without length."""
        known = np.isfinite(glucose_mg_dl)
        points = zip(self.x(hour)[known], self.y(glucose_mg_dl)[known], strict=True)
        return "".join(f"M{x:.1f} {y:.1f}h0" for x, y in points)


@dataclass(frozen=True)
class Taken:
    """A recorded meal or bolus of the stretch that is drawn."""

    at: float
    kind: str
    clock: str
    amount: str


@dataclass(frozen=True)
class CurveChart:
    """Glucose as recorded and as tried with its 80 % band, as paths; and what was taken."""

    frame: Frame
    band: str
    recorded: str
    tried: str
    sensor: str
    taken: tuple[Taken, ...]
    rows: tuple[tuple[str, ...], ...]
    """Time, recorded, tried, band: the same every three hours, for who does not see it."""


@dataclass(frozen=True)
class ProfileChart:
    """Glucose by time of day over two weeks: two bands and the median."""

    frame: Frame
    outer: str
    inner: str
    median: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Bar:
    """A share of time before and after, per cent, and the ends of its 80 % interval after."""

    label: str
    before: float
    after: float
    low: float
    high: float
    full: float

    def width(self, value: float) -> float:
        """Of a bar 100 wide."""
        return round(100.0 * min(max(value / self.full, 0.0), 1.0), 2)


def curve_chart(trial: Trial, ground: Recorded) -> CurveChart:
    """The chart of the latest stretch of a trial."""
    curves = trial.curves
    lines = (curves.recorded_mg_dl, curves.middle_mg_dl, curves.low_mg_dl, curves.high_mg_dl)
    hour = np.arange(len(lines[0])) * STEP_MIN / 60.0
    frame = Frame(float(trial.scenario.hours), _top([*lines, curves.measured_mg_dl]), height=330.0)
    return CurveChart(
        frame=frame,
        band=frame.band(hour, curves.low_mg_dl, curves.high_mg_dl),
        recorded=frame.line(hour, curves.recorded_mg_dl),
        tried=frame.line(hour, curves.middle_mg_dl),
        sensor=frame.dots(hour, curves.measured_mg_dl),
        taken=tuple(_taken(frame, ground, hour)),
        rows=tuple(
            (
                _clock(float(hour[row])),
                *(f"{line[row]:.0f}" for line in lines[:2]),
                _span(lines, row),
            )
            for row in range(0, len(hour), 180 // STEP_MIN)
        ),
    )


def profile_chart(profile: Profile) -> ProfileChart:
    """The chart of a profile; it ends at midnight as it began."""
    hour = np.append(profile.hour, 24.0)
    lines = np.concatenate([profile.percentiles_mg_dl, profile.percentiles_mg_dl[:, :1]], axis=1)
    frame = Frame(24.0, _top([lines[-1]]))
    return ProfileChart(
        frame=frame,
        outer=frame.band(hour, lines[0], lines[4]),
        inner=frame.band(hour, lines[1], lines[3]),
        median=frame.line(hour, lines[2]),
        rows=tuple(
            (_clock(float(hour[at])), *(_number(line[at]) for line in lines))
            for at in range(0, len(hour), 8)
        ),
    )


def day_frame() -> Frame:
    """A small chart of one day."""
    return Frame(24.0, HIGHEST_MG_DL, 180.0, 70.0, 2.0, 178.0, 2.0, 68.0)


def day_line(frame: Frame, day: Day, sensor_period_min: int) -> str:
    """One day's readings; the line is broken where the sensor missed two."""
    breaks = np.flatnonzero(np.diff(day.hour) * 60.0 > 2.5 * sensor_period_min) + 1
    hours, levels = np.split(day.hour, breaks), np.split(day.glucose_mg_dl, breaks)
    return "".join(frame.line(h, g) for h, g in zip(hours, levels, strict=True))


def bars(trial: Trial) -> tuple[Bar, ...]:
    """Time in range and time below 70 mg/dL, before and after."""
    words = catalogue()["studio"]["answer"]
    return (
        _bar(trial, "time_in_range", words["in_range"]),
        _bar(trial, "time_below_70", words["below_70"], most=10.0),
    )


def _bar(trial: Trial, measure: str, label: str, most: float = 100.0) -> Bar:
    outcome = trial.outcome
    before, after, shift = (
        outcome.before[measure],
        outcome.after[measure],
        outcome.shifts[measure],
    )
    low, high = max(before + shift.low, 0.0), min(before + shift.high, 100.0)
    full = most if most >= max(before, after, high) else 100.0
    return Bar(label, before, after, low, high, full)


def recorded_marks(ground: Recorded) -> dict[str, Any]:
    """What was recorded in the stretch that is drawn, for the bench to take hold of.

    `start` is its first local date; of each event the key of its change, when, and how much.
    """
    latest = ground.grounds[-1]
    found = []
    for key, amounts in (
        ("recorded_meals", latest.doses.carbs_g),
        ("recorded_boluses", latest.doses.bolus_u),
    ):
        for row in np.flatnonzero(amounts > 0.0).tolist():
            day, clock = _day_and_clock(row * STEP_MIN / 60.0)
            amount = round(float(amounts[row]), 2)
            found.append({"kind": key, "at": clock, "day": day, "amount": amount})
    start = local_time(ground.twin.trace, latest.start_row).date()
    return {"start": start.isoformat(), "hours": ground.hours, "events": found}


def _taken(frame: Frame, ground: Recorded, hour: FloatArray) -> list[Taken]:
    doses = ground.grounds[-1].doses
    found = []
    for kind, unit, amounts in (("meal", "g", doses.carbs_g), ("bolus", "U", doses.bolus_u)):
        for row in np.flatnonzero(amounts > 0.0).tolist():
            at = float(frame.x(hour[row]))
            clock = _clock(float(hour[row]))
            found.append(Taken(round(at, 1), kind, clock, f"{amounts[row]:.3g} {unit}"))
    return sorted(found, key=lambda one: one.at)


def _span(lines: Sequence[FloatArray], row: int) -> str:
    said: str = catalogue()["studio"]["chart"]["span"].format(low=lines[2][row], high=lines[3][row])
    return said


def _clock(hour: float) -> str:
    """`07:30`, or `day 2, 07:30`."""
    day, clock = _day_and_clock(hour)
    said: str = catalogue()["studio"]["chart"]["day"].format(day=day, clock=clock)
    return said if day > 1 else clock


def _day_and_clock(hour: float) -> tuple[int, str]:
    """1 and `07:30`."""
    day, minutes = divmod(round(60.0 * hour), 24 * 60)
    return day + 1, f"{minutes // 60:02d}:{minutes % 60:02d}"


def _number(value: float) -> str:
    return f"{value:.0f}" if np.isfinite(value) else "-"


def _top(lines: Sequence[FloatArray]) -> float:
    """The usual top, or the next fifty above all that is drawn."""
    most = max((float(np.nanmax(one)) for one in lines if np.isfinite(one).any()), default=0.0)
    return float(np.clip(50.0 * np.ceil(most / 50.0), USUAL_TOP_MG_DL, HIGHEST_MG_DL))
