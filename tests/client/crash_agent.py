"""Kills a whole agent at every write, sync, rename and cut of a study, and counts what was lost.

Run as a program by test_agent_crash.py: a real agent with policy, agreement, witnesses and the
ledger of a cohort, in a process of its own that dies before, in the middle of or after its n-th
operation on the disk; then again after the restart; then it may finish. Prints one JSON object.
"""

import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import client.agent
from client.agent import Agent
from client.framing import reply_frame
from client.policy import LifetimeBudget, read_policy, write_policy
from models.trace import FloatArray
from privacy.ledger import Ledger, LedgerError
from privacy.ledger_checkpoint import Published
from privacy.merkle import leaf
from privacy.noise import ExactNoise
from privacy.release import release_sum
from privacy.verifier import LedgerVerdict, _read
from study.wire import Code, Request
from study.witness import NONE, Shown, read_seen, shown_bytes
from tests.client.test_agent import Clinic, consent
from tests.privacy.crash_driver import STAGES, kill_at, outside
from tests.study.small_study import TELLING, RidgeVector, made_up_gains, protocol_with

EXACT = ("noise: simulated", "noise: exact")
TELLS = sys.argv[1:2] == ["metrics"]
"""One round of training and one of metrics, in place of two rounds of training."""
PROTOCOL = (
    protocol_with(EXACT, ("rounds: 2", "rounds: 1"), *TELLING) if TELLS else protocol_with(EXACT)
)
ROUNDS = 2
BUDGET = LifetimeBudget(cohort="cohort", epsilon=PROTOCOL.privacy.epsilon)
NORTH = Ed25519PrivateKey.from_private_bytes(b"north".ljust(32))
MEMBERS = [one.name for one in PROTOCOL.members]
LEDGERS = ("home/ledger", "cohorts/cohort")


class Drawn:
    """Exact noise that the world outside sees being drawn."""

    label = "exact"

    def __init__(self, folder: Path, round_number: int) -> None:
        self._folder, self._round = folder, round_number

    def integers(self, scale: float, size: int) -> np.ndarray:
        values = ExactNoise().integers(scale, size)
        outside(self._folder, "drawn", self._round, values.astype(np.float64))
        return values


def agent_of(folder: Path) -> Agent:
    clinic = Clinic(folder / "home", PROTOCOL, noise=lambda number: Drawn(folder, number))
    agent = clinic.agent()
    agent.gains = made_up_gains
    return agent


def study(folder: Path) -> None:
    """Two rounds and an exchange at the end, as a centre asks for them; answers go outside."""
    with agent_of(folder) as agent:
        for number in (1, 2, 0):
            shared = RidgeVector().start() if number else np.zeros(0)
            request = Request(number, PROTOCOL.digest(), shared, shown_of(folder, number))
            reply = agent.train(request)
            if reply.code is Code.RELEASED and reply.release is not None:
                agent.judge(number, reply_frame(reply))
                outside(folder, "sent", number, reply.release)
            if reply.witness:
                remember(folder, reply.witness)


def shown_of(folder: Path, number: int) -> bytes:
    """North's checkpoint of the day, and the last of east's with north's signature below."""
    north = Published.of([leaf(bytes([n])) for n in range(number + 2)], NORTH)
    nothing = Shown(None, 0, (NONE,) * 3)
    told = dict.fromkeys(MEMBERS, nothing) | {"north": Shown(north, 0, (NONE,) * 3)}
    seen = folder / "seen"
    if seen.exists() and (own := Published.unpacked(seen.read_bytes())) is not None:
        seal = NORTH.sign(own.checkpoint.witness_statement("north"))
        told["east"] = Shown(own, own.checkpoint.size, (NONE, seal, NONE))
    return shown_bytes([told[name] for name in MEMBERS])


def remember(folder: Path, witness: bytes) -> None:
    """What the centre keeps of east; outside of the clinic, and never killed."""
    published = read_seen(witness, len(MEMBERS)).published
    if published is not None:
        (folder / "seen").write_bytes(published.packed())


def record_after(agent: Agent, request: Request) -> FloatArray:
    """Planted: the release is drawn and sent, and what it cost is written down afterwards."""
    ledger, number = agent._ledger, request.round_number
    values = ledger.cached(number) if ledger.receipt_sha256(number) else None
    if values is None:
        rows = agent._rows(request)
        clip_norm = PROTOCOL.release.clip_norm
        release = release_sum(rows, clip_norm, PROTOCOL.sigma, agent._noise(number))
        outside(agent.site.home.parent, "sent", number, release.values)
        ledger.debit(number, PROTOCOL.sigma, 1.0)
        if ledger.cached(number) is None:
            ledger.store(number, release.values)
        values = release.values
        ledger.receipt(number, release.sha256, 1.0)
    return values


