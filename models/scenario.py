"""What a clinician can try on a twin for one to three days: therapy, meals, movement, strain.

Minutes count from the scenario's first midnight; hours are of the local day, and `Daily` windows
come back every day. Everything is checked where it is made: a dose, a meal or a fever that no
person has is refused with a reason.
"""

from dataclasses import dataclass, field

import numpy as np

from models.inputs import BoolArray, LongActing
from models.mixed_meal import MealMake
from models.movement import Bout
from models.strain import Illness, Stretch
from models.trace import FloatArray

LEAST_HOURS, MOST_HOURS = 24, 72
MOST = {
    "bolus, U": 40.0,
    "long-acting dose, U": 160.0,
    "carbohydrate, g": 300.0,
    "fat, g": 200.0,
    "protein, g": 250.0,
}
MOST_SCALE = 3.0
INDEX_RANGE = (10.0, 110.0)
MOST_EXCESS_BPM, MOST_BOUT_MIN = 130.0, 360
TEMPERATURE_C = (35.0, 42.0)


class ScenarioError(ValueError):
    """Something that no person takes, eats or has, or that this twin cannot be asked."""


def refused(found: str, expected: str, remedy: str) -> ScenarioError:
    """The error of a scenario: what was found, what was expected, what to do."""
    return ScenarioError(
        f"found {found}; expected {expected}. Nothing was simulated. What to do: {remedy}."
    )


@dataclass(frozen=True)
class Daily:
    """From one local hour to another, each day; over midnight where `until` is the smaller."""

    since_hour: float = 0.0
    until_hour: float = 24.0

    def __post_init__(self) -> None:
        hours = (self.since_hour, self.until_hour)
        if not all(0.0 <= hour <= 24.0 for hour in hours) or hours[0] == hours[1]:
            raise refused(
                f"a time of day from {hours[0]:g} to {hours[1]:g} h",
                "two different hours between 0 and 24",
                "write for example from 06:00 to 11:00",
            )

    def holds(self, local_hour: float | FloatArray) -> BoolArray:
        """Whether hours of the local day lie in it, shaped as they are."""
        after = np.asarray(local_hour) >= self.since_hour
        before = np.asarray(local_hour) < self.until_hour
        return after & before if self.since_hour < self.until_hour else after | before


@dataclass(frozen=True)
class Scaled:
    """A factor in a window of the day: of basal rate, grams per unit, or mg/dL per unit."""

    scale: float
    window: Daily = Daily()

    def __post_init__(self) -> None:
        if not 0.0 <= self.scale <= MOST_SCALE:
            raise refused(
                f"a factor of {self.scale:g}",
                f"0 to {MOST_SCALE:g}",
                "give a change in per cent, such as +10%",
            )


@dataclass(frozen=True)
class TemporaryBasal:
    """The pump's rate times a factor for a stretch."""

    scale: float
    during: Stretch

    def __post_init__(self) -> None:
        Scaled(self.scale)
        require_stretch("a temporary basal", self.during, 24 * 60)


@dataclass(frozen=True)
class Wave:
    """How a bolus is given: a share at once, the rest evenly over so many hours."""

    now: float = 1.0
    over_h: float = 0.0

    def __post_init__(self) -> None:
        if not (0.0 <= self.now <= 1.0 and 0.0 <= self.over_h <= 8.0) or (
            self.now < 1.0 and self.over_h == 0.0
        ):
            raise refused(
                f"a bolus of which {self.now:.0%} come at once and the rest over {self.over_h:g} h",
                "0 to 100 % at once and the rest over more than 0 and at most 8 h",
                "write for example now: 30%, over_h: 2.5",
            )


@dataclass(frozen=True)
class MealBolusChange:
    """Boluses of recorded meals in a window: so much later (earlier if negative), scaled, split.

    `scale` 0 is a missed bolus.
    """

    window: Daily
    later_min: int = 0
    scale: float = 1.0
    wave: Wave = Wave()

    def __post_init__(self) -> None:
        Scaled(self.scale)
        if abs(self.later_min) > 180:
            raise refused(
                f"a meal bolus {self.later_min} min from its meal",
                "180 min at most",
                "give the minutes before or after the meal",
            )


@dataclass(frozen=True)
class Bolus:
    """A bolus on top of those recorded."""

    minute: int
    units: float
    wave: Wave = Wave()

    def __post_init__(self) -> None:
        require_amount("bolus, U", self.units)


@dataclass(frozen=True)
class RecordedBolus:
    """The bolus recorded at `minute` given at another, or of so many units; 0 leaves it out."""

    minute: int
    to_minute: int
    units: float | None = None

    def __post_init__(self) -> None:
        require_amount("bolus, U", self.units or 0.0)


@dataclass(frozen=True)
class RecordedMeal:
    """The meal recorded at `minute` eaten at another, or of so many grams; 0 leaves it out."""

    minute: int
    to_minute: int
    carbs_g: float | None = None

    def __post_init__(self) -> None:
        require_amount("carbohydrate, g", self.carbs_g or 0.0)


@dataclass(frozen=True)
class Target:
    """Corrections aim at another glucose: so many mg/dL higher or lower than today."""

    shift_mg_dl: float

    def __post_init__(self) -> None:
        if abs(self.shift_mg_dl) > 60.0:
            raise refused(
                f"a target moved by {self.shift_mg_dl:g} mg/dL",
                "60 mg/dL at most",
                "give the old and the new target in mg/dL",
            )


