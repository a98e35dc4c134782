"""One patient's record on the 5-minute UTC grid: what every layer above hands to the twin."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import IntEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

STEP_MIN = 5
STEP_S = 60 * STEP_MIN
STEPS_PER_DAY = 24 * 60 // STEP_MIN
_QUARTER_S = 900
"""Zones change their offset on quarters of an hour."""

COLUMNS = (
    "glucose_mg_dl",
    "glucose_flag",
    "basal_u_per_h",
    "bolus_u",
    "long_acting_u",
    "carbs_g",
    "fat_g",
    "protein_g",
    "fibre_g",
    "steps",
    "heart_rate_bpm",
    "asleep",
)


class TraceError(ValueError):
    """A record that cannot be a trace: says what was found, expected, and what to do."""


class GlucoseFlag(IntEnum):
    """Why a row of `glucose_mg_dl` has, or has not, a value."""

    ABSENT = 0
    MEASURED = 1
    AT_SENSOR_LIMIT = 2
    INTERPOLATED = 3


@dataclass(frozen=True)
class Trace:
    """One patient: columns of equal length (n,), row i at `start_utc_s + 300 i` seconds.

    NaN is unknown and 0 is a measured zero. `glucose_mg_dl` holds real readings only; a 15-minute
    sensor leaves two of three rows NaN. A column of `COLUMNS` that is missing is unknown.
    `long_acting_product` is the name of the insulin behind `long_acting_u` as the clinic's files
    give it, None where they do not; models/inputs.py knows which half-life it has.
    """

    patient: str
    time_zone: str
    sensor_period_min: int
    start_utc_s: int
    columns: Mapping[str, FloatArray] = field(repr=False)
    weight_kg: float | None = None
    long_acting_product: str | None = None

    def __post_init__(self) -> None:
        if self.start_utc_s % STEP_S:
            raise TraceError(
                f"trace of {self.patient} starts at {self.start_utc_s} s, which is off the "
                f"{STEP_MIN}-minute grid. No trace was made. Round the start to {STEP_S} s."
            )
        unknown = sorted(set(self.columns) - set(COLUMNS))
        if unknown or "glucose_mg_dl" not in self.columns:
            raise TraceError(
                f"trace of {self.patient} has columns {sorted(self.columns)}; expected "
                f"glucose_mg_dl and any of {COLUMNS}. No trace was made. Rename or drop {unknown}."
            )
        lengths = {name: column.shape for name, column in self.columns.items()}
        if len(set(lengths.values())) > 1:
            raise TraceError(
                f"trace of {self.patient} has columns of unequal shape {lengths}; expected (n,). "
                "No trace was made. Put all columns on the same grid."
            )

    def __len__(self) -> int:
        return len(self.columns["glucose_mg_dl"])

    def __getitem__(self, name: str) -> FloatArray:
        """Column (n,) in the unit its name says; NaN throughout when this patient has none."""
        if name not in COLUMNS:
            raise TraceError(f"no column {name!r} in a trace; expected one of {COLUMNS}.")
        column = self.columns.get(name)
        return np.full(len(self), np.nan) if column is None else column

    @property
    def utc_s(self) -> IntArray:
        """Seconds since 1970-01-01 UTC of each row, (n,)."""
        return self.start_utc_s + STEP_S * np.arange(len(self), dtype=np.int64)

    @property
    def days(self) -> float:
        """Length in days."""
        return len(self) / STEPS_PER_DAY

    @property
    def local_s(self) -> IntArray:
        """Wall-clock seconds (UTC seconds plus the zone's offset at that moment), (n,)."""
        if not len(self):
            return self.utc_s
        quarter = self.utc_s // _QUARTER_S
        first, last = int(quarter[0]), int(quarter[-1])
        offsets = np.array(_offsets_s(self.time_zone, first, last), dtype=np.int64)
        return self.utc_s + offsets[quarter - first]

    @property
    def local_hour(self) -> FloatArray:
        """Hour of the local day, 0 <= h < 24, (n,)."""
        return (self.local_s % 86_400) / 3600.0

    @property
    def local_day(self) -> IntArray:
        """Local calendar day as days since 1970-01-01, (n,)."""
        return self.local_s // 86_400

    def rows(self, start: int, stop: int) -> "Trace":
        """The trace of rows start <= i < stop."""
        start, stop, _ = slice(start, stop).indices(len(self))
        columns = {name: column[start:stop] for name, column in self.columns.items()}
        return replace(self, start_utc_s=self.start_utc_s + STEP_S * start, columns=columns)


@lru_cache(maxsize=32)
def _offsets_s(time_zone: str, first: int, last: int) -> tuple[int, ...]:
    """The zone's offset, s, at the start of each quarter of an hour from `first` to `last`."""
    zone = ZoneInfo(time_zone)
    moments = (datetime.fromtimestamp(_QUARTER_S * one, UTC) for one in range(first, last + 1))
    return tuple(int(_offset_s(one, zone)) for one in moments)


def _offset_s(moment: datetime, zone: ZoneInfo) -> float:
    offset = moment.astimezone(zone).utcoffset()
    return 0.0 if offset is None else offset.total_seconds()