def papers(folder: Path) -> Path:
    """A clinic with its papers, before its first round."""
    home = folder / "home"
    home.mkdir(parents=True)
    consent(home, PROTOCOL)
    write_policy(home, read_policy(home).model_copy(update={"lifetime": BUDGET}))
    return folder


def prepared(folder: Path) -> Path:
    """The same again, in another place."""
    shutil.copytree(folder.parent / "papers", folder)
    return folder


def in_child(folder: Path, point: int, stage: str) -> int:
    """Run the study in a forked process that dies at this point: 1 if it was killed, 0 if not."""
    child = os.fork()
    if child == 0:
        kill_at(point, stage)
        try:
            study(folder)
        except LedgerError:
            os._exit(3)
        os._exit(0)
    return int(os.WIFSIGNALED(os.waitpid(child, 0)[1]))


def operations(folder: Path) -> int:
    """How many operations on the disk an undisturbed study has."""
    low, high = 1, 1024
    while low < high:  # the first point that is never reached
        middle = (low + high) // 2
        copy = prepared(folder / f"count-{low}-{high}")
        reached = in_child(copy, middle, "before")
        low, high = (middle + 1, high) if reached else (low, middle)
    return low - 1


def spent(folder: Path) -> list[float]:
    """Total mu of both ledgers as they would be found by the next agent; repairs what is torn."""
    totals = []
    for name in LEDGERS:
        study_name = PROTOCOL.study
        with Ledger.open(folder / name, mu_cap=PROTOCOL.mu, study=study_name) as ledger:
            totals.append(ledger.mu_spent())
    return totals


def chain_holds(folder: Path) -> bool:
    try:
        _read(folder, LedgerVerdict(str(folder)))
    except ValueError:
        return False
    return True


def crash(folder: Path, points: list[tuple[int, str]]) -> Counter[str]:
    """Kill at each of the points in turn, then let the study finish; what was counted."""
    count, before = Counter[str](), [0.0, 0.0]
    for point, stage in points:
        count["crashes"] += in_child(folder, point, stage)
        after = spent(folder)
        count["refunds"] += any(now < then for now, then in zip(after, before, strict=True))
        before = after
    in_child(folder, 10**9, "after")
    log = folder.with_suffix(".log")  # absent where every debit was wasted, and nothing was drawn
    seen = [json.loads(entry) for entry in log.read_text().splitlines()] if log.exists() else []
    drawn = {entry["values"] for entry in seen if entry["event"] == "drawn"}
    sent = {(entry["round"], entry["values"]) for entry in seen if entry["event"] == "sent"}
    records = {name: (folder / name / "ledger.jsonl").read_text() for name in LEDGERS}
    debits = {name: text.count('"kind":"debit"') for name, text in records.items()}
    count["over_cap"] += max(*debits.values(), len(drawn)) > ROUNDS
    count["over_cap"] += max(spent(folder)) > PROTOCOL.mu * (1 + 1e-9)
    told = any(number == ROUNDS for number, _ in sent)
    unnamed = '"name":"metrics:' not in records[LEDGERS[0]]
    count["metrics_unnamed"] += TELLS and told and unnamed
    count["metrics_told"] += TELLS and told
    count["undebited"] += len(drawn) > min(debits.values())
    count["two_vectors_in_a_round"] += len(sent) > len({number for number, _ in sent})
    count["broken_chains"] += not all(chain_holds(folder / name) for name in LEDGERS)
    count["repairs"] += sum(text.count('"kind":"repair"') for text in records.values())
    count["spent_without_release"] += debits[LEDGERS[0]] - len(sent)
    return count


def main(order: str, scratch: Path) -> None:
    """Every point and stage, each followed by a second kill after the restart."""
    if order == "record_after":
        Agent._released = record_after  # type: ignore[method-assign, assignment]
    papers(scratch / "papers")
    study(prepared(scratch / "warm"))  # so that every child starts with everything imported
    # The signatures are read, never written, and reading them is most of the time: once is enough.
    vars(client.agent)["require_agreement"] = lambda *_: None
    total, every = Counter[str](), operations(scratch)
    step: Callable[[int], bool] = lambda point: order != "record_after" or point % 3 == 0  # noqa: E731
    for point in range(1, every + 1):
        for stage in STAGES if step(point) else ():
            folder = prepared(scratch / f"{point}-{stage}")
            second = (1 + point * 7 % 20, STAGES[(point + len(stage)) % 3])
            total.update(crash(folder, [(point, stage), second]))
            total["cases"] += 1
            shutil.rmtree(folder)
    total["points"] = every
    print(json.dumps(total))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
