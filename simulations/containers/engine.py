"""Docker or Podman by their commands: what is built, started, asked and taken away again."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulations.containers.compose_file import Composed, Service
from study.failure import ExitCode, Failure

ENGINES = ("docker", "podman")
ASK_S, BUILD_S = 120.0, 1800.0
# Podman takes its limits from the machine; where that may not raise them, these are low enough.
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096")
# With a read-only root Podman adds /run and /var/tmp in memory; the files ask for no such thing.
PODMAN_RUN = (*LIMITS, "--read-only-tmpfs=false")
# Without a namespace of their own, build steps work inside a container or a virtual machine too.
PODMAN_BUILD = ("--isolation", "chroot", "--network", "host", "--format", "docker")


@dataclass(frozen=True)
class Engine:
    """One of the two, by its command."""

    program: str

    @property
    def is_podman(self) -> bool:
        """Whether it is Podman."""
        return Path(self.program).name == "podman"

    def ask(self, *words: str, limit_s: float = ASK_S) -> str:
        """What the engine prints; a Failure with its words if it ends badly."""
        command = [self.program, *words]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit_s, check=False, env=environment()
        )
        if done.returncode:
            raise _refused(command, done.returncode, done.stderr)
        return done.stdout

    def is_there(self) -> bool:
        """Whether it can be used: installed, its service (Docker's) running, and permitted."""
        if shutil.which(self.program) is None:
            return False
        command = [self.program, "info"]
        done = subprocess.run(command, capture_output=True, timeout=ASK_S, check=False)
        return done.returncode == 0

    def build(self, service: Service, context: Path, more: Sequence[str]) -> None:
        """Make a service's image as its file says, unless every layer of it is made already."""
        words = service.build()
        if words is None:
            return
        own = PODMAN_BUILD if self.is_podman else ()
        command = ["build", *own, *words, *more, "--tag", service.image, str(context)]
        self.ask(*command, limit_s=BUILD_S)

    def size_mb(self, image: str) -> float:
        """Bytes of an image with its base, in units of 10^6."""
        return int(self.ask("image", "inspect", "--format", "{{.Size}}", image)) / 1e6

    def start(self, service: Service, project: str) -> str:
        """Start a service's container; its name."""
        name = f"{project}_{service.name}"
        own = PODMAN_RUN if self.is_podman else ()
        words = ["run", "--detach", "--name", name, *own, *service.run(project)]
        self.ask(*words, service.image, *service.command)
        return name

    def once(self, image: str, network: str, python: str) -> None:
        """Run some Python in an image, on a network, and take the container away."""
        own = PODMAN_RUN if self.is_podman else ()
        words = ["run", "--rm", "--network", network, *own, "--entrypoint", "python"]
        self.ask(*words, image, "-c", python)

    def at(self, service: Service, network: str, mount: str, *words: str) -> str:
        """What an image of a service says to these words on a network, with one mount, once."""
        own = PODMAN_RUN if self.is_podman else ()
        user = str(service.settings["user"])
        run = ["run", "--rm", "--network", network, "--user", user, "--volume", mount]
        return self.ask(*run, *own, service.image, *words)

    def inspect(self, container: str) -> Mapping[str, Any]:
        """All that the engine says of a container."""
        said: list[Mapping[str, Any]] = json.loads(self.ask("inspect", container))
        return said[0]

    def read(self, container: str, path: str) -> str:
        """A file as the container's own user sees it."""
        return self.ask("exec", container, "cat", path)

    def published(self, container: str) -> str:
        """The URL at which this machine reaches the one port that a container publishes."""
        ports = self.inspect(container)["NetworkSettings"]["Ports"]
        (place,) = [one for where in ports.values() for one in where or ()]
        return f"http://{place['HostIp']}:{place['HostPort']}/"

    def state(self, container: str) -> tuple[bool, int]:
        """Whether a container runs, and the exit code of one that ended."""
        said = self.inspect(container)["State"]
        return bool(said["Running"]), int(said["ExitCode"])

    def is_healthy(self, container: str) -> bool:
        """The verdict of the container's own health check."""
        if self.is_podman:  # whose checks run by themselves only under systemd
            command = [self.program, "healthcheck", "run", container]
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        return bool(self.inspect(container)["State"]["Health"]["Status"] == "healthy")

    def wait_healthy(self, container: str, limit_s: float) -> None:
        """Return once it is healthy; a Failure with the container's last words if it is not."""
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            if self.is_healthy(container):
                return
            if not self.state(container)[0]:
                break
            time.sleep(0.5)
        raise _unwell(container, self.last_words(container))

    def last_words(self, container: str) -> str:
        """The end of what a container printed."""
        command = [self.program, "logs", "--tail", "30", container]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        return done.stdout

    def prepare(self, composed: Composed, project: str) -> None:
        """Make the networks and named volumes of a file."""
        for name in composed.networks:
            self.ask("network", "create", *composed.network_words(name), f"{project}_{name}")
        for name in composed.volumes:
            self.ask("volume", "create", *composed.volume_words(name), f"{project}_{name}")

    def bridge(self, network: str) -> str:
        """The name of a network's interface on this machine."""
        said = json.loads(self.ask("network", "inspect", network))[0]
        return str(said.get("network_interface") or f"br-{said.get('Id', said.get('id'))[:12]}")

    def remove(self, composed: Composed, project: str) -> None:
        """Take away whatever of a file is there: containers, networks and volumes, not images."""
        for kind, names in (
            ("container", [one.name for one in composed.services]),
            ("network", list(composed.networks)),
            ("volume", list(composed.volumes)),
        ):
            force = ["--force", "--time", "2"] if self.is_podman else ["--force"]
            words = force if kind == "container" else []
            for name in names:
                command = [self.program, kind, "rm", *words, f"{project}_{name}"]
                subprocess.run(command, capture_output=True, check=False)


def environment() -> dict[str, str]:
    """This process' environment, with BuildKit on: the files mount a cache."""
    return {**os.environ, "DOCKER_BUILDKIT": "1"}


def find_engine(wanted: str | None) -> Engine:
    """The engine asked for, or the first that can be used; a Failure if there is none."""
    for program in (wanted,) if wanted else ENGINES:
        engine = Engine(program)
        if engine.is_there():
            return engine
    raise Failure(
        found=f"no {wanted or 'Docker or Podman'} that this user may use",
        expected="one of them installed, its service running",
        consequence="Nothing was built or started.",
        remedy="install Docker Engine or Podman; docs/containers.md lists what Podman needs",
        code=ExitCode.MISSING_INPUT,
    )


def _refused(command: Sequence[str], code: int, said: str) -> Failure:
    return Failure(
        found=f"`{' '.join(command)}` ended with {code}: {said.strip()[-3000:]}",
        expected="0",
        consequence="The rehearsal in containers stopped.",
        remedy="run the command by hand",
        code=ExitCode.INTERNAL,
    )


def _unwell(container: str, said: str) -> Failure:
    return Failure(
        found=f"{container}, which did not become healthy. It said:\n{said}",
        expected="a container that does its part",
        consequence="The study in containers did not run.",
        remedy="read what it said",
        code=ExitCode.INTERNAL,
    )
