"""A virtual clinic on disk, in the folders and columns of the T1D-UOM export of a real clinic.

Written: what the clinic would have on file. Sensor readings in mmol/L to one decimal, basal rates
in U/h (kind R) when they change and at least every hour, boluses, and meals as they were counted
and as far as they were logged. Clock times are DD/MM/YYYY HH:MM. True glucose, true carbohydrate
and the patient's constants are not here; `cohort` keeps them outside this folder.
"""

import csv
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

from client.ingest.recording import MG_DL_PER_MMOL_L
from models.trace import STEP_MIN
from simulations.behaviour import COURSES
from simulations.living import VirtualPatient

BASAL_HEARTBEAT_STEPS = 60 // STEP_MIN
_CLOCK = "%d/%m/%Y %H:%M"
_Rows = Iterable[tuple[str | float, ...]]


def write_clinic(folder: Path, patients: Sequence[VirtualPatient], first_day: date) -> None:
    """The files of `patients` below `folder`, whose stay began at 00:00 of `first_day`."""
    for patient in patients:
        clock = _Clock(first_day, patient.first_minute)
        for kind, (header, rows) in _TABLES.items():
            path = folder / f"{kind}{patient.identifier}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", newline="", encoding="utf-8") as handle:
                writer = csv.writer(handle)
                writer.writerow(header.split(","))
                writer.writerows(rows(patient, clock))


class _Clock:
    """Minutes of a stay as the text of a clock."""

    def __init__(self, first_day: date, first_minute: int) -> None:
        midnight = datetime(first_day.year, first_day.month, first_day.day)
        self._start = midnight + timedelta(minutes=first_minute)

    def at(self, minute: int) -> str:
        return (self._start + timedelta(minutes=minute)).strftime(_CLOCK)


def _glucose(patient: VirtualPatient, clock: _Clock) -> _Rows:
    sensor = patient.life.sensor_mg_dl
    for step in np.flatnonzero(np.isfinite(sensor)).tolist():
        yield clock.at(STEP_MIN * step), f"{sensor[step] / MG_DL_PER_MMOL_L:.1f}"


def _basal(patient: VirtualPatient, clock: _Clock) -> _Rows:
    rate = patient.life.basal_u_per_h
    changes = np.flatnonzero(np.diff(rate, prepend=np.nan) != 0.0)
    steps = np.union1d(changes, np.arange(0, len(rate), BASAL_HEARTBEAT_STEPS))
    for step in steps.tolist():
        yield clock.at(STEP_MIN * step), f"{rate[step]:.4f}", "R"


def _boluses(patient: VirtualPatient, clock: _Clock) -> _Rows:
    bolus = patient.life.bolus_u
    for minute in np.flatnonzero(bolus).tolist():
        yield clock.at(minute), f"{bolus[minute]:.2f}"


def _nutrition(patient: VirtualPatient, clock: _Clock) -> _Rows:
    meals, rescue_g = patient.meals, patient.life.rescue_g
    courses = [COURSES[index].label for index in meals.course.tolist()]
    records = [
        (minute, label, grams)
        for minute, label, grams, logged in zip(
            meals.minute.tolist(), courses, meals.counted_g, meals.logged, strict=True
        )
        if logged
    ]
    rescues = np.flatnonzero(patient.rescue_logged).tolist()
    records += [(minute, "Snack", rescue_g[minute]) for minute in rescues]
    for minute, label, grams in sorted(records, key=lambda record: record[0]):
        yield clock.at(minute), label, "", f"{grams:.0f}", "", "", ""


_TABLES: dict[str, tuple[str, Callable[[VirtualPatient, _Clock], _Rows]]] = {
    "Glucose Data/UoMGlucose": ("bg_ts,value", _glucose),
    "Insulin Data/Basal Data/UoMBasal": ("basal_ts,basal_dose,insulin_kind", _basal),
    "Insulin Data/Bolus Data/UoMBolus": ("bolus_ts,bolus_dose", _boluses),
    "Nutrition Data/UoMNutrition": (
        "meal_ts,meal_type,meal_tag,carbs_g,prot_g,fat_g,fibre_g",
        _nutrition,
    ),
}
