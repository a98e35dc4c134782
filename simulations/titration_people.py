"""Virtual people whose settings can change from week to week: one life, led in several ways.

A person is drawn once (body, days, meals, counting, sensor, chances) and lives the same weeks under
every rule that sets their pump; only what the rule changes differs. A pump holds a basal rate and a
carbohydrate ratio for each hour, and one correction factor.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from models.knowledge import ClinicKnowledge
from models.outcome import measures
from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray, Trace
from simulations.effects_people import Cast, cast
from simulations.living import Life, Stay, all_day
from simulations.padova import PadovaError
from simulations.padova_population import draw_patient
from simulations.padova_world import World

RUN_IN_DAYS = 14
RECORD_DAYS = 14
FLOOR_MG_DL = 20.0
_START_UTC_S = 1_704_672_000
_MOST_DRAWS = 40


@dataclass(frozen=True)
class PumpSettings:
    """Basal U/h and grams to the unit by hour, (24,) each, and mg/dL that a unit takes off."""

    basal_u_per_h: FloatArray
    carb_ratio_g_per_u: FloatArray
    correction_mg_dl_per_u: float

    def by_hour(self) -> FloatArray:
        """(24, 3), as a stay is lived on."""
        factor = np.full(24, self.correction_mg_dl_per_u)
        return np.column_stack([self.basal_u_per_h, self.carb_ratio_g_per_u, factor])


@dataclass(frozen=True)
class Diary:
    """What is on record of whole days: a trace, and the settings that are in use.

    `days_on_settings` is for how many of its latest days they have been.
    """

    trace: Trace
    settings: PumpSettings
    knowledge: ClinicKnowledge
    days_on_settings: int = RECORD_DAYS


Rule = Callable[[Diary], PumpSettings]
"""Next settings from what is on record."""


@dataclass(frozen=True)
class Weeks:
    """True glucose (n,) of the run-in and of the titrated days, and settings after each visit."""

    run_in_mg_dl: FloatArray = field(repr=False)
    glucose_mg_dl: FloatArray = field(repr=False)
    settings: tuple[PumpSettings, ...] = field(repr=False)


@dataclass(frozen=True)
class Recruit:
    """A person as drawn; `begin` gives the same life again and again."""

    identifier: str
    world: World
    seed: tuple[int, ...]
    days: int
    off: float
    group: str = "adult"

    def cast(self) -> Cast:
        """The person before anything is lived."""
        body, stay = np.random.SeedSequence(self.seed).spawn(2)
        drawn = draw_patient(self.group, self.identifier, np.random.default_rng(body))
        return cast(drawn.patient, self.world, stay, self.days, self.off)


@lru_cache(maxsize=8)
def recruit(
    number: int,
    world: World,
    seed: int,
    days: int,
    off: float,
    least_mean_mg_dl: float = 0.0,
    group: str = "adult",
) -> Recruit:
    """Person `number`: the first draw whose run-in stays above 20 mg/dL and has this mean.

    Raises PadovaError after 40 draws.
    """
    for attempt in range(_MOST_DRAWS):
        who = Recruit(f"{world}{number}", world, (seed, number, attempt), RUN_IN_DAYS, off, group)
        one = who.cast()
        glucose = one.begin().lived(all_day(one.person), (0, RUN_IN_DAYS * STEPS_PER_DAY))
        lowest, mean = glucose.glucose_mg_dl.min(), glucose.glucose_mg_dl.mean()
        if lowest >= FLOOR_MG_DL and mean >= least_mean_mg_dl:
            return replace(who, days=RUN_IN_DAYS + days)
    raise PadovaError(
        f"{_MOST_DRAWS} draws of person {number} in world {world} had lows below "
        f"{FLOOR_MG_DL:.0f} mg/dL or a mean below {least_mean_mg_dl:.0f}; expected one to have "
        "neither. Nobody was recruited. Ask for another seed or a lower mean."
    )


def live_under(rule: Rule | None, who: Recruit, visit_days: int) -> Weeks:
    """A recruit's days with a visit every `visit_days`; without a rule, settings stay.

    The run-in is lived on the settings of the clinic that titrated amiss, whatever the rule.
    """
    one = who.cast()
    stay = one.begin()
    now = first_settings(one)
    lives = [_piece(stay, now, 0, RUN_IN_DAYS)]
    settings, since = [now], 0
    for day in range(RUN_IN_DAYS, who.days, visit_days):
        if rule is not None:
            old, same = now, min(day - since, RECORD_DAYS)
            now = rule(Diary(devices_record(one, lives), now, one.knowledge, same))
            since = since if np.array_equal(old.by_hour(), now.by_hour()) else day
        settings.append(now)
        lives.append(_piece(stay, now, day, min(day + visit_days, who.days)))
    later = np.concatenate([life.glucose_mg_dl for life in lives[1:]])
    return Weeks(lives[0].glucose_mg_dl, later, tuple(settings))


def worth(glucose_mg_dl: FloatArray) -> dict[str, float]:
    """Measures of true glucose, and hypoglycaemic events in a week.

    An event is 15 minutes or more below 70 mg/dL, ended by 15 minutes above (Danne et al. 2017,
    Diabetes Care 40:1631).
    """
    found = {name: float(value) for name, value in measures(glucose_mg_dl).items()}
    weeks = len(glucose_mg_dl) / (7 * STEPS_PER_DAY)
    return found | {"events_per_week": _events(glucose_mg_dl < 70.0) / weeks}


def _events(low: npt.NDArray[np.bool_]) -> int:
    """Events in a row of whether glucose is low."""
    rows, count, inside, run = 15 // STEP_MIN, 0, False, 0
    for now in low.tolist():
        run = run + 1 if now != inside else 0
        if run >= rows:
            inside, run = now, 0
            count += now
    return count


def first_settings(one: Cast) -> PumpSettings:
    """What the clinic that titrated amiss left on the pump."""
    set_by_clinic = all_day(one.person)
    return PumpSettings(
        set_by_clinic[:, 0], set_by_clinic[:, 1], one.prescription.correction_mg_dl_per_u
    )


def _piece(stay: Stay, now: PumpSettings, first_day: int, last_day: int) -> Life:
    return stay.lived(now.by_hour(), (first_day * STEPS_PER_DAY, last_day * STEPS_PER_DAY))


def devices_record(one: Cast, lives: Sequence[Life]) -> Trace:
    """The latest days as the person's devices have them; carbohydrate as it was counted."""
    rows = sum(len(life.glucose_mg_dl) for life in lives)
    counted = np.concatenate([life.rescue_g for life in lives])
    eaten = one.meals.minute < len(counted)
    np.add.at(counted, one.meals.minute[eaten], one.meals.counted_g[eaten])
    bolus = np.concatenate([life.bolus_u for life in lives])
    columns = {
        "glucose_mg_dl": np.concatenate([life.sensor_mg_dl for life in lives]),
        "basal_u_per_h": np.concatenate([life.basal_u_per_h for life in lives]),
        "bolus_u": bolus.reshape(-1, STEP_MIN).sum(axis=1),
        "carbs_g": counted.reshape(-1, STEP_MIN).sum(axis=1),
    }
    first = max(rows - RECORD_DAYS * STEPS_PER_DAY, 0)
    start = _START_UTC_S + first * STEP_MIN * 60
    latest = {name: values[first:] for name, values in columns.items()}
    return Trace("P", "UTC", STEP_MIN, start, latest, one.patient.weight_kg)
