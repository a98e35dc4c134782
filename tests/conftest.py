"""What every test stands on: one thread, the same draws each time, the real data where it is."""

import gc
import os
import signal
from pathlib import Path

os.environ.update(
    OMP_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
    OPENBLAS_NUM_THREADS="1",
    NUMBA_NUM_THREADS="1",
    MPLBACKEND="agg",
    FLWR_TELEMETRY_ENABLED="0",
    FLWR_DISABLE_UPDATE_CHECK="1",
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",
)

import hypothesis
import numpy as np
import pytest
import torch

from privacy import noise
from study.machine_code import forget_stale

ROOT = Path(__file__).resolve().parents[1]
SLOW_FILE = ("pytestmark = pytest.mark.slow", "pytestmark = [pytest.mark.slow")

# A shell that starts the tests in its background has Ctrl-C ignored, and processes inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
torch.set_num_threads(1)
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("repeatable")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Before any worker starts: a kernel that changed is compiled again, with all that call it."""
    if not hasattr(session.config, "workerinput"):
        forget_stale()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file that is slow as a whole is not even imported where slow tests are left out."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    lines = collection_path.read_text(encoding="utf-8").splitlines()
    return any(line.startswith(SLOW_FILE) for line in lines) or None


def pytest_collection_finish() -> None:
    """What was imported stays: the collector of garbage need not look at it again and again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests on the published data read whole exports, so they are slow ones."""
    for item in items:
        if isinstance(item, pytest.Function) and "shared_data" in item.fixturenames:
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def repeatable_entropy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact noise from a seeded stream of words: what chance decides is decided alike each time.

    Nothing but the source of the words is replaced; forks, seeds and repeats are tested without it.
    """
    monkeypatch.setattr(noise, "_words", np.random.Philox(2026).random_raw)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the working tree."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The published data sets, one folder each; the test is skipped where they are absent."""
    folder = ROOT.parent / "shared" / "data"
    if folder.is_dir():
        return folder
    reason = "needs the published data sets in ../shared/data, which are not here"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}; a build machine must have them, or this test is never run")
    pytest.skip(reason)
