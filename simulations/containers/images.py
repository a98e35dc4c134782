"""The images of the rehearsal: their base, how pip finds its files, their sizes and budgets."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from simulations.containers.compose_file import Composed
from simulations.containers.engine import Engine
from study.failure import ExitCode, Failure

BUDGET_MB = {"relay": 450.0, "agent": 2000.0}
MADE_HERE = "localhost/insula-base:bookworm"
PYTHON = "python3,ca-certificates,python3-pip,python3-venv"
DISPENSABLE = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale")
CACHES = ("var/cache/apt", "var/lib/apt/lists", "var/cache/debconf", "var/log")
SETTINGS = {"find-links": "PIP_FIND_LINKS", "extra-index-url": "PIP_EXTRA_INDEX_URL"}
CERTIFICATES = "PIP_CERT"
BOOTSTRAP_S = 900.0


def base_image(engine: Engine, wanted: str | None) -> str:
    """The image to build on: the one named, or Debian's Python 3.11 made here once."""
    if wanted:
        return wanted
    if not engine.is_podman or os.geteuid() != 0 or shutil.which("debootstrap") is None:
        raise Failure(
            found="no base image named",
            expected="python:3.11-slim with its digest in INSULA_BASE_IMAGE",
            consequence="No image was built.",
            remedy="docs/containers.md says how to find the digest; root with podman and "
            "debootstrap needs none",
            code=ExitCode.MISSING_INPUT,
        )
    if not engine.ask("images", "--quiet", MADE_HERE).strip():
        _bootstrap(engine)
    return MADE_HERE


def _bootstrap(engine: Engine) -> None:
    """Debian bookworm with its Python 3.11, made from Debian's packages."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        command = ["debootstrap", "--variant=minbase", f"--include={PYTHON}", "bookworm", str(root)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=BOOTSTRAP_S, check=False
        )
        if done.returncode:
            raise Failure(
                found=f"debootstrap ended with {done.returncode}: {done.stdout[-1500:]}",
                expected="a Debian bookworm with Python",
                consequence="No image was built.",
                remedy="see that Debian's packages can be reached, or name INSULA_BASE_IMAGE",
                code=ExitCode.MISSING_INPUT,
            )
        for place in (*DISPENSABLE, *CACHES):
            shutil.rmtree(root / place, ignore_errors=True)
        archive = Path(folder, "root.tar")
        subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True)
        engine.ask("import", str(archive), MADE_HERE, limit_s=BOOTSTRAP_S)


def pip_words(engine: Engine, settings: Mapping[str, str]) -> list[str]:
    """Words after `build` by which pip looks in a build where it looks on this machine.

    Folders and files of this machine are mounted, which Docker's build cannot do: there they are
    left out, as is an index that lies on this machine.
    """
    words: list[str] = []
    for name, value in settings.items():
        for_build = []
        for place in value.split():
            if place.startswith(("http:", "https:")):
                for_build.append(place)
            elif engine.is_podman and Path(place).is_absolute() and Path(place).exists():
                for_build.append(place)
                words += ["--volume", f"{place}:{place}:ro"]
        words += ["--build-arg", f"{name}={' '.join(for_build)}"] if for_build else []
    return words


def pip_settings() -> dict[str, str]:
    """Where pip looks on this machine beside the usual index, and whom it trusts."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = dict(_settings(said))
    certificates = os.environ.get(CERTIFICATES) or found.pop("cert", "")
    chosen = {SETTINGS[key]: value for key, value in found.items() if key in SETTINGS}
    return chosen | ({CERTIFICATES: certificates} if certificates else {})


def _settings(said: str) -> Iterator[tuple[str, str]]:
    """What `pip config list` prints, one setting a line; the environment's come last and win."""
    for line in sorted(said.splitlines(), reverse=True):
        key, _, value = line.partition("=")
        yield key.rpartition(".")[2], value.strip("'\"").replace("\\n", " ")


def build_all(engine: Engine, composed: Composed, root: Path) -> dict[str, float]:
    """Build each image of a file once; its size in MB by name."""
    more = pip_words(engine, pip_settings())
    sizes: dict[str, float] = {}
    for service in composed.services:
        if service.image not in sizes:
            engine.build(service, root, more)
            sizes[service.image] = engine.size_mb(service.image)
    return sizes


def over_budget(sizes: Mapping[str, float]) -> list[str]:
    """Images larger than their budget."""
    return [
        f"{image} has {size:.0f} MB; its budget is {BUDGET_MB[kind]:.0f}"
        for image, size in sizes.items()
        for kind in BUDGET_MB
        if kind in image.rpartition("/")[2] and size > BUDGET_MB[kind]
    ]
