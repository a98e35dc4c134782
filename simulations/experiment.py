"""A whole study in one process: people, federation under privacy, rivals, scores and report."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from client.adoption import choose, note
from models.head_prior import HeadMoments
from models.sharing import SharedVector, WeightArray
from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray
from server.report import write_report
from server.run_record import (
    ClinicEntry,
    ForecastCurve,
    ForecastExample,
    Model,
    RoundEntry,
    RunRecord,
    write_run_record,
)
from simulations.comparison import all_forecasts
from simulations.federation import FederationResult, agents_of, noise_of, run_federation
from simulations.judges import judged_at_home
from simulations.people import ClinicPeople, Person, Progress, gather, refitted
from simulations.rivals import forecasts
from simulations.score_table import Forecasts, score_table
from study.failure import ExitCode, Failure
from study.protocol import Protocol
from study.public_start import PublicStart, sha256_of

EXAMPLE_DAYS = 2
EXAMPLE_HORIZONS_MIN = (30, 60)
EXAMPLE_MODELS: tuple[Model, ...] = ("pretrained", "federated_dp")


@dataclass(frozen=True)
class Settings:
    """Where a run reads and writes, and its seed; virtual cohorts are cached in `cache`.

    Rivals named in `without` are neither trained nor scored.
    """

    data: Path
    out: Path
    cache: Path
    seed: int = 1
    without: frozenset[Model] = frozenset()


@dataclass
class _Clockwork:
    """Seconds of each phase, and a word to the person who waits."""

    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self.progress(name)
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 2)


def run_study(
    protocol: Protocol, start: PublicStart, settings: Settings, progress: Progress
) -> RunRecord:
    """The record of a study, which is also written to `run.json` and drawn in `report.html`."""
    clock = _Clockwork(progress)
    with clock.phase("people"):
        clinics = gather(protocol, settings.data, settings.cache, progress)
    _require_members(clinics)
    shared_vector = start.shared_vector(protocol)
    with clock.phase("federation under privacy"):
        result = _federate(protocol, shared_vector, clinics, settings)
    after = _after(shared_vector, result.shared, clinics, protocol)
    with clock.phase("rivals"):
        models = all_forecasts(
            start, result.weights, clinics, settings.seed, after, settings.without
        )
    adoption = _adopt((start.weights, clinics), (result.weights, after), settings.out)
    record = RunRecord(
        study=protocol.study,
        seed=settings.seed,
        protocol_sha256=protocol.digest(),
        body_sha256=result.body_sha256,
        noise=protocol.privacy.noise,
        clinics=tuple(
            ClinicEntry(name=one.name, declared_patients=one.declared_patients)
            for one in protocol.clinics
        ),
        rounds=tuple(
            RoundEntry(round=one.round_number, took_part=one.took_part) for one in result.rounds
        ),
        privacy=result.privacy,
        metrics=result.metrics,
        scores=tuple(score_table(clinics, models, protocol.horizons_min)),
        forecasts=tuple(_examples(clinics, models)),
        adoption=adoption,
        seconds=clock.seconds,
        notes=_notes(start, clinics),
    )
    write_run_record(settings.out, record)
    write_report(settings.out)
    return record


def _require_members(clinics: Sequence[ClinicPeople]) -> None:
    empty = [one.name for one in clinics if one.takes_part and not one.members]
    if empty:
        raise Failure(
            found=f"nobody to enrol in {empty}",
            expected="one patient at least in each member clinic",
            consequence="No study was run.",
            remedy="see the clinics' data reports; give more days, or take the clinic out",
            code=ExitCode.BAD_DATA,
        )


def _federate(
    protocol: Protocol,
    shared_vector: SharedVector,
    clinics: Sequence[ClinicPeople],
    settings: Settings,
) -> FederationResult:
    people = {one.name: [person.data for person in one.members] for one in clinics}
    noise = noise_of(protocol, settings.seed)
    homes = settings.out / "clinics"
    with agents_of(protocol, people, shared_vector, homes, noise, time.time) as agents:
        return run_federation(protocol, agents, settings.out, shared_vector)


def _after(
    vector: SharedVector, shared: FloatArray, clinics: list[ClinicPeople], protocol: Protocol
) -> list[ClinicPeople]:
    """The clinics as the study leaves them: with heads refitted, if it taught a prior of heads."""
    if not isinstance(vector, HeadMoments):
        return clinics
    prior = vector.prior(shared)
    return [refitted(one, protocol, prior) for one in clinics]


Twins = tuple[WeightArray, Sequence[ClinicPeople]]
"""A body, and everybody with heads that go with it."""


def _adopt(old: Twins, new: Twins, out: Path) -> dict[str, Literal["new", "old"]]:
    """Which twins each member keeps, judged at home on the last fifth of its own training days."""
    kept: dict[str, Literal["new", "old"]] = {}
    for before, after in zip(old[1], new[1], strict=True):
        if before.takes_part:
            decision = choose(_errors_at_home(new[0], after), _errors_at_home(old[0], before))
            note(out / "clinics" / before.name, decision)
            kept[before.name] = decision.kept
    return kept


def _errors_at_home(weights: WeightArray, clinic: ClinicPeople) -> list[float]:
    return _errors(weights, [judged_at_home(one) for one in clinic.members])


def _errors(weights: WeightArray, people: Sequence[Person]) -> list[float]:
    """Each person's RMSE over all horizons, mg/dL."""
    said = forecasts(weights, people)
    return [
        float(np.sqrt(np.nanmean((guess - one.test.target) ** 2)))
        for guess, one in zip(said, people, strict=True)
    ]


