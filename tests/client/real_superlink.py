"""Flower's own SuperLink over TLS with node authentication, for tests that ask the real thing."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_S = 90.0
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class RunningLink:
    """A SuperLink that answers, the CA that sites pin, and a home for the coordinator's `flwr`."""

    port: int
    ca: Path
    home: Path

    def register(self, public_key: Path) -> int:
        """Let in the node of this public key, as a coordinator does; its number."""
        words: list[str | Path] = [
            BIN / "flwr",
            "supernode",
            "register",
            public_key,
            "local",
            "--format",
            "json",
        ]
        said = subprocess.run(
            words, env=_environment(self.home), capture_output=True, text=True, check=True
        )
        return int(json.loads(said.stdout[said.stdout.index("{") :])["node-id"])


@contextmanager
def superlink(folder: Path, ca: Path, certificate: tuple[Path, Path]) -> Iterator[RunningLink]:
    """A SuperLink with this certificate and key, on the loopback interface; stopped in the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    home = folder / "flwr"
    home.mkdir()
    (home / "config.toml").write_text(
        '[superlink]\ndefault = "local"\n[superlink.local]\n'
        f'address = "127.0.0.1:{port}"\nroot-certificates = "{ca}"\n'
    )
    words: list[str | Path] = [BIN / "flower-superlink", "--host", "127.0.0.1", "--port", str(port)]
    words += ["--ssl-ca-certfile", ca, "--ssl-certfile", certificate[0]]
    words += ["--ssl-keyfile", certificate[1], "--enable-supernode-auth"]
    words += ["--disable-runtime-dependency-installation"]
    with (folder / "superlink.txt").open("wb") as log:
        process = subprocess.Popen(
            words, env=_environment(home), stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait_for(port, process, folder / "superlink.txt")
        yield RunningLink(port, ca, home)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"no SuperLink: {log.read_text(errors='replace')[-2000:]}")


def _environment(home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "FLWR_HOME": str(home),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}",
    }
