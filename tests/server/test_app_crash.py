"""A ServerApp killed in each of its phases goes on to the same bytes and claims nothing before."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> dict[str, Any]:
    """What tests/server/app_crash.py saw over all kill points."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.server.app_crash", str(tmp_path_factory.mktemp("app"))],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_every_phase_is_a_kill_point(found: dict[str, Any]) -> None:
    """Before it is configured, while it waits, between checkpoint and step, in the step, at the
    final write and while the last ledgers are witnessed."""
    events = found["events"]
    assert found["code"] == 0 and events[0] == "begin"
    order = [
        *("connect", "ask 1", "answers 1", "rename 0001-replies.safetensors"),
        *("average", "averaged", "rename 0001-round.safetensors"),
        *("ask 2", "answers 2", "rename 0002-replies.safetensors", "average", "averaged"),
        *("rename 0002-round.safetensors", "rename body.safetensors", "rename over"),
    ]
    rest = iter(events)
    assert all(one in rest for one in order), events
    assert events.count("sync") == 2 * sum(one.startswith("rename") for one in events)


def test_killed_at_each_it_ends_with_the_same_bytes(found: dict[str, Any]) -> None:
    assert len(found["cases"]) == len(found["events"]) > 40
    for one in found["cases"]:
        assert one["killed"] == -signal.SIGKILL and one["ended"] == 0, one
        assert one["same"], one


def test_nothing_half_written_is_left_and_no_success_is_claimed(found: dict[str, Any]) -> None:
    """What lies there after the kill is whole; `over` is there only once it was renamed."""
    begun = found["events"].index("rename over")
    for place, one in enumerate(found["cases"]):
        wrong = [name for name in one["others"] if "witness" not in name]
        assert wrong == [] and one["over"] is (place > begun), one


def test_replies_that_were_kept_are_not_asked_for_again(found: dict[str, Any]) -> None:
    kept = {
        number: found["events"].index(f"rename {number:04d}-replies.safetensors")
        for number in (1, 2)
    }
    for place, one in enumerate(found["cases"]):
        for number, written in kept.items():
            assert (f"ask {number}" in one["asked"]) is (place <= written), one