@dataclass(frozen=True)
class LongActingChange:
    """Injections of long-acting insulin: times a factor, another hour, another product."""

    scale: float = 1.0
    at_hour: float | None = None
    product: LongActing | None = None
    units: float | None = None

    def __post_init__(self) -> None:
        Scaled(self.scale)
        if self.units is not None:
            require_amount("long-acting dose, U", self.units)


@dataclass(frozen=True)
class Eaten:
    """A meal beside those recorded, and its bolus: by the patient's ratio, or so many units."""

    meal: MealMake
    bolus_u: float | None = None
    wave: Wave = Wave()

    def __post_init__(self) -> None:
        made = self.meal
        require_amount("carbohydrate, g", made.carbs_g)
        require_amount("fat, g", made.fat_g)
        require_amount("protein, g", made.protein_g)
        if not INDEX_RANGE[0] <= made.glycaemic_index <= INDEX_RANGE[1]:
            raise refused(
                f"a glycaemic index of {made.glycaemic_index:g}",
                f"{INDEX_RANGE[0]:g} to {INDEX_RANGE[1]:g}, glucose being 100",
                "look the food up, or leave the index out",
            )
        if self.bolus_u is not None:
            require_amount("bolus, U", self.bolus_u)


@dataclass(frozen=True)
class Therapy:
    """Changes of insulin from the first minute on."""

    basal: tuple[Scaled, ...] = ()
    temporary_basal: tuple[TemporaryBasal, ...] = ()
    carb_ratio: tuple[Scaled, ...] = ()
    correction_factor: tuple[Scaled, ...] = ()
    target: Target | None = None
    meal_boluses: tuple[MealBolusChange, ...] = ()
    boluses: tuple[Bolus, ...] = ()
    recorded_boluses: tuple[RecordedBolus, ...] = ()
    long_acting: LongActingChange | None = None


@dataclass(frozen=True)
class Life:
    """What happens beside therapy."""

    meals: tuple[Eaten, ...] = ()
    recorded_meals: tuple[RecordedMeal, ...] = ()
    skipped: tuple[Daily, ...] = ()
    exercise: tuple[Bout, ...] = ()
    stress_minutes: tuple[int, ...] = ()
    short_sleep: tuple[Stretch, ...] = ()
    illness: tuple[Illness, ...] = ()
    luteal: tuple[Stretch, ...] = ()

    def __post_init__(self) -> None:
        for bout in self.exercise:
            require_stretch("a bout", Stretch(bout.minute, bout.minutes), MOST_BOUT_MIN)
            if not 0.0 < bout.excess_bpm <= MOST_EXCESS_BPM:
                raise refused(
                    f"exercise at {bout.excess_bpm:g} beats a minute above rest",
                    f"above 0 and at most {MOST_EXCESS_BPM:g}",
                    "give a heart rate in beats a minute, or an intensity",
                )
        low, high = TEMPERATURE_C
        for illness in self.illness:
            if not low <= illness.temperature_c <= high:
                raise refused(
                    f"a temperature of {illness.temperature_c:g}",
                    f"{low:g} to {high:g} degrees Celsius",
                    "give it in Celsius",
                )


@dataclass(frozen=True)
class Scenario:
    """One thing to try, over `hours`. `name` is what answers call it."""

    name: str
    hours: int = 24
    therapy: Therapy = field(default_factory=Therapy)
    life: Life = field(default_factory=Life)

    def __post_init__(self) -> None:
        if not LEAST_HOURS <= self.hours <= MOST_HOURS:
            raise refused(
                f"a scenario of {self.hours} h",
                f"{LEAST_HOURS} to {MOST_HOURS} h",
                "choose one, two or three days",
            )
        for minute in (*self._minutes(),):
            if not 0 <= minute < 60 * self.hours:
                raise refused(
                    f"something at minute {minute} of a scenario of {self.hours} h",
                    "a time within it",
                    "lengthen the scenario, or move the event",
                )

    def _minutes(self) -> tuple[int, ...]:
        life, therapy = self.life, self.therapy
        return (
            *(one.minute for one in life.recorded_meals),
            *(one.to_minute for one in life.recorded_meals),
            *(one.minute for one in therapy.recorded_boluses),
            *(one.to_minute for one in therapy.recorded_boluses),
            *(one.minute for one in therapy.boluses),
            *(one.during.minute for one in therapy.temporary_basal),
            *(one.meal.minute for one in life.meals),
            *(one.minute for one in life.exercise),
            *life.stress_minutes,
        )


def require_amount(what: str, amount: float) -> None:
    """Refuses what is negative, no number, or more than anybody takes or eats at once."""
    if not 0.0 <= amount <= MOST[what]:
        raise refused(
            f"a {what.split(',')[0]} of {amount:g} {what.split(', ')[1]}",
            f"0 to {MOST[what]:g}",
            "check the amount and its unit: units of insulin (1 U is 1,000 mU), grams of food",
        )


def require_stretch(what: str, stretch: Stretch, most_min: int) -> None:
    """Refuses what lasts no time, or too long."""
    if not 0 < stretch.minutes <= most_min:
        raise refused(
            f"{what} of {stretch.minutes} min", f"1 to {most_min} min", "give its length in minutes"
        )
