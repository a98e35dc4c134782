"""What an image installs follows from the project file; a line names one file by its digest."""

import importlib.util
import tomllib
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def lock(repository: Path) -> ModuleType:
    """docker/lock.py, a script beside the files it writes."""
    specification = importlib.util.spec_from_file_location("l", repository / "docker" / "lock.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_an_agent_gets_all_of_the_project_but_flower_and_what_rivals_need(
    lock: ModuleType, repository: Path
) -> None:
    text = (repository / "pyproject.toml").read_text(encoding="utf-8")
    declared = tomllib.loads(text)["project"]["dependencies"]
    agent = lock.wanted()["agent"]
    assert len(agent) == len(declared) - len(lock.NOT_AT_A_CLINIC) + 1
    assert {"torch", "dp-accounting", "tzdata"} <= set(agent)
    assert not {"flwr", "scikit-learn", "uvicorn"} & set(agent)
    assert lock.wanted()["relay"] == ["flwr"]


def test_a_line_is_a_version_and_one_digest(lock: ModuleType) -> None:
    file = {
        "metadata": {"name": "torch", "version": "2.13.0+cpu"},
        "download_info": {"archive_info": {"hashes": {"sha256": "a" * 64}}},
    }
    assert lock.line(file) == f"torch==2.13.0+cpu --hash=sha256:{'a' * 64}\n"


def test_a_file_without_a_digest_is_not_locked(lock: ModuleType) -> None:
    with pytest.raises(KeyError):
        lock.line({"metadata": {"name": "a", "version": "1"}, "download_info": {"dir_info": {}}})


def test_the_files_say_that_nobody_edits_them(lock: ModuleType, repository: Path) -> None:
    for image in lock.wanted():
        path = repository / "docker" / f"requirements-{image}.txt"
        assert path.read_text(encoding="utf-8").startswith(lock.HEADER)
