"""The project file, the pins and what is shipped agree with one another."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

MOST_BUNDLE_BYTES = 10_000_000
CARRIED = ("study", "models", "privacy", "client", "server")


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, Any]:
    """pyproject.toml as plain values."""
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))


def pins(text: str) -> dict[str, Version]:
    """What constraints.txt pins, by canonical name."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pairs = [line.split("==") for line in lines]
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def unmet(requirements: list[str], pinned: dict[str, Version]) -> list[str]:
    """Requirements that have no pin, or one that does not meet them."""
    wanted = [Requirement(each) for each in requirements]
    return [
        str(each)
        for each in wanted
        if (pin := pinned.get(canonicalize_name(each.name))) is None or pin not in each.specifier
    ]


def declared(project: dict[str, Any]) -> list[str]:
    """Everything `make setup` asks for."""
    extras = project["project"]["optional-dependencies"].values()
    return [*project["project"]["dependencies"], *(each for extra in extras for each in extra)]


def test_every_requirement_has_a_pin_that_meets_it(
    project: dict[str, Any], repository: Path
) -> None:
    assert unmet(declared(project), pins((repository / "constraints.txt").read_text())) == []


def test_a_missing_or_wrong_pin_is_seen() -> None:
    pinned = pins("# a comment\ntorch==2.12.0\nType_S==1.0\n")
    assert unmet(["torch>=2.13", "numpy", "type.s"], pinned) == ["torch>=2.13", "numpy"]


def test_pins_name_versions_and_nothing_of_one_machine(repository: Path) -> None:
    lines = (repository / "constraints.txt").read_text().splitlines()
    strange = [line for line in lines if not re.fullmatch(r"#.*|[\w.-]+==[\w.]+", line)]
    assert strange == []
    assert [line for line in lines if line.lower().startswith(("nvidia", "triton"))] == []


def test_it_cannot_be_uploaded_by_mistake(project: dict[str, Any]) -> None:
    assert "Private :: Do Not Upload" in project["project"]["classifiers"]


def test_every_folder_with_source_is_shipped(project: dict[str, Any], repository: Path) -> None:
    there = {path.parent.name for path in repository.glob("*/__init__.py")}
    listed = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    assert set(listed) == there | {"insula.py"}
    bundled = project["tool"]["flwr"]["app"]["fab-include"]
    assert {each.removesuffix("/**") for each in bundled} == {*CARRIED, "LICENSE", "README.md"}


def test_the_build_machine_runs_make_test(repository: Path) -> None:
    for name in ("run", "system-packages"):
        assert os.access(repository / ".ci" / name, os.X_OK)
    assert (repository / ".ci" / "run").read_text().rstrip().endswith("make test")


def test_make_setup_refuses_an_old_python_in_words(repository: Path, tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(repository / name, tmp_path)
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.1\nexit 1\n')
    old.chmod(0o755)
    make = ["make", "setup", f"PYTHON={old}"]
    done = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Found Python 3.9.1; Insula needs Python 3.11 or newer." in done.stderr
    assert "No .venv was made." in done.stderr and not (tmp_path / ".venv").exists()


@pytest.mark.slow
def test_the_bundle_holds_what_a_site_runs_and_no_simulations(
    repository: Path, tmp_path: Path
) -> None:
    flwr = Path(sys.executable).with_name("flwr")
    source = tmp_path / "insula"
    keep_out = shutil.ignore_patterns("__pycache__", ".venv", ".git", "runs", ".*_cache", "tests")
    shutil.copytree(repository, source, ignore=keep_out)
    quiet = {"FLWR_HOME": str(tmp_path / "flwr"), "PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    subprocess.run([flwr, "build"], cwd=source, env=quiet, check=True, capture_output=True)
    (bundle,) = source.glob("*.fab")
    names = zipfile.ZipFile(bundle).namelist()
    assert bundle.stat().st_size < MOST_BUNDLE_BYTES
    assert {name.split("/")[0] for name in names if "/" in name} == {*CARRIED, ".info"}
    wanted = {
        path.relative_to(repository).as_posix()
        for package in CARRIED
        for path in (repository / package).rglob("*.py")
    }
    assert wanted - set(names) == set()


@pytest.mark.parametrize(
    "package", ["study", "models", "privacy", "client", "server", "simulations", "docker"]
)
def test_the_quick_tests_touch_every_package(package: str, repository: Path) -> None:
    files = list((repository / "tests" / package).rglob("test_*.py"))
    quick = [path for path in files if "\npytestmark = " not in path.read_text(encoding="utf-8")]
    assert len(quick) >= len(files) / 2 > 0


def test_the_recipe_of_the_studies_is_commands_that_tests_run(repository: Path) -> None:
    done = subprocess.run(
        ["make", "-n", "studies"], cwd=repository, capture_output=True, text=True, check=True
    )
    assert "insula simulate run study/protocols/$study.yaml" in done.stdout
    assert "python -m simulations.study_tables runs/$study-[123]" in done.stdout
    (named,) = re.findall(r"for study in ([^;]+);", done.stdout)
    assert all((repository / "study/protocols" / f"{one}.yaml").is_file() for one in named.split())
