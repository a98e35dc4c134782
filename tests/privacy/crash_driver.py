"""Kills a release loop at every write, sync, rename and cut, and counts what a budget lost.

Run as a program by test_ledger_crash.py: forks once a kill point, prints one JSON object.
"""

import json
import math
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from privacy.canonical import RELEASE, canonical_sha256
from privacy.ledger import Ledger, LedgerError

ROUNDS, AFFORDABLE, SIGMA = 2, 3, 2.0
CAP = math.sqrt(AFFORDABLE) / SIGMA
OPERATIONS = ("write", "fsync", "replace", "ftruncate")
STAGES = ("before", "middle", "after")
WRITE = os.write
Study = Callable[[Path], None]


def kill_at(point: int, stage: str) -> None:
    """SIGKILL this process before, in the middle of or after its n-th operation on the disk."""
    seen = Counter[str]()

    def wrapped(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*arguments: Any, **options: Any) -> Any:
            seen["all"] += 1
            if seen["all"] != point:
                return real(*arguments, **options)
            if stage == "middle" and name == "write":
                real(arguments[0], arguments[1][: len(arguments[1]) // 2])
            elif stage == "after":
                real(*arguments, **options)
            os.kill(os.getpid(), signal.SIGKILL)

        return operation

    for name in OPERATIONS:
        setattr(os, name, wrapped(name, getattr(os, name)))


def outside(folder: Path, event: str, round_number: int, values: np.ndarray[Any, Any]) -> None:
    """What the world has seen: drawn or sent; kept beside the ledger, never counted or killed."""
    entry = {"event": event, "round": round_number, "values": values.tobytes().hex()}
    log = os.open(folder.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    WRITE(log, json.dumps(entry).encode() + b"\n")
    os.close(log)


def draw(folder: Path, round_number: int) -> np.ndarray[Any, Any]:
    values = np.frombuffer(os.urandom(32), dtype=np.uint32).astype(np.float64)
    outside(folder, "drawn", round_number, values)
    return values


def write_ahead(folder: Path) -> None:
    """The order of the house: debit, draw, store, receipt, send."""
    with Ledger.open(folder, mu_cap=CAP, study="crash") as ledger:
        for round_number in range(1, ROUNDS + 1):
            values = ledger.cached(round_number)
            if values is None:
                ledger.debit(round_number, SIGMA, now_s=0.0)
                values = draw(folder, round_number)
                ledger.store(round_number, values)
            ledger.receipt(round_number, canonical_sha256({RELEASE: values}), now_s=0.0)
            outside(folder, "sent", round_number, values)


def release_first(folder: Path) -> None:
    """Planted: draw and send, then write down what it cost."""
    with Ledger.open(folder, mu_cap=CAP, study="crash") as ledger:
        for round_number in range(1, ROUNDS + 1):
            if ledger.receipt_sha256(round_number) is None:
                values = draw(folder, round_number)
                outside(folder, "sent", round_number, values)
                ledger.debit(round_number, SIGMA, now_s=0.0)
                ledger.store(round_number, values)
                ledger.receipt(round_number, canonical_sha256({RELEASE: values}), now_s=0.0)


def in_child(study: Study, folder: Path, point: int, stage: str) -> bool:
    """Run the study in a forked process that dies at this point; whether it was killed."""
    child = os.fork()
    if child == 0:
        kill_at(point, stage)
        try:
            study(folder)
        except LedgerError:
            os._exit(3)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def spent(folder: Path) -> float:
    with Ledger.open(folder, mu_cap=CAP, study="crash") as ledger:
        return ledger.mu_spent()


def crash(study: Study, folder: Path, points: list[tuple[int, str]]) -> Counter[str]:
    """Kill at each of the points in turn, then let the study finish; what was counted."""
    count, before = Counter[str](), 0.0
    for point, stage in points:
        count["crashes"] += in_child(study, folder, point, stage)
        after = spent(folder)
        count["refunds"] += after < before
        before = after
    in_child(study, folder, 10**9, "after")
    log = folder.with_suffix(".log").read_text().splitlines()
    seen = [json.loads(entry) for entry in log]
    drawn = {entry["values"] for entry in seen if entry["event"] == "drawn"}
    sent = {(entry["round"], entry["values"]) for entry in seen if entry["event"] == "sent"}
    records = (folder / "ledger.jsonl").read_text()
    debits = records.count('"kind":"debit"')
    count["over_cap"] += debits > AFFORDABLE or len(drawn) > AFFORDABLE
    count["undebited"] += len(drawn) > debits
    count["two_vectors_in_a_round"] += len(sent) > len({number for number, _ in sent})
    count["repairs"] += records.count('"kind":"repair"')
    count["spent_without_release"] += debits - len(sent)
    return count


def main(order: str, scratch: Path) -> None:
    """Every point and stage, each followed by a second kill later on."""
    study = {"write_ahead": write_ahead, "release_first": release_first}[order]
    total, point = Counter[str](), 0
    running = True
    while running:
        point += 1
        for stage in STAGES:
            folder = scratch / f"{point}-{stage}"
            second = (1 + point * 5 % 17, STAGES[point % 3])
            count = crash(study, folder, [(point, stage), second])
            running = running and count["crashes"] > 0
            total.update(count)
            total["cases"] += 1
        running = running and point < 40
    print(json.dumps(total))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
