"""Lives that were lived already, one file each: a stop loses nothing, and the same command goes on.

A folder belongs to one way of titrating (weeks, days between visits, how far settings are amiss,
whom); worlds, seeds, people and arms may be added to it. It does not know the code: whoever changes
a rule takes a new folder.
"""

from dataclasses import asdict
from pathlib import Path

from simulations.kept_file import Plain, keep, read_kept
from simulations.titration import Job, Titrated, Titration, titrated
from study.failure import ExitCode, Failure

WAY = "way.json"
WHO = ("people", "seeds", "arms", "worlds")
"""What of a plan says whom and by which arms: a folder may hold more of them than one plan asks."""


def opened(folder: Path, plan: Titration) -> Path:
    """The folder, made if it is not there; a Failure where it holds lives of another way."""
    way = {name: value for name, value in asdict(plan).items() if name not in WHO}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / WAY
    found = _read(path)
    if found is None:
        if any(folder.glob("*.json")):
            raise _unfit(folder, "lives of which it is not said how they were led")
        keep(path, way)
    elif found != way:
        raise _unfit(folder, f"lives led by {found}, not by {way}")
    return folder


def kept(plan: Titration, folder: Path, job: Job) -> Titrated:
    """One life in one arm, read where it was lived already, lived and written where not."""
    path = folder / f"{'-'.join(map(str, job)).replace(' ', '-')}.json"
    held = _read(path)
    if held is None:
        held = keep(path, asdict(titrated(plan, job)))
    try:
        return Titrated(**held)
    except TypeError as error:
        raise _unfit(folder, f"a file {path.name} that holds no life ({error})") from error


def _read(path: Path) -> Plain | None:
    try:
        return read_kept(path)
    except ValueError as error:
        raise _unfit(path.parent, f"a file {path.name} that is no JSON ({error})") from error


def _unfit(folder: Path, found: str) -> Failure:
    return Failure(
        found=f"{folder} holds {found}",
        expected="an empty folder, or one of the same weeks, visits, settings and people",
        consequence="Nobody was titrated.",
        remedy="name another folder with --keep",
        code=ExitCode.USAGE,
    )
