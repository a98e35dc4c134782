"""What the plan bench offers: one kind of row for each key of a scenario, with its fields.

A row becomes a part of the scenario under its kind's key; models/scenario_terms.py reads it, units
and all, so that what is typed is refused for the same reasons as what stands in a file. What rows
and fields are called stands in the catalogue, by their keys.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from client.trial_words import catalogue
from models.mixed_meal import USUAL_INDEX
from models.movement import EXCESS_BPM, Kind

DAYS = ("1", "2", "3")


@dataclass(frozen=True)
class Field:
    """One input: `reach` makes a slider beside it, `choices` a list; empty fields are not sent."""

    key: str
    value: str = ""
    reach: tuple[int, int, int] | None = None
    choices: tuple[str, ...] = ()
    tick: bool = False


@dataclass(frozen=True)
class RowKind:
    """A kind of row; one whose fields are all as in `neutral` changes nothing and is not sent.

    One with a `lane` has a mark there, at the time of its field `when` and the day of `when_day`,
    whose amount is that of its field `amount`, in `unit`; `least` is the least that keys and mouse
    make it. One that `is_recorded` is made from the mark of a recorded event.
    """

    key: str
    fields: tuple[Field, ...]
    single: bool = False
    neutral: Mapping[str, str] | None = None
    lane: str = ""
    amount: str = ""
    step: float = 0.0
    unit: str = ""
    least: float = 0.0
    when: str = "at"
    when_day: str = "day"
    is_recorded: bool = False

    @property
    def title(self) -> str:
        """What the catalogue calls it."""
        return str(_words()[self.key]["title"])

    def label(self, field: str) -> str:
        """What the catalogue calls one of its fields; empty for what is none."""
        return str(_words()[self.key].get(field, ""))


def _words() -> Mapping[str, Mapping[str, str]]:
    rows: Mapping[str, Mapping[str, str]] = catalogue()["studio"]["rows"]
    return rows


AT, DAY = Field("at", "12:00"), Field("day", "1", choices=DAYS)
FROM, TO = Field("from", "00:00"), Field("to", "24:00")
CHANGE = Field("change", "+0%", reach=(-50, 50, 1))
NOW = Field("now", "100%")
OVER = Field("over_h", "0")
HOURS = Field("hours", "2")
UNCHANGED = {"change": "+0%"}


def _recorded(key: str, amount: str, step: float, unit: str) -> RowKind:
    """A recorded event moved, or of another amount."""
    fields = (Field("to"), Field(amount), Field("at"))
    return RowKind(
        key,
        (*fields, replace(DAY, key="to_day"), DAY),
        lane=key,
        amount=amount,
        step=step,
        unit=unit,
        when="to",
        when_day="to_day",
        is_recorded=True,
    )


SETTINGS = (
    RowKind("basal", (CHANGE, FROM, TO), neutral=UNCHANGED),
    RowKind(
        "long_acting",
        (
            CHANGE,
            Field("units"),
            Field("at"),
            Field("product"),
        ),
        single=True,
        neutral={**UNCHANGED, "units": "", "at": "", "product": ""},
    ),
    RowKind("carb_ratio", (CHANGE, FROM, TO), neutral=UNCHANGED),
    RowKind(
        "correction_factor",
        (CHANGE, FROM, TO),
        neutral=UNCHANGED,
    ),
    RowKind(
        "target",
        (Field("from_mg_dl", "120"), Field("to_mg_dl", "120")),
        single=True,
        neutral={"from_mg_dl": "120", "to_mg_dl": "120"},
    ),
    RowKind(
        "meal_boluses",
        (
            Field("later_min", "0", reach=(-60, 60, 5)),
            CHANGE,
            FROM,
            TO,
            NOW,
            OVER,
            Field("missed", tick=True),
        ),
        neutral={"later_min": "0", **UNCHANGED, "now": "100%", "missed": ""},
    ),
)
EVENTS = (
    RowKind(
        "meals",
        (
            AT,
            DAY,
            Field("carbs_g", "40"),
            Field("bolus_u"),
            Field("fat_g", "0"),
            Field("protein_g", "0"),
            Field("glycaemic_index", f"{USUAL_INDEX:g}"),
            NOW,
            OVER,
        ),
        lane="meals",
        amount="carbs_g",
        step=5.0,
        unit="g",
        least=5.0,
    ),
    RowKind(
        "boluses",
        (AT, DAY, Field("units", "1"), NOW, OVER),
        lane="insulin",
        amount="units",
        step=0.5,
        unit="U",
        least=0.5,
    ),
    RowKind(
        "exercise",
        (
            AT,
            DAY,
            Field("minutes", "45"),
            Field("kind", "aerobic", choices=tuple(one.lower() for one in Kind.__members__)),
            Field("intensity", "moderate", choices=tuple(EXCESS_BPM)),
            Field("heart_rate_bpm"),
        ),
        lane="exercise",
        amount="minutes",
        step=5.0,
        unit="min",
        least=5.0,
    ),
    _recorded("recorded_meals", "carbs_g", 5.0, "g"),
    _recorded("recorded_boluses", "units", 0.5, "U"),
    RowKind(
        "temporary_basal",
        (AT, DAY, HOURS, Field("change", "-50%", reach=(-100, 100, 5))),
        neutral=UNCHANGED,
        lane="insulin",
        amount="hours",
        step=0.5,
        unit="h",
        least=0.5,
    ),
    RowKind(
        "skipped",
        (Field("from", "06:00"), Field("to", "10:00")),
    ),
    RowKind("stress", (AT, DAY)),
    RowKind("short_sleep", (DAY,)),
    RowKind(
        "illness",
        (
            Field("at", "00:00"),
            DAY,
            Field("hours", "24"),
            Field("temperature_c", "38.5"),
        ),
    ),
    RowKind(
        "luteal_phase",
        (Field("at", "00:00"), DAY, Field("hours", "24")),
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
        field = kind.label(found[3] or "")
        number = "" if kind.single else f" {found[2] or 1}"
        return f"{kind.title}{number}" + (f", {field}" if field else "")

    return PLACE.sub(named, words)
