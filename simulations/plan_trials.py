"""Plans held against truth: virtual people whose week can be lived again on the settings proposed.

Each lives 14 days in world A or B (`effects_people`), on settings as a clinic that titrated has
them or on settings that are amiss; the twin sees the record and the clinic's
correction factor, and proposes settings as `insula twin plan` does. Then the world is really run on
them: food and rescues stay, basal and boluses change as the person's own pump would change them.
Patients who were proposed nothing are counted with the reason.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from client.twin_plan import HOURS, propose
from models.heads import BOOK_PRIOR, HeadPrior
from models.levers import Lever, Setting
from models.outcome import Shift, measures
from models.trace import STEP_MIN, FloatArray
from simulations.effects_people import TRAINING_DAYS, Doses, Subject, drawn_subject, subject
from simulations.padova_parameters import public_patients
from simulations.padova_world import World
from study.failure import Failure

SEEDS_FROM = 2_000_000
"""Added to the study's seed, so that nobody who taught a prior or a lesson is met."""

AMISS_SD = 0.15
"""sd of ln of how far basal and carbohydrate ratio are set amiss, each on its own."""

JUDGED = ("mean", "time_in_range", "time_below_70", "gri")
NO_RECORD = "no_record"


@dataclass(frozen=True)
class Judged:
    """One person: why no plan, or what was promised and what truly came, by measure."""

    patient: str
    world: World
    refused: str
    promised: Mapping[str, Shift]
    true: Mapping[str, float]

    @property
    def signs_right(self) -> bool:
        """Whether the risk index truly moved the way that was promised."""
        return self.promised["gri"].middle * self.true["gri"] > 0.0


@dataclass(frozen=True)
class Whom:
    """Drawn adults or the ten public ones, of which seed, and how far their settings are amiss."""

    seed: int
    public: bool = False
    off: float = 0.0

    def person(self, world: World, number: int) -> Subject:
        """Person `number` in a world, with 14 days on record."""
        seed = SEEDS_FROM + self.seed
        if not self.public:
            return drawn_subject("adult", number, world, seed, TRAINING_DAYS, self.off)
        adults = [one for one in public_patients() if one.group == "adult"]
        patient, stay = adults[number % len(adults)], number // len(adults) + 1
        stays = np.random.SeedSequence([seed, number])
        return subject(f"{patient.name}/{stay}", patient, world, stays, TRAINING_DAYS, off=self.off)


def judge(whom: Whom, who: tuple[World, int], prior: HeadPrior = BOOK_PRIOR) -> Judged:
    """Person `who` (world, number): proposed to, and run."""
    world, number = who
    someone = whom.person(world, number)
    factor = someone.knowledge.correction_factor_mg_dl_per_u
    try:
        proposal = propose(someone.trace(), prior, correction_mg_dl_per_u=factor)
    except Failure:
        return Judged(someone.identifier, world, NO_RECORD, {}, {})
    if proposal.refused or proposal.found is None:
        return Judged(someone.identifier, world, proposal.refused, {}, {})
    true = truth(someone, proposal.levers, proposal.found.setting, proposal.days)
    return Judged(someone.identifier, world, "", proposal.found.outcome.shifts, true)


def truth(
    someone: Subject, levers: Sequence[Lever], setting: Setting, days: int
) -> dict[str, float]:
    """Change of each measure over the latest `days`, the world run on both settings."""
    latest = slice(-days * HOURS * 60 // STEP_MIN, None)
    before = measures(someone.lived(someone.doses)[latest])
    after = measures(someone.lived(on(someone, levers, setting))[latest])
    return {name: float(after[name] - before[name]) for name in before}


def on(someone: Subject, levers: Sequence[Lever], setting: Setting) -> Doses:
    """The doses that the person's pump would have given on other settings."""
    rows, minutes = len(someone.life.basal_u_per_h), len(someone.life.bolus_u)
    row_hour = np.arange(rows) * STEP_MIN / 60.0 % 24.0
    minute_hour = np.arange(minutes) / 60.0 % 24.0
    basal = someone.life.basal_u_per_h.copy()
    meals = someone.for_meals_u
    corrections = someone.life.bolus_u - meals
    for lever in levers:
        scale = setting.get(lever.name, lever.today) / lever.today
        if lever.kind == "basal":
            basal[lever.window.holds(row_hour)] *= scale
        elif lever.kind == "carb_ratio":
            meals = np.where(lever.window.holds(minute_hour), meals / scale, meals)
        elif lever.kind == "correction_factor":
            corrections = corrections / scale
    return Doses(basal, np.maximum(meals + corrections, 0.0))


def summary(people: Sequence[Judged]) -> dict[str, object]:
    """How often there was a plan, whether it came as promised, and what it cost in lows."""
    planned = [one for one in people if not one.refused]
    lows = _array([one.true["time_below_70"] for one in planned])
    return {
        "people": len(people),
        "planned": len(planned),
        "refused": dict(Counter(one.refused for one in people if one.refused)),
        "sign_right_pct": _share([one.signs_right for one in planned]),
        "coverage_80_pct": {name: _covered(planned, name) for name in JUDGED},
        "mean_true": {name: _mean([one.true[name] for one in planned]) for name in JUDGED},
        "mean_promised": {
            name: _mean([one.promised[name].middle for one in planned]) for name in JUDGED
        },
        "worst_rise_below_70_points": float(lows.max()) if len(lows) else None,
    }


def in_words(people: Sequence[Judged]) -> str:
    """The summary, a line each."""
    return "\n".join(f"{name}: {value}" for name, value in summary(people).items())


def as_dict(people: Sequence[Judged]) -> dict[str, object]:
    """The summary and everybody, as plain values."""
    return {"summary": summary(people), "people": [asdict(one) for one in people]}


def _covered(planned: Sequence[Judged], name: str) -> float | None:
    return _share(
        [one.promised[name].low <= one.true[name] <= one.promised[name].high for one in planned]
    )


def _share(held: Sequence[bool]) -> float | None:
    return 100.0 * float(np.mean(held)) if held else None


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _array(values: Sequence[float]) -> FloatArray:
    return np.asarray(values, dtype=np.float64)
