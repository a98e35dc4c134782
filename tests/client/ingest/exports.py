"""Small exports written by hand, in both layouts."""

from collections.abc import Sequence
from pathlib import Path

HOUR_S = 3600
DAY_S = 24 * HOUR_S

HEADERS = {
    "Glucose Data/UoMGlucose": "bg_ts,value",
    "Insulin Data/Basal Data/UoMBasal": "basal_ts,basal_dose,insulin_kind",
    "Insulin Data/Bolus Data/UoMBolus": "bolus_ts,bolus_dose",
    "Nutrition Data/UoMNutrition": "meal_ts,meal_type,meal_tag,carbs_g,prot_g,fat_g,fibre_g",
    "Activity Data/UoMActivity": "activity_ts,step_count,duration_s",
}
GLUCOSE, BASAL, BOLUS, NUTRITION, ACTIVITY = HEADERS

GLUCOSE_ML = "set-extracted-glucose-files"


def write_uom(folder: Path, kind: str, rows: Sequence[str], patient: str = "p") -> Path:
    """One file of the T1D-UOM layout with its header."""
    return write(folder / f"{kind}{patient}.csv", [HEADERS[kind], *rows])


def write_glucose_ml(folder: Path, rows: Sequence[str], patient: str = "p") -> Path:
    """One person's file of the Glucose-ML layout with its header."""
    path = folder / GLUCOSE_ML / f"{patient}.csv"
    return write(path, ["timestamp,glucose_value_mg_dl", *rows])


def write(path: Path, lines: Sequence[str]) -> Path:
    """A file of lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def clock(minute: int, day: str = "17/06/2024") -> str:
    """DD/MM/YYYY hh:mm at a minute of a day."""
    return f"{day} {minute // 60:02}:{minute % 60:02}"


def readings(day: str = "17/06/2024", every_min: int = 5) -> list[str]:
    """A day of readings in mmol/L that rise and fall by tenths, never on a straight line."""
    minutes = range(0, 24 * 60, every_min)
    return [f"{clock(m, day)},{wave(m // every_min)}" for m in minutes]


def wave(i: int) -> float:
    """A made-up reading, mmol/L."""
    return round(7.0 + 0.1 * ((i * i) % 7) + 0.02 * (i % 100), 1)


def mg_dl_readings(day: str = "2024-06-17") -> list[str]:
    """A day of readings of the Glucose-ML layout."""
    return [
        f"{day} {m // 60:02}:{m % 60:02}:00,{100 + round(10 * wave(m // 5))}"
        for m in range(0, 24 * 60, 5)
    ]
