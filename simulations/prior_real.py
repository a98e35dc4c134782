"""What a learned prior of heads is worth to real people with few days: forecasts of held-out days.

The eight people of T1D-UOM whose insulin and meals are on record, in two clinics by sensor. Each in
turn is the new patient: the others teach, with all their days; his twin knows the last 1 to 14
treated days before the held-out ones (models/quality.py) and forecasts those, doses and meals being
known. No setting was chosen on these people.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from client.ingest.importer import import_folder
from models.calibration import Calibration, calibrate
from models.heads import HeadPrior
from models.quality import scores, untaught
from models.replay import cut_row
from models.trace import FloatArray, Trace
from simulations.parallel import spread
from simulations.prior_study import PriorPlan, named_priors

FOLDER, ZONE = "uom", "Europe/London"
HORIZONS_MIN = (240, 24 * 60)
RIVALS = ("persistence", "mean")


@dataclass(frozen=True)
class RealScore:
    """One person with so many days under one prior (or a rival), over the held-out days."""

    patient: str
    prior: str
    days: int
    horizon_min: int
    mard_pct: float
    rmse_mg_dl: float


@dataclass(frozen=True)
class RealStudy:
    """Everybody's scores under every prior."""

    plan: PriorPlan
    scores: tuple[RealScore, ...]

    @property
    def names(self) -> list[str]:
        """Of priors and rivals, in the order they were judged in."""
        return list(dict.fromkeys(one.prior for one in self.scores))

    def by_patient(self, name: str, days: int, horizon_min: int) -> FloatArray:
        """Each person's MARD, mean over draws of noise, per cent (P,), by name."""
        found: dict[str, list[float]] = defaultdict(list)
        for one in self.scores:
            if (one.prior, one.days, one.horizon_min) == (name, days, horizon_min):
                found[one.patient].append(one.mard_pct)
        return np.array([np.mean(found[patient]) for patient in sorted(found)])


def run_real_study(
    plan: PriorPlan, data: Path, pool: Executor | None, step: Callable[[str], None]
) -> RealStudy:
    """Everybody in turn; of `plan` the days, budgets, draws and release count."""
    return study_of(import_folder(data / FOLDER, "uom", ZONE).traces, plan, pool, step)


def study_of(
    traces: Sequence[Trace], plan: PriorPlan, pool: Executor | None, step: Callable[[str], None]
) -> RealStudy:
    """These people in turn; whose head is not identified neither teaches nor is judged."""
    heads = spread(_whole, traces, pool, partial(step, "teachers"))
    identified = [(t, h) for t, h in zip(traces, heads, strict=True) if h.identified]
    jobs = [_Job(plan, trace, _priors(plan, trace, identified)) for trace, _ in identified]
    found = spread(_judged, jobs, pool, partial(step, "new patients"))
    return RealStudy(plan, tuple(one for person in found for one in person))


@dataclass(frozen=True)
class _Job:
    plan: PriorPlan
    trace: Trace
    priors: list[tuple[str, HeadPrior]]


def _whole(trace: Trace) -> Calibration:
    return calibrate([trace])[0]


def _priors(
    plan: PriorPlan, new: Trace, everybody: Sequence[tuple[Trace, Calibration]]
) -> list[tuple[str, HeadPrior]]:
    """What the others teach; a clinic is everybody whose sensor reads as often."""
    clinics: dict[int, list[Calibration]] = defaultdict(list)
    for trace, head in everybody:
        if trace.patient != new.patient:
            clinics[trace.sensor_period_min].append(head)
    own = clinics.get(new.sensor_period_min, [])
    return named_priors([*clinics.values()], own, plan.release, plan.epsilons, range(plan.draws))


def _judged(job: _Job) -> list[RealScore]:
    before = job.trace.rows(0, cut_row(job.trace))
    found: list[RealScore] = []
    for days in job.plan.days:
        rivals: Sequence[str] = RIVALS
        for name, prior in job.priors:
            (twin,) = calibrate([before], prior, days=days)
            found += _scored(job.trace, twin, days, {"twin": name} | {one: one for one in rivals})
            rivals = ()
    return found


def _scored(
    trace: Trace, twin: Calibration, days: int, names: dict[str, str]
) -> Iterator[RealScore]:
    days_after = replace(untaught(trace, twin), mean_mg_dl=_usual_mg_dl(trace, days))
    for one in scores(days_after):
        if one.horizon_min in HORIZONS_MIN:
            for model, name in names.items():
                errors = one.mard_pct[model], one.rmse_mg_dl[model]
                yield RealScore(trace.patient, name, days, one.horizon_min, *errors)


def _usual_mg_dl(trace: Trace, days: int) -> float:
    """Mean of as many readings before the held-out days as the sensor takes in so many days."""
    readings = trace["glucose_mg_dl"][: cut_row(trace)]
    read = readings[np.isfinite(readings)]
    return float(read[-days * 24 * 60 // trace.sensor_period_min :].mean())


def as_dict(study: RealStudy) -> dict[str, object]:
    """The plan, and every score."""
    return {"plan": asdict(study.plan), "scores": [asdict(one) for one in study.scores]}


def markdown(study: RealStudy) -> str:
    """A table for each horizon in Markdown: mean MARD, and how it differs from the book's prior."""
    return "\n".join(_lines(study)) + "\n"


def _lines(study: RealStudy) -> Iterator[str]:
    days = study.plan.days
    head = "| prior | " + " | ".join(f"{one} d" for one in days) + " |"
    people = len({one.patient for one in study.scores})
    yield f"{people} people of T1D-UOM, each in turn the new one; releases about the"
    yield f"{study.plan.release.about} prior. MARD, % (difference from the book's prior, and its"
    yield "standard error over people). `mean` is of as many days' readings as the twin had."
    for horizon in HORIZONS_MIN:
        yield from ("", f"{horizon // 60} h ahead:", "", head, "|---" * (len(days) + 1) + "|")
        for name in study.names:
            cells = (_cell(study, name, one, horizon) for one in days)
            yield f"| {name} | " + " | ".join(cells) + " |"


def _cell(study: RealStudy, name: str, days: int, horizon_min: int) -> str:
    these, book = (study.by_patient(one, days, horizon_min) for one in (name, "book"))
    more = these - book
    error = more.std(ddof=1) / np.sqrt(len(more)) if len(more) > 1 else float("nan")
    return f"{these.mean():.1f} ({more.mean():+.1f}, {error:.1f})"
