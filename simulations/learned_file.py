"""What was found of each person of `insula simulate own-effects`, kept as soon as it is found."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.own_effect import CHOSEN
from simulations.effect_trials import Foretold, Learned, judge
from simulations.kept_file import add_line, read_lines
from simulations.padova_parameters import PadovaPatient
from simulations.padova_world import World
from study.failure import ExitCode, Failure


def judged_once(file: Path | None, seed: int, who: tuple[PadovaPatient, World]) -> Learned | None:
    """One person judged, or read from the file where that run stands there already.

    A run is known by its person, world and seed, and by the doubt it was learned with: another
    doubt is another run. None where the record bears no twin, which is kept too.
    """
    if file is None:
        return judge(seed, who)
    run = {"patient": who[0].name, "world": who[1], "seed": seed, "doubt": asdict(CHOSEN)}
    for known in _lines(file):
        if known["run"] == run:
            return _learned(known["found"])
    found = judge(seed, who)
    plain = None if found is None else asdict(found)
    add_line(file, {"run": run, "found": plain})
    return found


def _lines(file: Path) -> list[dict[str, Any]]:
    try:
        lines = read_lines(file)
        if all({"run", "found"} <= {*line} for line in lines):
            return lines
        found = "a line without a run"
    except (OSError, ValueError, TypeError) as error:
        found = str(error)
    raise Failure(
        found=f"{file.name}, which holds no kept runs ({found})",
        expected="the file of an earlier `insula simulate own-effects --kept`, or none",
        consequence="Nobody was judged.",
        remedy="name another file, or move this one away",
        code=ExitCode.BAD_DATA,
    )


def _learned(plain: Mapping[str, Any] | None) -> Learned | None:
    if plain is None:
        return None
    days = tuple(
        Foretold(day["true"], _interval(day["population"]), _interval(day["own"]))
        for day in plain["days"]
    )
    return Learned(plain["patient"], plain["world"], plain["bouts"], tuple(plain["learned"]), days)


def _interval(plain: Mapping[str, Any]) -> dict[str, tuple[float, float, float]]:
    return {name: (one[0], one[1], one[2]) for name, one in plain.items()}
