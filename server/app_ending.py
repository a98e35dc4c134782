"""What a ServerApp leaves in the run folder for the command that began it: how it ended."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.checkpoint import replace_whole
from study.failure import ExitCode, Failure

BODY = "body.safetensors"
FAILURE, LOCK, OVER = "failure.json", "running.lock", "over"


def running_lock(run: Path) -> Path:
    """The file that a ServerApp holds locked as long as it lives."""
    return run / "server" / LOCK


@contextmanager
def told(run: Path) -> Iterator[None]:
    """Hold the lock; write down how the block ended, for Flower calls a failed app ended too."""
    (run / "server").mkdir(parents=True, exist_ok=True)
    descriptor = os.open(running_lock(run), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        replace_whole(run / "server" / OVER, b"")
    except Failure as failure:
        replace_whole(run / "server" / FAILURE, json.dumps(failure.as_dict()).encode())
        raise
    finally:
        os.close(descriptor)


def is_over(run: Path) -> bool:
    """Whether a ServerApp did all there was to do, to the last signature."""
    return (run / "server" / OVER).is_file()


def is_held(lock: Path) -> bool:
    """Whether a living process holds this lock."""
    if not lock.is_file():
        return False
    descriptor = os.open(lock, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def read_failure(run: Path, *, forget: bool = False) -> Failure | None:
    """The Failure with which a ServerApp ended, or None; `forget` takes it away."""
    path = run / "server" / FAILURE
    if not path.is_file():
        return None
    plain = json.loads(path.read_bytes())
    if forget:
        path.unlink()
    plain["code"] = ExitCode(plain.pop("exit_code"))
    plain.pop("reason", None)
    return Failure(**plain)
