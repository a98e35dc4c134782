"""The relay's process: Flower's SuperNode with this clinic's node key, its pinned CA and its agent.

The only connection it makes is to the SuperLink; nothing outside the machine connects to it.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from client.site_folder import CA, NODE_KEY
from study.failure import ExitCode, Failure

QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
RUNTIME_PORT = 9094


@dataclass(frozen=True)
class Relay:
    """A clinic's relay: its site folder, the agent's socket, and the SuperLink as HOST:PORT.

    `port` is on the loopback interface, for the processes that the SuperNode starts.
    """

    site: Path
    socket: Path
    superlink: str
    port: int = RUNTIME_PORT

    def command(self) -> list[str]:
        """The words of the SuperNode's command; a Failure if key or CA is not there."""
        for path in (self.site / NODE_KEY, self.site / CA):
            if not path.is_file():
                raise _missing(path)
        return [
            str(Path(sys.executable).parent / "flower-supernode"),
            *("--superlink", self.superlink),
            *("--root-certificates", str((self.site / CA).resolve())),
            *("--auth-supernode-private-key", str((self.site / NODE_KEY).resolve())),
            *("--node-config", f'agent="{self.socket.resolve()}"'),
            *("--host", "127.0.0.1", "--port", str(self.port)),
        ]

    def environment(self, outside: Mapping[str, str]) -> dict[str, str]:
        """The process' environment: telemetry and update check off, a Flower home of its own."""
        home = outside.get("FLWR_HOME") or str((self.site / "run" / "flower").resolve())
        path = f"{Path(sys.executable).parent}{os.pathsep}{outside.get('PATH', '')}"
        return {**outside, **QUIET, "FLWR_HOME": home, "PATH": path}


def become(relay: Relay) -> None:
    """Turn this process into the SuperNode, so that a signal to it reaches Flower itself."""
    command, environment = relay.command(), relay.environment(os.environ)
    Path(environment["FLWR_HOME"]).mkdir(mode=0o700, parents=True, exist_ok=True)
    os.execve(command[0], command, environment)


def _missing(path: Path) -> Failure:
    return Failure(
        found=f"no file {path}",
        expected="the node key of this clinic, and the CA of the study's server",
        consequence="The relay did not start.",
        remedy="put the coordinator's ca.pem there; make a node key for this clinic",
        code=ExitCode.MISSING_INPUT,
    )
