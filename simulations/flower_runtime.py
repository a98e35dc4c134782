"""The same study under Flower's own runtime: `flwr run` on a SuperLink of our own, with Ray.

Agents stay outside of Flower, each behind its Unix socket, as at a clinic: the bundle that Flower
carries holds no data. server/superlink.py starts the SuperLink and stops it.
"""

import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

from client.serve import AgentServer, Answer, Judge
from server.superlink import (
    LOG,
    LOOPBACK,
    environment,
    free_ports,
    program,
    running,
    write_connection,
)
from study.failure import ExitCode, Failure

APP = Path(__file__).resolve().parents[1]
CONNECTION = "rehearsal"
RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


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
    port, control = free_ports(2)
    home.mkdir(parents=True, exist_ok=True)
    write_connection(home, CONNECTION, f"{LOOPBACK}:{port}", None)
    variables = {**environment(home), **RAY, "FLWR_HOME": str(home)}
    words = [program("flower-superlink"), "--insecure", "--simulation"]
    words += ["--isolation", "subprocess", "--disable-runtime-dependency-installation"]
    words += ["--host", LOOPBACK, "--port", str(port)]
    words += ["--control-api-address", f"{LOOPBACK}:{control}"]
    with running(home, words, variables, port):
        # The value is TOML; a path in double quotes is a TOML string.
        chosen = " ".join(f'{key}="{value}"' for key, value in settings.items())
        command = [program("flwr"), "run", str(APP), CONNECTION, "--stream", "-c", chosen]
        command += ["--federation-config", f"num-supernodes={nodes} client-resources-num-cpus=1"]
        try:
            done = subprocess.run(
                command,
                env=variables,
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


def _ended_badly(found: str, home: Path) -> Failure:
    log = home / LOG
    tail = log.read_text(errors="replace")[-2000:] if log.is_file() else ""
    return Failure(
        found=f"{found}\n{tail}",
        expected="a run of Flower that ends well",
        consequence="The study was not run under Flower.",
        remedy=f"read {log}; install the extra: pip install 'insula[flower]'",
        code=ExitCode.INTERNAL,
    )
