"""Writes docker/requirements-*.txt: what each image installs, with the SHA-256 of every file.

Versions come from constraints.txt, files from where pip is configured to look; one platform only,
CPython 3.11 on Linux x86-64. Run it after a change of pyproject.toml or constraints.txt, with pip
pointed at CPU builds of torch (CONTRIBUTING.md), and commit what it wrote:

    .venv/bin/python docker/lock.py
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NOT_AT_A_CLINIC = {"flwr", "scikit-learn", "httpx", "starlette", "uvicorn"}
"""Flower is the relay's; scikit-learn is the rivals' in simulations/, the others the centre's."""
TIME_ZONES = "tzdata"
"""Zones of exports' clocks: a slim base image has none."""
HEADER = """\
# Written by docker/lock.py; do not edit. For CPython 3.11 on Linux x86-64.
# pip takes these files and no others: a build that meets another file ends in an error.
"""


def wanted() -> dict[str, list[str]]:
    """What each image asks for by name; constraints.txt has the versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.split(r"[<>=!~\[ ]", each)[0] for each in project["dependencies"]]
    at_a_clinic = [name for name in names if name not in NOT_AT_A_CLINIC]
    return {"agent": [*at_a_clinic, TIME_ZONES], "relay": ["flwr"]}


def resolved(names: list[str]) -> list[dict[str, Any]]:
    """Every file that pip would install for these names; nothing is installed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run"]
        command += ["--ignore-installed", "--only-binary", ":all:", "--report", str(report)]
        command += ["--constraint", str(ROOT / "constraints.txt"), *names]
        subprocess.run(command, check=True)
        files: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["install"]
    return files


def line(file: dict[str, Any]) -> str:
    """One requirement: name, version and the digest of the one file that will do."""
    about, archive = file["metadata"], file["download_info"]["archive_info"]
    return f"{about['name']}=={about['version']} --hash=sha256:{archive['hashes']['sha256']}\n"


def main() -> None:
    """Write both files."""
    for image, names in wanted().items():
        lines = sorted((line(each) for each in resolved(names)), key=str.lower)
        path = ROOT / "docker" / f"requirements-{image}.txt"
        path.write_text(HEADER + "".join(lines), encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {len(lines)} packages")


if __name__ == "__main__":
    main()
