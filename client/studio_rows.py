"""What the plan bench offers: one kind of row for each key of a scenario, with its fields.

A row becomes a part of the scenario under its kind's key; models/scenario_terms.py reads it, units
and all, so that what is typed is refused for the same reasons as what stands in a file.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from models.mixed_meal import USUAL_INDEX
from models.movement import EXCESS_BPM, Kind

DAYS = ("1", "2", "3")


@dataclass(frozen=True)
class Field:
    """One input: `reach` makes a slider beside it, `choices` a list; empty fields are not sent."""

    key: str
    label: str
    value: str = ""
    reach: tuple[int, int, int] | None = None
    choices: tuple[str, ...] = ()
    tick: bool = False
    hint: str = ""


@dataclass(frozen=True)
class RowKind:
    """A kind of row; one whose fields are all as in `neutral` changes nothing and is not sent."""

    key: str
    title: str
    fields: tuple[Field, ...]
    single: bool = False
    neutral: Mapping[str, str] | None = None
    lane: str = ""
    amount: str = ""
    step: float = 0.0
    unit: str = ""


AT, DAY = Field("at", "At", "12:00"), Field("day", "Day", "1", choices=DAYS)
FROM, TO = Field("from", "From", "00:00"), Field("to", "To", "24:00")
CHANGE = Field("change", "Change, %", "+0%", reach=(-50, 50, 1))
NOW = Field("now", "At once", "100%", hint="the rest evenly over the hours beside")
OVER = Field("over_h", "Rest over, h", "0")
HOURS = Field("hours", "Lasts, h", "2")
UNCHANGED = {"change": "+0%"}

SETTINGS = (
    RowKind("basal", "Basal rate of the pump", (CHANGE, FROM, TO), neutral=UNCHANGED),
    RowKind(
        "long_acting",
        "Long-acting insulin",
        (
            CHANGE,
            Field("units", "or units, U"),
            Field("at", "at another time"),
            Field("product", "Other product"),
        ),
        single=True,
        neutral={**UNCHANGED, "units": "", "at": "", "product": ""},
    ),
    RowKind("carb_ratio", "Carb ratio, g to the unit", (CHANGE, FROM, TO), neutral=UNCHANGED),
    RowKind(
        "correction_factor",
        "Correction factor, mg/dL to the unit",
        (CHANGE, FROM, TO),
        neutral=UNCHANGED,
    ),
    RowKind(
        "target",
        "Target of corrections",
        (Field("from_mg_dl", "From, mg/dL", "120"), Field("to_mg_dl", "To, mg/dL", "120")),
        single=True,
        neutral={"from_mg_dl": "120", "to_mg_dl": "120"},
    ),
    RowKind(
        "meal_boluses",
        "Boluses of recorded meals",
        (
            Field("later_min", "Later (earlier: minus), min", "0", reach=(-60, 60, 5)),
            CHANGE,
            FROM,
            TO,
            NOW,
            OVER,
            Field("missed", "Missed", tick=True),
        ),
        neutral={"later_min": "0", **UNCHANGED, "now": "100%", "missed": ""},
    ),
)
EVENTS = (
    RowKind(
        "meals",
        "Meal",
        (
            AT,
            DAY,
            Field("carbs_g", "Carbohydrate, g", "40"),
            Field("bolus_u", "Bolus, U", hint="empty: by the patient's own ratio"),
            Field("fat_g", "Fat, g", "0"),
            Field("protein_g", "Protein, g", "0"),
            Field("glycaemic_index", "Glycaemic index", f"{USUAL_INDEX:g}"),
            NOW,
            OVER,
        ),
        lane="meals",
        amount="carbs_g",
        step=5.0,
        unit="g",
    ),
    RowKind(
        "boluses",
        "Bolus",
        (AT, DAY, Field("units", "Units, U", "1"), NOW, OVER),
        lane="insulin",
        amount="units",
        step=0.5,
        unit="U",
    ),
    RowKind(
        "exercise",
        "Exercise",
        (
            AT,
            DAY,
            Field("minutes", "Lasts, min", "45"),
            Field(
                "kind", "Kind", "aerobic", choices=tuple(one.lower() for one in Kind.__members__)
            ),
            Field("intensity", "Intensity", "moderate", choices=tuple(EXCESS_BPM)),
            Field("heart_rate_bpm", "or heart rate, bpm"),
        ),
        lane="exercise",
        amount="minutes",
        step=5.0,
        unit="min",
    ),
    RowKind(
        "temporary_basal",
        "Temporary basal",
        (AT, DAY, HOURS, Field("change", "Change, %", "-50%", reach=(-100, 100, 5))),
        neutral=UNCHANGED,
        lane="insulin",
        amount="hours",
        step=0.5,
        unit="h",
    ),
    RowKind(
        "skipped",
        "Recorded meals left out",
        (Field("from", "From", "06:00"), Field("to", "To", "10:00")),
    ),
    RowKind("stress", "Acute stress", (AT, DAY)),
    RowKind("short_sleep", "Day after a short night", (DAY,)),
    RowKind(
        "illness",
        "Fever",
        (
            Field("at", "At", "00:00"),
            DAY,
            Field("hours", "Lasts, h", "24"),
            Field("temperature_c", "Temperature, °C", "38.5"),
        ),
    ),
    RowKind(
        "luteal_phase",
        "Luteal phase",
        (Field("at", "At", "00:00"), DAY, Field("hours", "Lasts, h", "24")),
    ),
)
KINDS = {one.key: one for one in (*SETTINGS, *EVENTS)}
PLACE = re.compile(r"scenario\.(\w+)(?:\[(\d+)\])?(?:\.(\w+))?")


def place_of(words: str) -> tuple[str, int, str]:
    """Key, number and field of the row that a refusal names; empty where it names none."""
    found = PLACE.search(words)
    if found is None or found[1] not in KINDS:
        return "", 0, ""
    return found[1], int(found[2] or 1), found[3] or ""


def for_people(words: str) -> str:
    """A refusal with its rows named as the page names them: `Bolus 1` for `scenario.boluses[1]`."""

    def named(found: re.Match[str]) -> str:
        kind = KINDS.get(found[1])
        if kind is None:
            return found[0]
        field = next((one.label for one in kind.fields if one.key == found[3]), "")
        number = "" if kind.single else f" {found[2] or 1}"
        return f"{kind.title}{number}" + (f", {field}" if field else "")

    return PLACE.sub(named, words)
