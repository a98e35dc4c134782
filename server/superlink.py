"""Flower's SuperLink as a child of the command that runs the study, and what is asked of it.

Nothing else starts or stops one. A study's listens on the loopback interface with a certificate of
its own, made for this start; the network reaches it through server/fleet_door.py alone. Telemetry,
update check and installation of packages at run time are off. It dies with who started it.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from server.certificates import CA, SERVER, SERVER_KEY, make_certificates, utc_now
from study.failure import ExitCode, Failure

CONNECTION = "study"
LOOPBACK = "127.0.0.1"
LOG = "superlink.log"
START_S, STOP_S, ASK_S = 120.0, 10.0, 240.0
QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "OMP_NUM_THREADS": "1",
}
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Identity:
    """The CA by which a SuperLink is known, its certificate and key."""

    ca: Path
    certificate: Path
    key: Path


@dataclass(frozen=True)
class SuperLink:
    """A running SuperLink: its folder, its port on the loopback interface, its process, its CA."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    ca: Path

    def register(self, clinic: str, public_key: str) -> int:
        """Let the node of this key in; its number. A key that is in already keeps its number."""
        key = self.folder / "nodes" / f"{clinic}.pub"
        key.parent.mkdir(exist_ok=True)
        key.write_text(public_key + "\n", encoding="ascii")
        said = self._flwr("supernode", "register", str(key), CONNECTION, "--format", "json")
        number = said.get("node-id")
        if not isinstance(number, int):
            raise _ended(f"no node number for {clinic}: {said}", self.folder)
        return number

    def submit(self, app: Path, settings: Mapping[str, str]) -> str:
        """Start a run of the app with these settings; its number."""
        # The value is TOML; JSON's strings are TOML's.
        chosen = " ".join(f"{key}={json.dumps(value)}" for key, value in settings.items())
        said = self._flwr("run", str(app), CONNECTION, "-c", chosen, "--format", "json")
        if not said.get("success"):
            raise _ended(f"a run that did not start: {said}", self.folder)
        return str(said["run-id"])

    def _flwr(self, *words: str) -> dict[str, object]:
        """What `flwr` answers, from its last line of JSON."""
        done = subprocess.run(
            [program("flwr"), *words],
            env=environment(self.folder),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=ASK_S,
            check=False,
        )
        start = done.stdout.find("{")
        try:
            said = json.loads(done.stdout[start:]) if start >= 0 else None
        except ValueError:
            said = None
        if not isinstance(said, dict):
            words_said = (done.stdout + done.stderr)[-1500:]
            raise _ended(
                f"`flwr {words[0]}` ended with {done.returncode}: {words_said}", self.folder
            )
        return said


@contextmanager
def superlink(folder: Path, identity: Identity | None = None) -> Iterator[SuperLink]:
    """A SuperLink with its database in `folder`, stopped with all it started in the end.

    Its certificate is made for this start alone if it is given none.
    """
    own = identity or _new_identity(folder / "inner")
    port = free_port()
    write_connection(folder / "flower", CONNECTION, f"{LOOPBACK}:{port}", own.ca)
    with running(folder, command(folder, port, own), environment(folder), port) as process:
        yield SuperLink(folder, port, process, own.ca)


@contextmanager
def running(
    folder: Path, words: Sequence[str], variables: Mapping[str, str], port: int
) -> Iterator[subprocess.Popen[bytes]]:
    """A SuperLink by its command, listening on `port` from the first line of the block on.

    Its words go to `folder`/superlink.log. It and whatever it started end with the block, and with
    this process. Raises Failure NO_SUPERLINK where it does not come to listen.
    """
    with (folder / LOG).open("ab") as log:
        process = subprocess.Popen(
            words,
            env=variables,
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
    try:
        _wait_for(port, process, folder)
        yield process
    finally:
        stop(process)


def command(folder: Path, port: int, identity: Identity) -> list[str]:
    """The words of the SuperLink's command."""
    return [
        program("flower-superlink"),
        *("--host", LOOPBACK, "--port", str(port)),
        *("--ssl-ca-certfile", str(identity.ca)),
        *("--ssl-certfile", str(identity.certificate), "--ssl-keyfile", str(identity.key)),
        "--enable-supernode-auth",
        *("--database", str(folder / "superlink.db")),
        *("--isolation", "subprocess", "--disable-runtime-dependency-installation"),
    ]


def _new_identity(folder: Path) -> Identity:
    own = Identity(*(folder / name for name in (CA, SERVER, SERVER_KEY)))
    for path in (own.ca, own.certificate, own.key):
        path.unlink(missing_ok=True)
    make_certificates(folder, [LOOPBACK, "localhost"], utc_now())
    return own


def environment(folder: Path) -> dict[str, str]:
    """This process' environment, made quiet, with a Flower home in `folder`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, **QUIET, "FLWR_HOME": str(folder / "flower"), "PATH": path}


def program(name: str) -> str:
    """A command of the environment that this Python is of."""
    return str(Path(sys.executable).parent / name)


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """So many different ports of the loopback interface that nobody listens on."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a process and whatever it started: the process group that it leads."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(STOP_S)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def _die_with_parent() -> None:
    """In the child: end when the process that started it does, even if that one is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def write_connection(home: Path, name: str, address: str, ca: Path | None) -> None:
    """Tell `flwr`, whose home this is, of a SuperLink; without a CA it speaks to it in clear."""
    home.mkdir(parents=True, exist_ok=True)
    trust = "insecure = true" if ca is None else f"root-certificates = {json.dumps(str(ca))}"
    lines = ["[superlink]", f'default = "{name}"', f"[superlink.{name}]"]
    lines += [f'address = "{address}"', trust]
    (home / "config.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _wait_for(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex((LOOPBACK, port)) == 0:
                return
        time.sleep(0.1)
    raise _ended("a SuperLink that did not start", folder)


def _ended(found: str, folder: Path) -> Failure:
    log = folder / LOG
    tail = log.read_text(errors="replace")[-1500:] if log.is_file() else ""
    return Failure(
        found=f"{found}\n{tail}",
        expected="a SuperLink that answers",
        consequence="The study is not running; finished rounds are kept.",
        remedy=f"read {log}, then `insula study resume RUN`",
        code=ExitCode.NO_SUPERLINK,
    )
