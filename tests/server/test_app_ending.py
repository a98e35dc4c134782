"""A ServerApp that fails says so in the run folder; a lock says whether one lives."""

import subprocess
import sys
from pathlib import Path

import pytest

from server.app_ending import is_held, is_over, read_failure, running_lock, told
from study.failure import ExitCode, Failure

FAILURE = Failure(
    found="1 release",
    expected="2",
    consequence="It stopped.",
    remedy="ask",
    code=ExitCode.TOO_FEW_REPLIES,
)


def test_a_failure_is_written_down_and_read_with_its_code(tmp_path: Path) -> None:
    with pytest.raises(Failure), told(tmp_path):
        raise FAILURE
    assert not is_over(tmp_path)
    found = read_failure(tmp_path)
    assert found is not None and found.as_dict() == FAILURE.as_dict()
    assert read_failure(tmp_path, forget=True) is not None
    assert read_failure(tmp_path) is None


def test_success_leaves_no_failure(tmp_path: Path) -> None:
    with told(tmp_path):
        assert not is_over(tmp_path)
    assert is_over(tmp_path)
    assert read_failure(tmp_path) is None


def test_the_lock_is_held_while_the_app_lives(tmp_path: Path) -> None:
    assert not is_held(running_lock(tmp_path))
    with told(tmp_path):
        assert is_held(running_lock(tmp_path))
    assert not is_held(running_lock(tmp_path))


def test_a_killed_app_holds_no_lock(tmp_path: Path, repository: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from server.app_ending import told\n"
        f"with told(Path({str(tmp_path)!r})):\n    print('in', flush=True); time.sleep(60)"
    )
    app = subprocess.Popen([sys.executable, "-c", code], cwd=repository, stdout=subprocess.PIPE)
    with app:
        assert app.stdout is not None and app.stdout.readline() == b"in\n"
        assert is_held(running_lock(tmp_path))
        app.kill()
    assert not is_held(running_lock(tmp_path))
