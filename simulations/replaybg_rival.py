"""ReplayBG as a rival, in an environment of its own that is made when it is first asked for.

Under `runs/rivals/replaybg` lie a virtual environment with the package from the usual index, and a
copy of its repository, which alone holds the days of its example. Whatever cannot be had is said,
and costs its own figures only.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from study.failure import ExitCode, Failure

FOLDER = Path("runs/rivals/replaybg")
PACKAGE = "py-replay-bg==1.4.0"
SOURCE = "https://github.com/gcappon/py_replay_bg"
SOURCE_VARIABLE = "REPLAYBG_SOURCE"
"""Environment variable with another address or folder to clone the repository from."""

EXAMPLE = Path("source/py_replay_bg/example/data")
EXAMPLE_SHA256 = "b67e44fd9bee62e2bb057b1c640a99c0c9d841f99f5c621802447ea4dc32e424"
"""Of its first day, which the known best of 1117.1 belongs to."""

PATIENT = 1
INSTALL_MAY_TAKE_S, CLONE_MAY_TAKE_S, ANSWER_MAY_TAKE_S = 600.0, 120.0, 300.0
PROCESS = Path(__file__).with_name("replaybg_process.py")


@dataclass(frozen=True)
class Example:
    """The first day that ReplayBG ships, and what it says of the patient."""

    table: Path
    weight_kg: float
    steady_mu_kg_min: float


def example(folder: Path = FOLDER) -> Example:
    """Their example, fetched on first use; a Failure where it cannot be had."""
    data = folder / EXAMPLE
    if not data.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        address = os.environ.get(SOURCE_VARIABLE, SOURCE)
        _run(["git", "clone", "--quiet", address, str(folder / "source")], CLONE_MAY_TAKE_S)
    table = data / "data_day_1.csv"
    found = hashlib.sha256(table.read_bytes()).hexdigest() if table.is_file() else "no file"
    if found != EXAMPLE_SHA256:
        raise _cannot(f"another first day in {data} ({found})", f"SHA-256 {EXAMPLE_SHA256}")
    patients = pd.read_csv(data / "patient_info.csv")
    own = patients[patients["patient"] == PATIENT]
    return Example(table, float(own["bw"].iloc[0]), float(own["u2ss"].iloc[0]))


def installed(folder: Path = FOLDER) -> Path:
    """The Python of an environment with ReplayBG in it, made on first use; Failure if it cannot."""
    environment = folder / "venv"
    python, stamp = environment / "bin" / "python", environment / f".{PACKAGE}"
    if not stamp.is_file():
        _run([sys.executable, "-m", "venv", str(environment)], INSTALL_MAY_TAKE_S)
        _run([str(python), "-m", "pip", "install", "--quiet", PACKAGE], INSTALL_MAY_TAKE_S)
        stamp.touch()
    return python


def answer(python: Path, task: Mapping[str, Any]) -> dict[str, Any]:
    """What ReplayBG makes of a task (simulations/replaybg_process.py), in its own process."""
    said = _run([str(python), str(PROCESS)], ANSWER_MAY_TAKE_S, json.dumps(dict(task)))
    reply: dict[str, Any] = json.loads(said)
    return reply


def _run(command: Sequence[str], limit_s: float, given: str | None = None) -> str:
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=limit_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _cannot(f"no end of `{command[0]}` ({error})", f"one within {limit_s:g} s") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise _cannot(f"`{' '.join(command[:4])}` ended with {done.returncode}: {last}", "0")
    return done.stdout


def _cannot(found: str, expected: str) -> Failure:
    return Failure(
        found=found,
        expected=expected,
        consequence="ReplayBG was not compared with.",
        remedy=f"let this machine reach the package index and {SOURCE}, or clone it elsewhere and "
        f"name the folder in {SOURCE_VARIABLE}; then `make bench` again.",
        code=ExitCode.MISSING_INPUT,
    )
