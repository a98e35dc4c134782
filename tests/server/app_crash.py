"""Kills a whole ServerApp at every phase and every write of a study, and starts it again.

Run as a program by test_app_crash.py: `server.app.main`, as Flower calls it, in a process of its
own that dies at its n-th event, for every n; then again, to the end. Prints one JSON object: the
events of a study that nobody disturbs, and for each of them what was left and how it ended.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, cast

from models.trace import FloatArray
from server.app import main
from server.flower import Connect
from server.rounds import Centre
from study.public_start import to_bytes
from study.wire import Reply, Request
from tests.server.test_app import small_start
from tests.server.test_rounds import PROTOCOL, PlainCentre, releases


class Events:
    """Counts what happens in this process, and ends it at one of them."""

    def __init__(self, fatal: int) -> None:
        self.fatal, self.names = fatal, list[str]()

    def happens(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(self, real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.happens(f"{name} {Path(arguments[-1]).name}" if name == "rename" else name)
            return real(*arguments)

        return call


class Watched(PlainCentre):
    """Clinics that answer; asking and averaging are events, at their begin and at their end."""

    def __init__(self, events: Events) -> None:
        super().__init__(releases())
        self._events = events

    def ask(self, request: Request) -> list[Reply]:
        self._events.happens(f"ask {request.round_number}")
        replies = super().ask(request)
        self._events.happens(f"answers {request.round_number}")
        return replies

    def average(self, rows: Sequence[FloatArray], weights: FloatArray) -> FloatArray:
        self._events.happens("average")
        mean = super().average(rows, weights)
        self._events.happens("averaged")
        return mean


def app(folder: Path, fatal: int) -> tuple[int, list[str]]:
    """The exit code of a ServerApp that dies at an event, and its events if it does not."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        events = Events(fatal)

        def connect(*told: object) -> Centre:
            events.happens("connect")
            return Watched(events)

        os.fsync, os.replace = events.before(os.fsync, "sync"), events.before(os.replace, "rename")
        events.happens("begin")
        with redirect_stdout(StringIO()):
            main(cast(Connect, connect), settings(folder))
        os.write(writing, json.dumps(events.names).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        names = json.loads(said.read() or "[]")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), names


def settings(folder: Path) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    (folder / "protocol.yaml").write_text(PROTOCOL.canonical())
    (folder / "start.safetensors").write_bytes(to_bytes(small_start()))
    return {
        "protocol": str(folder / "protocol.yaml"),
        "public-start": str(folder / "start.safetensors"),
        "out": str(folder / "run"),
    }


def content(folder: Path) -> dict[str, str]:
    """Every file of the run folder but the lock; drafts that were not renamed are none."""
    files = (folder / "run").rglob("*") if (folder / "run").is_dir() else ()
    return {
        str(path.relative_to(folder)): path.read_bytes().hex()
        for path in files
        if path.is_file() and path.suffix not in (".lock", ".draft")
    }


def study(folder: Path) -> dict[str, Any]:
    code, names = app(folder / "0", 0)
    whole, cases = content(folder / "0"), []
    for fatal in range(1, len(names) + 1):
        here = folder / str(fatal)
        killed, _ = app(here, fatal)
        left = content(here)
        ended, asked = app(here, 0)
        cases.append(
            {
                "event": names[fatal - 1],
                "killed": killed,
                "over": "run/server/over" in left,
                "others": sorted(name for name in left if left[name] != whole.get(name)),
                "ended": ended,
                "same": content(here) == whole,
                "asked": [one for one in asked if one.startswith("ask")],
            }
        )
    return {"code": code, "events": names, "files": sorted(whole), "cases": cases}


if __name__ == "__main__":
    print(json.dumps(study(Path(sys.argv[1]))))
