"""A whole study in which the clinics witness each other, and what happens to one that goes back."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from client.agent import Agent
from client.witness import BOOK
from privacy.ledger_checkpoint import signed
from privacy.merkle import leaf, root_of
from privacy.witnessed import Witnessed, from_plain, read_witnessed
from simulations.federation import agents_of, noise_of, run_federation
from study.failure import Failure
from study.protocol import Protocol
from study.wire import Code, Reply, Request
from tests.study.small_study import RidgeVector, protocol_with, small_people

pytestmark = pytest.mark.slow

PROTOCOL = protocol_with()
MEMBERS = ("east", "north", "west")


@contextmanager
def agents(folder: Path, protocol: Protocol = PROTOCOL) -> Iterator[list[Agent]]:
    noise = noise_of(protocol, 7)
    clinics = folder / "clinics"
    with agents_of(protocol, small_people(), RidgeVector(), clinics, noise, lambda: 1.0) as made:
        yield made


def run(folder: Path, protocol: Protocol = PROTOCOL) -> Sequence[tuple[str, ...]]:
    with agents(folder, protocol) as made:
        result = run_federation(protocol, made, folder, RidgeVector())
    return [one.took_part for one in result.rounds]


def ledger(folder: Path, name: str) -> Path:
    return folder / "clinics" / name / "ledger"


def of_the_centre(folder: Path) -> dict[str, tuple[Witnessed, ...]]:
    plain = json.loads((folder / "server" / "witness.json").read_text())["clinics"]
    return {name: from_plain(kept) for name, kept in plain.items()}


def test_every_last_checkpoint_is_signed_by_all_others_and_kept_in_both_places(
    tmp_path: Path,
) -> None:
    run(tmp_path)
    for name, kept in of_the_centre(tmp_path).items():
        lines = (ledger(tmp_path, name) / "ledger.jsonl").read_bytes().splitlines(keepends=True)
        (last,) = kept
        assert last.checkpoint.size == len(lines) == 5
        assert last.checkpoint.root == root_of([leaf(line) for line in lines])
        assert set(last.by) == set(MEMBERS) - {name}
        assert read_witnessed(ledger(tmp_path, name)) == kept
        for witness, (key, seal) in last.by.items():
            records = (ledger(tmp_path, witness) / "ledger.jsonl").read_text().splitlines()
            assert json.loads(records[0])["public_key"] == key.hex()
            assert signed(key, seal, last.checkpoint.witness_statement(witness))


def test_a_finished_study_exchanges_nothing_more(tmp_path: Path) -> None:
    run(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json*")}
    run(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json*")} == before


def test_a_clinic_whose_folder_was_put_back_is_refused_by_name(tmp_path: Path) -> None:
    """Its ledger and its signatures both: only what the centre shows can tell."""
    one_by_one = protocol_with(("rounds: 2", "rounds: 3"))

    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise Stop

    with agents(tmp_path, one_by_one) as made:
        shutil.copytree(ledger(tmp_path, "east"), tmp_path / "yesterday")
        with pytest.raises(Stop):
            run_federation(one_by_one, made, tmp_path, RidgeVector(), stop)
    shutil.rmtree(ledger(tmp_path, "east"))
    shutil.copytree(tmp_path / "yesterday", ledger(tmp_path, "east"))
    assert run(tmp_path, one_by_one)[2] == ("north", "west")
    log = (tmp_path / "clinics" / "east" / "agent.log").read_text()
    assert "ROLLED_BACK" in log
    assert "found a ledger of 1 records" in log
    assert len((ledger(tmp_path, "east") / "ledger.jsonl").read_text().splitlines()) == 1


class Lying:
    """A centre's relay that shows one clinic nothing of itself, so that it cannot know."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def train(self, request: Request) -> Reply:
        return self._agent.train(Request(request.round_number, PROTOCOL.digest(), request.shared))


def test_where_the_centre_hides_it_the_other_clinics_do_not_sign(tmp_path: Path) -> None:
    """East goes back and the centre helps: its new history gets no signature of anybody."""
    run(tmp_path)
    kept = of_the_centre(tmp_path)["east"]
    shutil.rmtree(ledger(tmp_path, "east"))
    for path in (tmp_path / "server").iterdir():
        path.unlink()
    with agents(tmp_path) as made:
        liar = Lying(made[0])
        run_federation(PROTOCOL, [liar, *made[1:]], tmp_path, RidgeVector())  # type: ignore[list-item]
    assert of_the_centre(tmp_path)["east"] == ()
    for name in ("north", "west"):
        log = (tmp_path / "clinics" / name / "agent.log").read_text()
        assert "checkpoint of east not signed: it is another ledger" in log
        book = json.loads((tmp_path / "clinics" / name / BOOK).read_text())
        assert book["small-study"]["east"]["root"] == kept[0].checkpoint.root.hex()


def test_a_centre_that_alters_what_it_shows_is_refused_with_a_code(tmp_path: Path) -> None:
    run(tmp_path)
    with agents(tmp_path) as made:
        answer = made[0].train(Request(2, PROTOCOL.digest(), RidgeVector().start(), b"\1"))
        assert answer == Reply("east", Code.BAD_WITNESS)


def test_too_few_replies_leave_what_was_signed_so_far(tmp_path: Path) -> None:
    strict = protocol_with(("quorum: 2", "quorum: 3"))
    with agents(tmp_path, strict) as made:
        made[2].close()
        with pytest.raises(Failure, match="stopped after round 0"):
            run_federation(strict, made, tmp_path, RidgeVector())
    newest = json.loads((tmp_path / "server" / "witness.json").read_text())["newest"]
    assert set(newest) == {"east", "north"}
