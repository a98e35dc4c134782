"""Where a study over the network stands, read from its run folder alone: nobody is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, starmap
from pathlib import Path

from server.app_ending import BODY, is_held, is_over, read_failure
from server.deployment import NETWORK, TERMS, read_terms
from server.run_view import Broken, RoundView, read_run
from study.failure import ExitCode, Failure


@dataclass(frozen=True)
class RoundStatus:
    """One round: who took part, who did not and why, and the seconds it took."""

    round: int
    took_part: tuple[str, ...]
    refused: dict[str, str]
    seconds: float


@dataclass(frozen=True)
class Status:
    """`state` is running, stopped or finished; `phase` what is done now in round `round`.

    `seconds` is how long that phase has lasted, or lasted until the study stopped.
    """

    study: str
    state: str
    phase: str
    round: int
    rounds: int
    seconds: float
    done: tuple[RoundStatus, ...]
    failure: str | None


def status(run: Path, now_s: float) -> Status:
    """The status of a run folder that `insula study start` wrote; `now_s` since 1970.

    Rounds are those that the dashboard shows (server/run_view.py). A Failure where the folder is
    none of a start, or a file in it is broken.
    """
    read_terms(run)
    view = read_run(run)
    if view.broken or view.protocol is None:
        raise _broken(run, view.broken)
    began_s = (run / NETWORK / TERMS).stat().st_mtime
    over = [one for one in view.rounds if one.phase == "over"]
    ends_s = [began_s, *(one.over_s or began_s for one in over)]
    finished, running = is_over(run), is_held(run / NETWORK / "lock")
    failure = read_failure(run)
    return Status(
        study=view.study,
        state="finished" if finished else "running" if running else "stopped",
        phase=_phase(run, any(one.phase == "replied" for one in view.rounds)),
        round=min(len(over) + 1, view.protocol.release.rounds),
        rounds=view.protocol.release.rounds,
        seconds=0.0 if finished else round(now_s - ends_s[-1], 1),
        done=tuple(starmap(_done, zip(over, pairwise(ends_s), strict=True))),
        failure=failure.found if failure is not None and not finished else None,
    )


def _done(one: RoundView, between_s: tuple[float, float]) -> RoundStatus:
    refused = {name: code for name, code in one.codes.items() if name not in one.took_part}
    return RoundStatus(one.number, one.took_part, refused, round(between_s[1] - between_s[0], 1))


def _broken(run: Path, broken: Sequence[Broken]) -> Failure:
    what = "; ".join(f"{one.name}, which {one.why}" for one in broken) or "no protocol.yaml"
    return Failure(
        found=f"in {run}: {what}",
        expected="the files of a study as the server writes them",
        consequence="Nothing is said of how the study goes.",
        remedy="keep the folder as it is; `insula study dashboard RUN` shows what can be read",
        code=ExitCode.BAD_DATA,
    )


def _phase(run: Path, answered: bool) -> str:
    if is_over(run):
        return "over"
    if (run / BODY).is_file():
        return "witnessing the last ledgers"
    return "averaging" if answered else "asking the clinics"
