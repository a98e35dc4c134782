"""CGM-only data sets as Glucose-ML harmonises them: a metadata file and one CSV a person.

A sensor's words `Low` and `High` say "below" and "above what I can measure": the reading is set to
that limit and flagged. `colas` gives a time of day and no date: a day begins where the clock
passes midnight, and the first is 1 January 2018, a date without meaning, far from any clock change.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from client.ingest.local_time import DAY_S
from client.ingest.moments import utc_moments
from client.ingest.recording import PLAUSIBLE_MG_DL, Recording
from client.ingest.table import Table, read_table
from models.trace import IntArray

FILES = "*-extracted-glucose-files/*.csv"
METADATA = "*-metadata.csv"
TIME, VALUE = "timestamp", "glucose_value_mg_dl"
CLOCK = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M")
TIME_OF_DAY = ("%H:%M:%S",)
FIRST_DAY_S = 17_532 * DAY_S
"""1 January 2018, where a record without dates begins."""

LOW_MG_DL = 40.0
"""Dexcom, Libre and Medtronic sensors all give 40 mg/dL as their lowest number (Dexcom: 39)."""

HIGH_MG_DL: Mapping[str, float] = {"libre": 500.0}
"""Highest number by a word of the sensor's name; 400 mg/dL for all others."""

MIDNIGHT_S = -DAY_S // 2
"""A clock that falls by more than half a day has passed midnight."""


class GlucoseMlLayout:
    """The adapter of the Glucose-ML layout."""

    expected = f"`{FILES}` and `{METADATA}`"

    def patients(self, folder: Path) -> Sequence[str]:
        """Names of those with a file, sorted."""
        return sorted(path.stem for path in folder.glob(FILES))

    def notes(self, folder: Path) -> Sequence[str]:
        """People that only the metadata, or only a file, knows."""
        listed, found = set(_sensors(folder)), set(self.patients(folder))
        absent = [f"{name} is in the metadata but has no file" for name in sorted(listed - found)]
        unknown = [
            f"{name} has a file but is not in the metadata" for name in sorted(found - listed)
        ]
        return absent + (unknown if listed else [])

    def read(self, folder: Path, patient: str, time_zone: str) -> Recording:
        """All that one patient's file says."""
        path = next(path for path in folder.glob(FILES) if path.stem == patient)
        high = _high_mg_dl(_sensors(folder).get(patient, ""))
        table = read_table(path, (TIME, VALUE))
        mg_dl = table.numbers(VALUE, words={"low": LOW_MG_DL, "high": high})
        table.put_aside(np.isnan(mg_dl), VALUE, "no value")
        outliers = table.keep_within(VALUE, mg_dl, PLAUSIBLE_MG_DL)
        utc_s = _utc_s(table, time_zone)
        mg_dl = mg_dl[table.good]
        return Recording(
            patient=patient,
            time_zone=time_zone,
            utc_s=utc_s[table.good],
            mg_dl=mg_dl,
            at_limit=(mg_dl <= LOW_MG_DL) | (mg_dl >= high),
            low_limit_mg_dl=LOW_MG_DL,
            outliers=outliers,
            quarantine=tuple(table.quarantine),
        )


def _sensors(folder: Path) -> dict[str, str]:
    """Each person's sensor by the metadata; empty without a metadata file."""
    paths = sorted(folder.glob(METADATA))
    if not paths:
        return {}
    table = read_table(paths[0], ("person_id",), ("CGM_type",))
    return dict(zip(table.text["person_id"], table.text["CGM_type"], strict=True))


def _high_mg_dl(sensor: str) -> float:
    return next((mg_dl for word, mg_dl in HIGH_MG_DL.items() if word in sensor.lower()), 400.0)


def _utc_s(table: Table, time_zone: str) -> IntArray:
    times = _times_of_day(table) if _dateless(table) else table.wall_s(TIME, CLOCK)
    return utc_moments(table, TIME, times, time_zone, doubtful=False)


def _dateless(table: Table) -> bool:
    """True if more than half of the times are a time of day alone."""
    bare = [len(text) < len("2018-01-01") for text in table.text[TIME]]
    return 2 * sum(bare) > len(bare)


def _times_of_day(table: Table) -> IntArray:
    time_s = table.wall_s(TIME, TIME_OF_DAY)
    rows = np.flatnonzero(table.good)
    of_day = time_s[rows] % DAY_S
    day = np.cumsum(np.diff(of_day, prepend=of_day[:1]) < MIDNIGHT_S)
    time_s[rows] = FIRST_DAY_S + DAY_S * day + of_day
    return time_s
