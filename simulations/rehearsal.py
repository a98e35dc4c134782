"""A study run on virtual clinics before any hospital is asked: several times, each with new people.

The code is that of `insula simulate run`. Clinics keep their names, roles and declared sizes; whom
a clinic has is drawn anew for each repeat, so that the spread tells how much hangs on who comes.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from server.run_record import Model, RunRecord
from simulations.cohort import CohortSpec, virtual_clinic
from simulations.experiment import Settings, run_study
from simulations.people import Progress
from study.protocol import Clinic, Protocol, Source
from study.public_start import PublicStart

Group = Literal["child", "adolescent", "adult"]

FIRST_SEED, NEXT_PEOPLE = 7001, 10_000
"""Seeds of clinics that have none of their own, and how far the next repeat's people are away."""
JUDGED, JUDGED_OF_FEW, FEW = 2, 1, 10
"""New people drawn to judge on at a clinic that holds nobody out: fewer where few are declared."""
NOT_ASKED: frozenset[Model] = frozenset({"pooled", "federated"})
"""What nobody could have without giving up privacy: it takes two fifths of a small run's time."""


@dataclass(frozen=True)
class StandIns:
    """Who stands in for a clinic's real people: whom they are like, and days of readings."""

    groups: tuple[Group, ...] = ("child", "adolescent", "adult")
    days: int = 14


@dataclass(frozen=True)
class Rehearsal:
    """The protocol that was asked about, and what each repeat of it on virtual people gave."""

    protocol: Protocol
    stand_ins: StandIns
    replaced: tuple[str, ...]
    records: tuple[RunRecord, ...]


@dataclass(frozen=True)
class Place:
    """Where repeats are kept, one run folder each, and where virtual clinics are."""

    out: Path
    cache: Path


def rehearse(
    protocol: Protocol,
    start: PublicStart,
    stand_ins: StandIns,
    repeats: int,
    place: Place,
    progress: Progress,
) -> Rehearsal:
    """So many repeats of the study, kept in `out`/repeat-1, -2, ..."""
    records = []
    for number in range(1, repeats + 1):

        def step(what: str, number: int = number) -> None:
            progress(f"rehearsal {number} of {repeats}: {what}")

        virtual = on_virtual_people(protocol, stand_ins, number)
        step("drawing virtual people")
        for clinic in virtual.clinics:
            virtual_clinic(_spec(clinic.source), place.cache, lambda done, total: None)
        out = place.out / f"repeat-{number}"
        settings = Settings(Path(), out, place.cache, number, without=NOT_ASKED)
        records.append(run_study(virtual, start, settings, step))
    replaced = tuple(one.name for one in protocol.clinics if one.source.layout != "virtual")
    return Rehearsal(protocol, stand_ins, replaced, tuple(records))


def on_virtual_people(protocol: Protocol, stand_ins: StandIns, number: int) -> Protocol:
    """The protocol of one repeat, counted from 1: other virtual people, noise by seed."""
    plain: dict[str, Any] = protocol.model_dump()
    taken: set[str] = set()
    clinics = []
    for position, clinic in enumerate(protocol.clinics):
        held_out = clinic.hold_out_patients or _judged(clinic)
        source = _stand_in(clinic, held_out, stand_ins, position)
        source = _of_others(source, (number - 1) * NEXT_PEOPLE, taken)
        taken |= set(_spec(source).identifiers)
        changed = {"source": source.model_dump(), "hold_out_patients": held_out}
        clinics.append(clinic.model_dump() | changed)
    plain["clinics"] = tuple(clinics)
    plain["privacy"]["noise"] = "simulated"
    return Protocol.model_validate(plain)  # made anew: a copy would keep what was computed


def _judged(clinic: Clinic) -> int:
    if clinic.role == "observer" or clinic.source.layout == "virtual":
        return 0  # an observer's people are all new; a virtual clinic says whom it holds out
    return JUDGED if clinic.declared_patients >= FEW else JUDGED_OF_FEW


def _stand_in(clinic: Clinic, held_out: int, stand_ins: StandIns, position: int) -> Source:
    """The clinic's source where that is virtual, or people of its declared number."""
    if clinic.source.layout == "virtual":
        return clinic.source
    return Source(
        layout="virtual",
        groups=stand_ins.groups,
        patients=clinic.declared_patients + held_out,
        days=stand_ins.days,
        seed=FIRST_SEED + position,
    )


def _of_others(source: Source, away: int, taken: set[str]) -> Source:
    """The same source with people of another seed, whose names nobody in the study has."""
    seed = source.seed + away
    while taken & set(replace(_spec(source), seed=seed).identifiers):
        seed += 1
    return source.model_copy(update={"seed": seed})


def _spec(source: Source) -> CohortSpec:
    return CohortSpec(source.groups, source.patients, source.days, source.seed)
