"""A study over the network: SuperLink, door and ServerApp, from start to the last round.

What this command started ends with it. Everything lies in the run folder: `server/` has the phases
that are over, `network/` what a resumed start needs again.
"""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from server.app_ending import is_held, is_over, read_failure, running_lock
from server.certificates import CA, SERVER, SERVER_KEY
from server.checkpoint import Checkpoints, replace_whole, vector_sha256
from server.deployed_record import record_of
from server.fleet_door import Door, open_door
from server.metric_round import metrics_told
from server.nodes import read_nodes
from server.run_record import write_run_record
from server.superlink import SuperLink, superlink
from study.failure import ExitCode, Failure
from study.protocol import Protocol, read_protocol
from study.public_start import read_public_start

NETWORK, TERMS, NODES, PROTOCOL = "network", "terms.json", "nodes.json", "protocol.yaml"
APP = Path(__file__).resolve().parents[1]
BEGIN_S, LOOK_S = 300.0, 0.3

Say = Callable[[str], None]


@dataclass(frozen=True)
class Terms:
    """What a start was told, all paths absolute: enough to resume it."""

    protocol: str
    public_start: str
    tls: str
    nodes: str
    host: str
    port: int


def start(terms: Terms, run: Path, say: Say) -> None:
    """Run the study of these terms into a new folder; returns when its last round is over."""
    if (run / NETWORK).exists():
        found = f"{run}, which holds a study already"
        raise _taken(found, "a new folder", "go on with it: `insula study resume RUN`")
    protocol = _checked(terms)
    (run / NETWORK).mkdir(mode=0o700, parents=True)
    replace_whole(run / PROTOCOL, protocol.canonical().encode())
    own = {**asdict(terms), "protocol": str((run / PROTOCOL).resolve())}
    replace_whole(run / NETWORK / TERMS, json.dumps(own, indent=1).encode())
    _run(Terms(**own), protocol, run, say)


def resume(run: Path, say: Say) -> None:
    """Go on with the study of a run folder after the last phase that was written."""
    terms = read_terms(run)
    protocol = _checked(terms)
    if is_over(run):
        _write_down(terms, protocol, run)
        say("every round is over")
        return
    _run(terms, protocol, run, say)


def read_terms(run: Path) -> Terms:
    """What the start of this run folder was told."""
    try:
        return Terms(**json.loads((run / NETWORK / TERMS).read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        found = f"no study over the network in {run}: {error}"
        remedy = "start one: `insula study start PROTOCOL --out RUN`"
        raise _missing(found, "a folder that a start wrote", remedy) from error


def checkpoints_of(terms: Terms, protocol: Protocol, run: Path) -> Checkpoints:
    """The phases of this run folder's study."""
    start = read_public_start(Path(terms.public_start)).shared_vector(protocol).start()
    return Checkpoints(run / "server", protocol.digest(), vector_sha256(start))


def _write_down(terms: Terms, protocol: Protocol, run: Path) -> None:
    checkpoints = checkpoints_of(terms, protocol, run)
    told = metrics_told(protocol, checkpoints)
    write_run_record(run, record_of(run, protocol, checkpoints.finished(), told))


def _checked(terms: Terms) -> Protocol:
    """The protocol, after everything that can be wrong before a process is started."""
    protocol = read_protocol(Path(terms.protocol))
    read_nodes(Path(terms.nodes), protocol)
    read_public_start(Path(terms.public_start)).shared_vector(protocol)
    for name in (CA, SERVER, SERVER_KEY):
        if not (Path(terms.tls) / name).is_file():
            found = f"no {name} in {terms.tls}"
            remedy = "make them: `insula study certificates DIR --host NAME`"
            raise _missing(found, "the server's certificates", remedy)
    if not (APP / "pyproject.toml").is_file():
        found = f"no pyproject.toml in {APP}"
        raise _missing(found, "the source tree, of which the app is made", "run it from there")
    return protocol


def _run(terms: Terms, protocol: Protocol, run: Path, say: Say) -> None:
    folder = (run / NETWORK).resolve()
    with _alone(run):
        known = folder / NODES
        if not known.is_file():  # killed before every key was in: begin with an empty database
            (folder / "superlink.db").unlink(missing_ok=True)
        with superlink(folder) as link:
            if not known.is_file():
                numbers = {
                    link.register(clinic, key): clinic
                    for clinic, key in read_nodes(Path(terms.nodes), protocol).items()
                }
                replace_whole(known, json.dumps(numbers).encode())
            tls = Path(terms.tls)
            inner = f"https://127.0.0.1:{link.port}"
            door = Door(terms.host, terms.port, tls / SERVER, tls / SERVER_KEY, inner, link.ca)
            with open_door(door):
                say(f"{protocol.study} listens at {terms.host}:{terms.port}")
                _to_the_end(link, terms, run, say)
    _write_down(terms, protocol, run)


def _to_the_end(link: SuperLink, terms: Terms, run: Path, say: Say) -> None:
    settings = {
        "protocol": terms.protocol,
        "public-start": terms.public_start,
        "out": str(run.resolve()),
        "nodes": str(link.folder / NODES),
    }
    (run / "server").mkdir(exist_ok=True)
    read_failure(run, forget=True)
    number = link.submit(APP, settings)
    began, until = False, time.monotonic() + BEGIN_S
    while not is_over(run):
        if failure := read_failure(run):
            raise failure
        held = is_held(running_lock(run))
        if link.process.poll() is not None:
            raise _ended("a SuperLink that ended", link)
        if began and not held and not is_over(run) and not read_failure(run):
            raise _ended(f"a ServerApp that ended without a word (run {number})", link)
        if not began and time.monotonic() > until:
            raise _ended(f"no ServerApp after {BEGIN_S:g} s (run {number})", link)
        began = began or held
        time.sleep(LOOK_S)
    say("every round is over")


@contextmanager
def _alone(run: Path) -> Iterator[None]:
    """The run folder for this process alone; a Failure where another one runs it."""
    descriptor = os.open(run / NETWORK / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        found = f"{run}, which another process runs"
        remedy = "see how it goes: `insula study status RUN`"
        raise _taken(found, "one process at a time", remedy) from error
    finally:
        os.close(descriptor)


def _ended(found: str, link: SuperLink) -> Failure:
    log = link.folder / "superlink.log"
    return Failure(
        found=f"{found}\n{log.read_text(errors='replace')[-1500:]}",
        expected="a study that goes on to its last round",
        consequence="The study stopped; finished rounds are kept.",
        remedy=f"read {log}, then `insula study resume RUN`",
        code=ExitCode.NO_SUPERLINK,
    )


def _missing(found: str, expected: str, remedy: str) -> Failure:
    return Failure(
        found=found,
        expected=expected,
        consequence="The study was not started.",
        remedy=remedy,
        code=ExitCode.MISSING_INPUT,
    )


def _taken(found: str, expected: str, remedy: str) -> Failure:
    return Failure(
        found=found,
        expected=expected,
        consequence="Nothing was started, and the folder is as it was.",
        remedy=remedy,
        code=ExitCode.REFUSED,
    )
