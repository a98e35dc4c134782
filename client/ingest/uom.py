"""The T1D-UOM layout: folders of glucose, insulin, nutrition, activity and sleep, a file a person.

The clock is DD/MM/YYYY hh:mm, whatever the data set's README says: the epoch column of the activity
files proves it, and is used where it is there. Glucose is in mmol/L. Basal mixes pump rates (kind
R, U/h) and long-acting doses (kind L, U). A bolus row without a dose is the shadow of a long-acting
dose, most of them to the minute, and is put aside. Sleep is taken from the nights of `sleeptime`,
whose start is in UTC. The five-minute `UoMsleep` files are left alone: their clock is hours off the
activity file's, and their `sleep_level` is 1 in the afternoon.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from client.ingest.local_time import DAY_S
from client.ingest.moments import utc_moments
from client.ingest.recording import MG_DL_PER_MMOL_L, PLAUSIBLE_MG_DL, Events, Recording, Spells
from client.ingest.table import QuarantinedRow, Range, Table, read_table
from models.trace import BoolArray, FloatArray, IntArray

CLOCK = ("%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S")
LIMITS_MMOL_L = (2.2, 2.8, 22.2, 27.8)
"""Ends of the ranges of Dexcom (2.2-22.2) and of Libre 1 and 2 (2.2 or 2.8 to 27.8)."""

HEAP = 0.25

PLAUSIBLE_MMOL_L = Range(
    PLAUSIBLE_MG_DL.low / MG_DL_PER_MMOL_L, PLAUSIBLE_MG_DL.high / MG_DL_PER_MMOL_L, "mmol/L"
)
RATE_U_PER_H = Range(0.0, 35.0, "U/h")
BOLUS_U = Range(0.0, 60.0, "U, the most a pen of rapid insulin gives; is it a long-acting dose?")
LONG_ACTING_U = Range(0.0, 200.0, "U")
MEAL_G = Range(0.0, 1000.0, "g")
STEPS = Range(0.0, 1e5, "steps")
SPELL_S = Range(0.0, 2.0 * DAY_S, "s")

GLUCOSE = "Glucose Data/UoMGlucose{}.csv"
BASAL = "Insulin Data/Basal Data/UoMBasal{}.csv"
BOLUS = "Insulin Data/Bolus Data/UoMBolus{}.csv"
NUTRITION = "Nutrition Data/UoMNutrition{}.csv"
ACTIVITY = "Activity Data/UoMActivity{}.csv"
NIGHTS = "Sleep Data/UoM{}sleeptime.csv"
MACROS = {"carbs_g": "carbs_g", "prot_g": "protein_g", "fat_g": "fat_g", "fibre_g": "fibre_g"}


class UomLayout:
    """The adapter of the T1D-UOM layout."""

    expected = "`Glucose Data/UoMGlucose*.csv` and its sister folders"

    def patients(self, folder: Path) -> Sequence[str]:
        """Names of those with a glucose file, sorted."""
        names = [path.name for path in folder.glob(GLUCOSE.format("*"))]
        return sorted(name.removeprefix("UoMGlucose").removesuffix(".csv") for name in names)

    def notes(self, folder: Path) -> Sequence[str]:
        """People with other files but no glucose."""
        known = set(self.patients(folder))
        stems = {path.stem for form in (BASAL, BOLUS) for path in folder.glob(form.format("*"))}
        others = {re.sub(r"^UoM(Basal|Bolus)", "", stem) for stem in stems} - known
        return [
            f"{name} has insulin but no glucose file and is left out" for name in sorted(others)
        ]

    def read(self, folder: Path, patient: str, time_zone: str) -> Recording:
        """All that one patient's files say."""
        files = _Files(folder, patient, time_zone)
        utc_s, mmol_l, outliers = _glucose(files)
        bolus, basal, meals = _bolus(files), _basal(files), _nutrition(files)
        events = [each for each in (bolus, basal.get("L"), meals) if each is not None]
        walked, slept = _activity(files), _nights(files)
        return Recording(
            patient=patient,
            time_zone=time_zone,
            utc_s=utc_s,
            mg_dl=MG_DL_PER_MMOL_L * mmol_l,
            at_limit=_at_limit(mmol_l),
            low_limit_mg_dl=MG_DL_PER_MMOL_L * LIMITS_MMOL_L[0],
            outliers=outliers,
            repeated_events=files.repeated,
            pumped=basal.get("R"),
            events=tuple(events),
            walked=walked,
            slept=slept,
            quarantine=tuple(files.quarantine),
        )


@dataclass
class _Files:
    """The files of one person; gathers what is put aside while they are read."""

    folder: Path
    patient: str
    time_zone: str
    quarantine: list[QuarantinedRow] = field(default_factory=list)
    repeated: int = 0

    def table(
        self, form: str, required: Sequence[str], optional: Sequence[str] = ()
    ) -> Table | None:
        """The person's file of a kind, or None where there is none."""
        path = self.folder / form.format(self.patient)
        if not path.is_file():
            return None
        table = read_table(path, required, optional)
        self.quarantine += table.quarantine
        table.quarantine = self.quarantine
        return table

    def utc_s(self, table: Table, column: str, *, doubtful: bool = True) -> IntArray:
        """UTC of a table's clock times, (n,)."""
        wall_s = table.wall_s(column, CLOCK)
        return utc_moments(table, column, wall_s, self.time_zone, doubtful=doubtful)

    def events(self, table: Table, utc_s: IntArray, amounts: Mapping[str, FloatArray]) -> Events:
        """The good rows as events, each once: the same moment and amounts are one event."""
        keys = np.nan_to_num(np.stack([utc_s, *amounts.values()], axis=1)[table.good], nan=-1.0)
        _, first = np.unique(keys, axis=0, return_index=True)
        self.repeated += len(keys) - len(first)
        chosen = np.flatnonzero(table.good)[np.sort(first)]
        return Events(utc_s[chosen], {name: values[chosen] for name, values in amounts.items()})


