"""A scenario from plain values, as a YAML file gives them: every key known, every unit checked.

    name: earlier breakfast bolus      basal: [{from: "22:00", to: "06:00", change: -10%}]
    hours: 48                          meals: [{at: "19:30", carbs_g: 80, fat_g: 40}]

Times are local, `at` on the first day unless `day: 2` stands beside it. Changes are in per cent of
today's. Amounts are numbers in the unit of their key, or text with that unit: `4 U`, `80 g`.
"""

from models.given import DAY_MIN, Given
from models.inputs import PRODUCTS, product_of
from models.mixed_meal import USUAL_INDEX, MealMake
from models.movement import EXCESS_BPM, RESTING_BPM, Bout, Kind
from models.scenario import (
    Bolus,
    Daily,
    Eaten,
    Life,
    LongActingChange,
    MealBolusChange,
    RecordedBolus,
    RecordedMeal,
    Scaled,
    Scenario,
    Target,
    TemporaryBasal,
    Therapy,
    Wave,
    refused,
)
from models.strain import Illness, Stretch

WAKING_HOUR, DAY_AFTER_LASTS_MIN = 7, 16 * 60


def scenario_of(plain: object) -> Scenario:
    """The scenario of a mapping; a ScenarioError names the place of whatever cannot be taken."""
    given = Given(plain, "scenario")
    scenario = Scenario(
        name=given.text("name"),
        hours=int(given.number("hours", "h", 24.0)),
        therapy=_therapy(given),
        life=_life(given),
    )
    given.done()
    return scenario


def _therapy(given: Given) -> Therapy:
    return Therapy(
        basal=given.each("basal", _scaled),
        temporary_basal=given.each("temporary_basal", _temporary),
        carb_ratio=given.each("carb_ratio", _scaled),
        correction_factor=given.each("correction_factor", _scaled),
        target=given.one("target", _target),
        meal_boluses=given.each("meal_boluses", _meal_bolus),
        boluses=given.each("boluses", _bolus),
        recorded_boluses=given.each("recorded_boluses", _recorded_bolus),
        long_acting=given.one("long_acting", _long_acting),
    )


def _life(given: Given) -> Life:
    return Life(
        meals=given.each("meals", _meal),
        recorded_meals=given.each("recorded_meals", _recorded_meal),
        skipped=given.each("skipped", _daily),
        exercise=given.each("exercise", _bout),
        stress_minutes=given.each("stress", lambda one: one.minute()),
        short_sleep=given.each("short_sleep", _short_sleep),
        illness=given.each("illness", _illness),
        luteal=given.each("luteal_phase", _stretch),
    )


def _daily(given: Given) -> Daily:
    return Daily(given.clock("from", "00:00"), given.clock("to", "24:00"))


def _scaled(given: Given) -> Scaled:
    return Scaled(given.scale(), _daily(given))


def _stretch(given: Given) -> Stretch:
    return Stretch(given.minute(), round(60.0 * given.number("hours", "h")))


def _temporary(given: Given) -> TemporaryBasal:
    return TemporaryBasal(given.scale(), _stretch(given))


def _target(given: Given) -> Target:
    return Target(given.number("to_mg_dl", "mg/dL") - given.number("from_mg_dl", "mg/dL"))


def _wave(given: Given) -> Wave:
    return Wave(given.share("now", "100%"), given.number("over_h", "h", 0.0))


def _meal_bolus(given: Given) -> MealBolusChange:
    missed = given.take("missed", False)
    if not isinstance(missed, bool):
        raise refused(f"missed: {missed!r} at {given.place}", "true or false", "write missed: true")
    scale = given.scale("change", "+0%")
    later = round(given.number("later_min", "min", 0.0))
    return MealBolusChange(_daily(given), later, 0.0 if missed else scale, _wave(given))


def _bolus(given: Given) -> Bolus:
    return Bolus(given.minute(), given.number("units", "U"), _wave(given))


def _recorded_bolus(given: Given) -> RecordedBolus:
    units = given.number("units", "U") if "units" in given.plain else None
    return RecordedBolus(*_moved(given), units)


def _recorded_meal(given: Given) -> RecordedMeal:
    carbs_g = given.number("carbs_g", "g") if "carbs_g" in given.plain else None
    return RecordedMeal(*_moved(given), carbs_g)


def _moved(given: Given) -> tuple[int, int]:
    """Minutes at which it was recorded, and to which it goes: the same where that is absent."""
    minute = given.minute()
    if not {"to", "to_day"} & {*given.plain}:
        return minute, minute
    day = int(given.number("day", "", 1))
    to = given.minute("to", "to_day", day)
    return minute, to


def _long_acting(given: Given) -> LongActingChange:
    named = given.take("product", None)
    product = product_of(str(named)) if named is not None else None
    if named is not None and product is None:
        known = ", ".join(kind.name.lower() for kind in PRODUCTS)
        raise refused(f"the insulin {named!r}", f"a long-acting one: {known}", "name one of these")
    units = given.number("units", "U") if "units" in given.plain else None
    at_hour = given.clock("at") if "at" in given.plain else None
    return LongActingChange(given.scale("change", "+0%"), at_hour, product, units)


def _meal(given: Given) -> Eaten:
    meal = MealMake(
        minute=given.minute(),
        carbs_g=given.number("carbs_g", "g"),
        fat_g=given.number("fat_g", "g", 0.0),
        protein_g=given.number("protein_g", "g", 0.0),
        glycaemic_index=given.number("glycaemic_index", "", USUAL_INDEX),
    )
    units = given.number("bolus_u", "U") if "bolus_u" in given.plain else None
    return Eaten(meal, units, _wave(given))


def _bout(given: Given) -> Bout:
    kind = given.text("kind").upper()
    if kind not in Kind.__members__:
        known = ", ".join(one.lower() for one in Kind.__members__)
        raise refused(f"exercise of kind {kind.lower()}", f"one of {known}", "name one of these")
    minute, minutes = given.minute(), round(given.number("minutes", "min"))
    return Bout(minute, minutes, Kind[kind], _excess_bpm(given))


def _excess_bpm(given: Given) -> float:
    if "heart_rate_bpm" in given.plain:
        return given.number("heart_rate_bpm", "bpm") - RESTING_BPM
    intensity = given.text("intensity", "moderate")
    if intensity not in EXCESS_BPM:
        known = ", ".join(EXCESS_BPM)
        raise refused(f"an intensity {intensity!r}", f"one of {known}", "name one of these")
    return EXCESS_BPM[intensity]


def _short_sleep(given: Given) -> Stretch:
    """The day after a night of 4 h, from the morning of `day`."""
    day = int(given.number("day", "", 1))
    return Stretch(60 * WAKING_HOUR + DAY_MIN * (day - 1), DAY_AFTER_LASTS_MIN)


def _illness(given: Given) -> Illness:
    return Illness(_stretch(given), given.number("temperature_c", "C"))
