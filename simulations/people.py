"""The people of a study as an experiment needs them: who takes part, and what is kept for scoring.

Of each person the last days are held out by time; of each clinic some whole people are held out as
new patients. A head is fitted on its own person's earlier days and on nothing else.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from client.enrolment import Halves, halves_of, split_new
from client.ingest.importer import import_folder
from models.calibration import CalibrationError
from models.heads import BOOK_PRIOR, HeadPrior
from models.trace import FloatArray, Trace
from simulations.cohort import CohortSpec, virtual_clinic
from simulations.dose_features import dose_features
from study.failure import ExitCode, Failure
from study.protocol import Clinic, Protocol, Source

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Person(Halves):
    """One patient of a rehearsal: what a site knows, and the doses that rivals learn from."""

    train_doses: FloatArray = field(repr=False)
    test_doses: FloatArray = field(repr=False)


@dataclass(frozen=True)
class ClinicPeople:
    """One clinic's people; `left_out` names those without enough readings, and why."""

    name: str
    takes_part: bool
    members: tuple[Person, ...]
    new: tuple[Person, ...]
    left_out: tuple[str, ...]


def gather(protocol: Protocol, data: Path, cache: Path, progress: Progress) -> list[ClinicPeople]:
    """Everybody of every clinic of a protocol, from files below `data` or from virtual clinics."""
    clinics = []
    for clinic in protocol.clinics:
        progress(f"{clinic.name}: reading")
        traces = select(_traces(clinic, data, cache), clinic.source)
        progress(f"{clinic.name}: calibrating {len(traces)} twins")
        clinics.append(_people(protocol, clinic, traces))
    _require_own_names(clinics)
    return clinics


def _require_own_names(clinics: Sequence[ClinicPeople]) -> None:
    """Scores are kept by name: two clinics' people of one name would be scored as each other."""
    names = Counter(one.trace.patient for c in clinics for one in c.members + c.new)
    if twice := sorted(name for name, count in names.items() if count > 1):
        raise Failure(
            found=f"people of one name at several clinics: {twice}",
            expected="a name of its own for everybody in a rehearsal",
            consequence="No study was run.",
            remedy="give every clinic a source of its own; mend `every` and `take`, or the seed",
            code=ExitCode.BAD_DATA,
        )


def select(traces: Iterable[Trace], source: Source) -> list[Trace]:
    """The traces a clinic's rule names: by sensor, then every so many of the sorted names."""
    ordered = sorted(traces, key=lambda trace: trace.patient)
    if source.sensor_period_min is not None:
        ordered = [one for one in ordered if one.sensor_period_min == source.sensor_period_min]
    return [one for place, one in enumerate(ordered) if place % source.every in source.take]


def person_of(trace: Trace, protocol: Protocol, prior: HeadPrior = BOOK_PRIOR) -> Person:
    """A person with the last days held out; CalibrationError without enough readings."""
    halves = halves_of(trace, protocol, prior)
    return Person(
        trace=trace,
        head=halves.head,
        train=halves.train,
        test=halves.test,
        train_doses=dose_features(trace, halves.train.origin),
        test_doses=dose_features(trace, halves.test.origin),
        doubt=halves.doubt,
    )


def refitted(people: ClinicPeople, protocol: Protocol, prior: HeadPrior) -> ClinicPeople:
    """The same people with heads, and so windows, under another prior."""

    def again(group: Sequence[Person]) -> tuple[Person, ...]:
        return tuple(person_of(one.trace, protocol, prior) for one in group)

    return replace(people, members=again(people.members), new=again(people.new))


def _traces(clinic: Clinic, data: Path, cache: Path) -> tuple[Trace, ...]:
    source = clinic.source
    if source.layout == "virtual":
        spec = CohortSpec(source.groups, source.patients, source.days, source.seed)
        return import_folder(virtual_clinic(spec, cache, _silent), "uom", spec.time_zone).traces
    folder = data / source.folder
    if not folder.is_dir():
        raise Failure(
            found=f"no folder {folder}",
            expected=f"the export of clinic {clinic.name} in layout {source.layout}",
            consequence="No study was run.",
            remedy="give the folder that holds it with --data",
            code=ExitCode.MISSING_INPUT,
        )
    return import_folder(folder, source.layout, source.time_zone).traces


def _silent(done: int, total: int) -> None:
    return None


def _people(protocol: Protocol, clinic: Clinic, traces: Sequence[Trace]) -> ClinicPeople:
    able, left_out = [], []
    for trace in traces:
        try:
            able.append(person_of(trace, protocol))
        except CalibrationError as error:
            left_out.append(str(error))
    held_out = split_new(
        protocol.study, [one.trace.patient for one in able], clinic.hold_out_patients
    )
    return ClinicPeople(
        name=clinic.name,
        takes_part=clinic.role == "member",
        members=tuple(one for one in able if one.trace.patient not in held_out),
        new=tuple(one for one in able if one.trace.patient in held_out),
        left_out=tuple(left_out),
    )
