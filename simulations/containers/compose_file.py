"""What a compose file says of each service, as words for `docker run` or `podman run`.

Only the keys of this repository's files are known; any other is a Failure, so that no setting of a
file is passed over in silence.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from study.failure import ExitCode, Failure

NAME = re.compile(r"\$(?:\$|\{(\w+)(?:(:-|:\?)([^}]*))?\})")
SWITCHES = {"read_only": "--read-only", "init": "--init"}
ONE_WORD = {
    "user": "--user",
    "mem_limit": "--memory",
    "pids_limit": "--pids-limit",
    "network_mode": "--network",
    "hostname": "--hostname",
}
LISTS = {
    "cap_drop": "--cap-drop",
    "cap_add": "--cap-add",
    "security_opt": "--security-opt",
    "tmpfs": "--tmpfs",
    "ports": "--publish",
}
HEALTH = {
    "interval": "--health-interval",
    "timeout": "--health-timeout",
    "start_period": "--health-start-period",
}
ELSEWHERE = {"restart", "depends_on", "build", "image", "command", "logging", "profiles"}
"""Keys that choose no property of a container, or that are read by name below."""


@dataclass(frozen=True)
class Service:
    """One service: its settings as written, with every variable filled in."""

    name: str
    settings: Mapping[str, Any]
    folder: Path

    @property
    def image(self) -> str:
        """The image's name."""
        return str(self.settings["image"])

    @property
    def command(self) -> list[str]:
        """What is said to the image's entry point."""
        return [str(word) for word in self.settings.get("command", [])]

    @property
    def needs(self) -> list[str]:
        """Services that must be healthy before this one is started."""
        return list(self.settings.get("depends_on", {}))

    def build(self) -> list[str] | None:
        """Words after `build` that make the image, all but its tag and context; None without."""
        build = self.settings.get("build")
        if build is None:
            return None
        words = ["--file", str((self.folder / build["context"] / build["dockerfile"]).resolve())]
        words += ["--target", build["target"]] if "target" in build else []
        arguments = build.get("args", {})
        return words + [word for k, v in arguments.items() for word in ("--build-arg", f"{k}={v}")]

    def run(self, project: str) -> list[str]:
        """Words after `run` that set everything the file says; image and command not included."""
        return [word for key in self.settings for word in self._words(key, project)]

    def _words(self, key: str, project: str) -> list[str]:
        value = self.settings[key]
        if key in ELSEWHERE:
            return []
        if key in SWITCHES:
            return [SWITCHES[key]] if value is True else []
        if key in ONE_WORD:
            return [ONE_WORD[key], str(value)]
        if key in LISTS:
            return [word for each in value for word in (LISTS[key], str(each))]
        if key == "environment":
            return [word for k, v in value.items() for word in ("--env", f"{k}={v}")]
        if key == "volumes":
            return [word for each in value for word in ("--volume", self._volume(each, project))]
        if key == "networks":
            names = [f"{project}_{each}" for each in value]
            return ["--network", ",".join(names), "--network-alias", self.name]
        if key == "healthcheck":
            return _health(value)
        raise unknown(f"{self.name}.{key}", self.folder)

    def _volume(self, written: str, project: str) -> str:
        """A folder of this machine by its whole path; a named volume with the project's name."""
        source, inside = written.split(":", 1)
        if source.startswith((".", "/")):
            return f"{(self.folder / source).resolve()}:{inside}"
        return f"{project}_{source}:{inside}"


@dataclass(frozen=True)
class Composed:
    """A whole compose file: services in the order in which they may start, networks, volumes."""

    services: tuple[Service, ...]
    networks: Mapping[str, Mapping[str, Any]]
    volumes: Mapping[str, Mapping[str, Any]]

    def volume_words(self, name: str) -> list[str]:
        """Words after `volume create` for a named volume, its name not included."""
        settings = self.volumes[name] or {}
        options = settings.get("driver_opts", {})
        words = ["--driver", settings.get("driver", "local")]
        return words + [word for k, v in options.items() for word in ("--opt", f"{k}={v}")]

    def network_words(self, name: str) -> list[str]:
        """Words after `network create` for a network, its name not included."""
        return ["--internal"] if (self.networks[name] or {}).get("internal") else []


def read_compose(path: Path, variables: Mapping[str, str]) -> Composed:
    """A compose file with its variables filled in; a Failure for one that is required and absent.

    Relative folders count from the folder of `path`, as Compose has it.
    """
    plain = _filled(yaml.safe_load(path.read_text(encoding="utf-8")), variables)
    beside = {key for key in plain if not key.startswith("x-")}
    for key in sorted(beside - {"name", "services", "networks", "volumes"}):
        raise unknown(key, path)
    services = [Service(name, it, path.parent) for name, it in plain["services"].items()]
    return Composed(
        tuple(_in_order(services)), plain.get("networks") or {}, plain.get("volumes") or {}
    )


def unknown(key: str, place: Path) -> Failure:
    """A key that no container was ever started with."""
    return Failure(
        found=f"{key} in {place}",
        expected="keys that the rehearsal in containers knows",
        consequence="No container was started, for it would lack what the file says.",
        remedy="teach simulations/containers/compose_file.py the key",
        code=ExitCode.USAGE,
    )


def _health(check: Mapping[str, Any]) -> list[str]:
    words = check["test"]
    if words[0] != "CMD":
        raise unknown(f"healthcheck.test {words[0]}", Path("a compose file"))
    command = ["--health-cmd", shlex.join(words[1:])]
    return command + [word for k, flag in HEALTH.items() if k in check for word in (flag, check[k])]


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return NAME.sub(lambda found: _variable(found, variables), value)
    if isinstance(value, Mapping):
        return {key: _filled(each, variables) for key, each in value.items()}
    if isinstance(value, Sequence):
        return [_filled(each, variables) for each in value]
    return value


def _variable(found: re.Match[str], variables: Mapping[str, str]) -> str:
    name, kind, rest = found.groups()
    if name is None:
        return "$"
    if variables.get(name):
        return variables[name]
    if kind == ":-":
        return str(rest)
    raise Failure(
        found=f"no value for {name}" + (f" ({rest})" if rest else ""),
        expected="a value in the environment or in .env",
        consequence="No container was started.",
        remedy=f"set {name}",
        code=ExitCode.MISSING_INPUT,
    )


def _in_order(services: list[Service]) -> Iterator[Service]:
    """Each after those it needs; the order of the file otherwise."""
    started: set[str] = set()
    waiting = list(services)
    while waiting:
        ready = [one for one in waiting if started.issuperset(one.needs)]
        if not ready:
            raise unknown(f"depends_on of {waiting[0].name}", waiting[0].folder)
        yield ready[0]
        started.add(ready[0].name)
        waiting.remove(ready[0])