def _examples(
    clinics: Sequence[ClinicPeople], models: Sequence[Forecasts]
) -> Iterator[ForecastExample]:
    """The last two days of the first person of each clinic, as read and as foretold."""
    for clinic in clinics:
        person = clinic.members[0]
        steps = EXAMPLE_DAYS * STEPS_PER_DAY
        first = max(len(person.trace) - steps, int(person.test.origin[0]))
        hour = person.trace.local_hour[first] + np.arange(len(person.trace) - first) * STEP_MIN / 60
        yield ForecastExample(
            clinic=clinic.name,
            label=f"the last days of one person of {clinic.name}",
            hour=tuple(np.round(hour, 3).tolist()),
            cgm_mg_dl=_known(person.trace["glucose_mg_dl"][first:]),
            curves=tuple(
                _curve(one, person, place, first)
                for one in models
                if one.model in EXAMPLE_MODELS
                for place in range(len(person.test.horizons_min))
                if person.test.horizons_min[place] in EXAMPLE_HORIZONS_MIN
            ),
        )


def _curve(said: Forecasts, person: Person, place: int, first: int) -> ForecastCurve:
    """A model's forecasts, each at the moment it is about."""
    horizon_min = person.test.horizons_min[place]
    about = person.test.origin + horizon_min // STEP_MIN
    values = np.full(len(person.trace), np.nan)
    inside = about < len(values)
    values[about[inside]] = said.of_person[person.trace.patient][inside, place]
    return ForecastCurve(
        model=said.model, horizon_min=horizon_min, glucose_mg_dl=_known(values[first:])
    )


def _known(values: FloatArray) -> tuple[float | None, ...]:
    return tuple(round(float(v), 1) if np.isfinite(v) else None for v in values)


def _notes(start: PublicStart, clinics: Sequence[ClinicPeople]) -> tuple[str, ...]:
    people = sum(len(one.members) for one in clinics if one.takes_part)
    left_out = [reason for one in clinics for reason in one.left_out]
    return (
        f"public start {sha256_of(start)}",
        f"{people} people were enrolled; {len(left_out)} were left out",
        *left_out,
    )
