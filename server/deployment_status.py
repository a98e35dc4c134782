"""Where a study over the network stands, read from its run folder alone: nobody is asked."""

from dataclasses import dataclass
from pathlib import Path

from server.app_ending import BODY, is_held, is_over, read_failure
from server.deployment import NETWORK, checkpoints_of, read_terms
from study.protocol import read_protocol


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
    """The status of a run folder that `insula study start` wrote; `now_s` since 1970."""
    terms = read_terms(run)
    protocol = read_protocol(Path(terms.protocol))
    checkpoints = checkpoints_of(terms, protocol, run)
    done, since_s = [], (run / NETWORK / "terms.json").stat().st_mtime
    for one in checkpoints.finished():
        over_s = checkpoints.path(one.round_number, "round").stat().st_mtime
        seconds = round(over_s - since_s, 1)
        done.append(RoundStatus(one.round_number, one.took_part, dict(one.refused), seconds))
        since_s = over_s
    total, finished = protocol.release.rounds, is_over(run)
    answered = checkpoints.path(len(done) + 1, "replies").is_file()
    failure = read_failure(run)
    running = is_held(run / NETWORK / "lock")
    return Status(
        study=protocol.study,
        state="finished" if finished else "running" if running else "stopped",
        phase=_phase(run, answered),
        round=min(len(done) + 1, total),
        rounds=total,
        seconds=0.0 if finished else round(now_s - since_s, 1),
        done=tuple(done),
        failure=failure.found if failure is not None and not finished else None,
    )


def _phase(run: Path, answered: bool) -> str:
    if is_over(run):
        return "over"
    if (run / BODY).is_file():
        return "witnessing the last ledgers"
    return "averaging" if answered else "asking the clinics"
