"""The same study under Flower's own runtime: `flwr run` on a SuperLink of our own, with Ray.

Agents stay outside of Flower, each behind its Unix socket, as at a clinic: the bundle that Flower
carries holds no data. What is started here is stopped here, by its process group.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

from client.serve import AgentServer, Answer, Judge
from study.failure import ExitCode, Failure

APP = Path(__file__).resolve().parents[1]
CONNECTION = "rehearsal"
START_S, STOP_S = 60.0, 20.0
QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "OMP_NUM_THREADS": "1",
}


def is_installed() -> bool:
    """Whether `pip install 'insula[flower]'` was done: Ray is there."""
    return find_spec("ray") is not None


@contextmanager
def behind_sockets(agents: Sequence[tuple[Answer, Judge]], folder: Path) -> Iterator[None]:
    """Each agent answers on `folder`/PLACE.sock, PLACE being its place in the sequence from 0.

    With each comes the judge that sees the bytes of its answers last.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for place, (agent, judge) in enumerate(agents):
            server = stack.enter_context(AgentServer(agent, folder / f"{place}.sock", judge))
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            stack.callback(server.shutdown)
        yield


def run_under_flower(settings: Mapping[str, Path], nodes: int, home: Path, timeout_s: float) -> str:
    """`flwr run` of this repository with run settings of its own; what it printed.

    `home` becomes FLWR_HOME. A Failure with the last lines if it ends badly or too late.
    """
    port, control = _free_ports(2)
    environment = _environment(home, port)
    with _superlink(environment, home, port, control):
        # The value is TOML; a path in double quotes is a TOML string.
        chosen = " ".join(f'{key}="{value}"' for key, value in settings.items())
        command = [_program("flwr"), "run", str(APP), CONNECTION, "--stream", "-c", chosen]
        command += ["--federation-config", f"num-supernodes={nodes} client-resources-num-cpus=1"]
        try:
            done = subprocess.run(
                command,
                env=environment,
                cwd=home,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired as error:
            raise _ended_badly(f"`flwr run` still running after {timeout_s:g} s", home) from error
    # Flower ends well even where the app did not: only the body says that the study is over.
    if done.returncode or not (settings["out"] / "body.safetensors").is_file():
        raise _ended_badly(f"`flwr run` ended with {done.returncode}: {done.stdout[-2000:]}", home)
    return done.stdout


@contextmanager
def _superlink(
    environment: Mapping[str, str], home: Path, port: int, control: int
) -> Iterator[None]:
    command = [_program("flower-superlink"), "--insecure", "--simulation"]
    command += ["--isolation", "subprocess", "--disable-runtime-dependency-installation"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    command += ["--control-api-address", f"127.0.0.1:{control}"]
    with (home / "superlink.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=home,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_for(port, process, home)
            yield
        finally:
            _stop(process)


def _wait_for(port: int, process: subprocess.Popen[bytes], home: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise _ended_badly("a SuperLink that did not start", home)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the SuperLink and whatever it started: the process group that it leads."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(STOP_S)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def _environment(home: Path, port: int) -> dict[str, str]:
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.toml").write_text(
        f'[superlink]\ndefault = "{CONNECTION}"\n[superlink.{CONNECTION}]\n'
        f'address = "127.0.0.1:{port}"\ninsecure = true\n',
        encoding="utf-8",
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, **QUIET, "FLWR_HOME": str(home), "PATH": path}


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _ended_badly(found: str, home: Path) -> Failure:
    log = home / "superlink.log"
    tail = log.read_text(errors="replace")[-2000:] if log.is_file() else ""
    return Failure(
        found=f"{found}\n{tail}",
        expected="a run of Flower that ends well",
        consequence="The study was not run under Flower.",
        remedy=f"read {log}; install the extra: pip install 'insula[flower]'",
        code=ExitCode.INTERNAL,
    )