def _glucose(files: _Files) -> tuple[IntArray, FloatArray, int]:
    """Moments and mmol/L of the good readings, and how many were outliers."""
    path = files.folder / GLUCOSE.format(files.patient)
    table = read_table(path, ("bg_ts", "value"))
    mmol_l = table.numbers("value")
    table.put_aside(np.isnan(mmol_l), "value", "no value")
    outliers = table.keep_within("value", mmol_l, PLAUSIBLE_MMOL_L)
    utc_s = files.utc_s(table, "bg_ts", doubtful=False)
    files.quarantine += table.quarantine
    return utc_s[table.good], mmol_l[table.good], outliers


def _at_limit(mmol_l: FloatArray) -> BoolArray:
    """Readings at a limit of this patient's sensors, (n,).

    2.8 and 22.2 are limits of some sensors only: there, readings heap at the limit, with less than
    a quarter as many one step of 0.1 beyond it.
    """
    tenths, counts = np.unique(np.rint(10 * mmol_l), return_counts=True)
    count = dict(zip(tenths.tolist(), counts.tolist(), strict=True))
    heaped = [
        limit
        for limit in LIMITS_MMOL_L
        if count.get(round(10 * limit) + (1 if limit > 10 else -1), 0)
        < HEAP * count.get(round(10 * limit), 0)
    ]
    return np.isin(mmol_l, heaped)


def _bolus(files: _Files) -> Events | None:
    table = files.table(BOLUS, ("bolus_ts", "bolus_dose"))
    if table is None:
        return None
    dose = table.numbers("bolus_dose")
    table.put_aside(np.isnan(dose), "bolus_dose", "no dose")
    table.keep_within("bolus_dose", dose, BOLUS_U)
    return files.events(table, files.utc_s(table, "bolus_ts"), {"bolus_u": dose})


def _basal(files: _Files) -> dict[str, Events]:
    """Pump rates under R and long-acting doses under L, each if the file has any."""
    table = files.table(BASAL, ("basal_ts", "basal_dose", "insulin_kind"))
    if table is None:
        return {}
    dose, kind = table.numbers("basal_dose"), table.text["insulin_kind"]
    table.put_aside(~np.isin(kind, ("R", "L")), "insulin_kind", "neither R nor L")
    table.put_aside(np.isnan(dose), "basal_dose", "no dose")
    table.keep_within("basal_dose", np.where(kind == "R", dose, 0.0), RATE_U_PER_H)
    table.keep_within("basal_dose", np.where(kind == "L", dose, 0.0), LONG_ACTING_U)
    utc_s = files.utc_s(table, "basal_ts")
    rapid, slow = table.good & (kind == "R"), table.good & (kind == "L")
    found = {}
    if rapid.any():
        found["R"] = Events(utc_s[rapid], {"basal_u_per_h": dose[rapid]})
    if slow.any():
        table.good = slow
        found["L"] = files.events(table, utc_s, {"long_acting_u": dose})
    return found


def _nutrition(files: _Files) -> Events | None:
    table = files.table(NUTRITION, ("meal_ts", "carbs_g"), tuple(MACROS)[1:])
    if table is None:
        return None
    grams = {ours: table.numbers(theirs) for theirs, ours in MACROS.items()}
    for theirs, ours in MACROS.items():
        table.keep_within(theirs, grams[ours], MEAL_G)
    return files.events(table, files.utc_s(table, "meal_ts"), grams)


def _activity(files: _Files) -> Spells | None:
    """Steps, by the epoch column, which knows no time zone, or else by the clock."""
    table = files.table(ACTIVITY, ("activity_ts", "step_count", "duration_s"), ("start_time_s",))
    if table is None:
        return None
    steps, duration_s = table.numbers("step_count"), table.numbers("duration_s")
    epoch_s = table.numbers("start_time_s")
    for name, values in (("step_count", steps), ("duration_s", duration_s)):
        table.put_aside(np.isnan(values), name, "no value")
    table.keep_within("step_count", steps, STEPS)
    table.keep_within("duration_s", duration_s, SPELL_S)
    utc_s = files.utc_s(table, "activity_ts") if np.isnan(epoch_s).any() else _whole(epoch_s)
    return Spells(utc_s[table.good], _whole(duration_s[table.good]), steps[table.good])


def _nights(files: _Files) -> Spells | None:
    """Recorded nights; the file gives their beginning in UTC, as its own epochs prove."""
    table = files.table(NIGHTS, ("start_date_ts", "duration_in_sec"))
    if table is None:
        return None
    duration_s = table.numbers("duration_in_sec")
    table.put_aside(np.isnan(duration_s), "duration_in_sec", "no value")
    table.keep_within("duration_in_sec", duration_s, SPELL_S)
    start = table.wall_s("start_date_ts", CLOCK)
    return Spells(start[table.good], _whole(duration_s[table.good]), duration_s[table.good])


def _whole(values: FloatArray) -> IntArray:
    return np.nan_to_num(values).astype(np.int64)
