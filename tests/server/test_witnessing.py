"""The centre passes checkpoints on and keeps who signed what; it can forge none of it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from privacy.ledger_checkpoint import Published, signed
from privacy.merkle import leaf
from privacy.witnessed import from_plain
from server.witnessing import WITNESS, Witnessing
from study.failure import ExitCode, Failure
from study.wire import Code, Reply
from study.witness import NONE, Seen, Shown, read_shown, seen_bytes
from tests.study.small_study import protocol_with

PROTOCOL = protocol_with()
MEMBERS = ("east", "north", "west")
KEYS = {name: Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32)) for name in MEMBERS}


def published(name: str, size: int) -> Published:
    return Published.of([leaf(f"{name}{n}".encode()) for n in range(size)], KEYS[name])


def reply(name: str, size: int, **signed_: Published) -> Reply:
    """What a clinic answers: its own checkpoint, and its signatures below others'."""
    seals = tuple(
        KEYS[name].sign(signed_[one].checkpoint.witness_statement(name)) if one in signed_ else NONE
        for one in MEMBERS
    )
    return Reply(name, Code.WITNESSED, witness=seen_bytes(Seen(published(name, size), seals)))


def shown(witnessing: Witnessing) -> dict[str, Shown]:
    return dict(zip(MEMBERS, read_shown(witnessing.shown(), 3), strict=True))


def test_at_first_there_is_nothing_to_show(tmp_path: Path) -> None:
    assert set(shown(Witnessing(tmp_path, PROTOCOL)).values()) == {Shown(None, 0, (NONE,) * 3)}
    assert not list(tmp_path.iterdir())


def test_checkpoints_go_to_the_others_and_signatures_come_back(tmp_path: Path) -> None:
    witnessing = Witnessing(tmp_path, PROTOCOL)
    witnessing.keep({name: reply(name, 3) for name in MEMBERS})
    assert shown(witnessing)["east"] == Shown(published("east", 3), 0, (NONE,) * 3)
    east = published("east", 3)
    answers = {"east": reply("east", 5), "north": reply("north", 5, east=east)}
    Witnessing(tmp_path, PROTOCOL).keep(answers)  # a server that was killed and started again
    again = shown(Witnessing(tmp_path, PROTOCOL))
    assert again["east"].published == published("east", 5)
    assert again["east"].signed_size == 3
    key = KEYS["north"].public_key().public_bytes_raw()
    seal = again["east"].signatures[1]
    assert signed(key, seal, east.checkpoint.witness_statement("north"))
    kept = json.loads((tmp_path / WITNESS).read_text())["clinics"]["east"]
    assert [(one.checkpoint.size, list(one.by)) for one in from_plain(kept)] == [(3, ["north"])]


def test_an_older_or_another_ledger_does_not_replace_what_is_known(tmp_path: Path) -> None:
    """So that the clinic is shown its own newer one, and stops."""
    witnessing = Witnessing(tmp_path, PROTOCOL)
    witnessing.keep({"east": reply("east", 5)})
    witnessing.keep({"east": reply("east", 3)})
    assert shown(witnessing)["east"].published == published("east", 5)
    witnessing.keep({"east": reply("north", 9)})
    assert shown(witnessing)["east"].published == published("east", 5)


@pytest.mark.parametrize("planted", ["own", "other statement", "nobody", "code", "length"])
def test_what_is_no_signature_of_another_is_not_kept(planted: str, tmp_path: Path) -> None:
    witnessing = Witnessing(tmp_path, PROTOCOL)
    witnessing.keep({"east": reply("east", 3), "north": reply("north", 3)})
    good = reply("north", 3, east=published("east", 3))
    answer = {
        "own": ("east", reply("east", 3, east=published("east", 3))),
        "other statement": ("north", reply("north", 3, east=published("east", 2))),
        "nobody": ("north", reply("north", 3, west=published("west", 1))),
        "code": ("north", replace(good, code=Code.REFUSED)),
        "length": ("north", replace(good, witness=good.witness + b"\0")),
    }[planted]
    witnessing.keep(dict([answer]))
    assert all(one.signed_size == 0 for one in shown(witnessing).values())
    witnessing.keep({"north": good})
    assert shown(witnessing)["east"].signed_size == 3


def test_replies_that_say_nothing_write_nothing(tmp_path: Path) -> None:
    Witnessing(tmp_path, PROTOCOL).keep({"east": Reply("east", Code.RELEASED)})
    assert not list(tmp_path.iterdir())


def test_exchanges_at_the_end_are_counted_on_the_disk(tmp_path: Path) -> None:
    Witnessing(tmp_path, PROTOCOL).keep({}, at_the_end=True)
    assert Witnessing(tmp_path, PROTOCOL).exchanges_at_the_end == 1


@pytest.mark.parametrize("text", ["", "[]", '{"newest": {}}', '{"newest": {"east": "00"}}'])
def test_a_file_that_cannot_be_read_stops_the_study(text: str, tmp_path: Path) -> None:
    (tmp_path / WITNESS).write_text(text)
    with pytest.raises(Failure, match="cannot be read") as refused:
        Witnessing(tmp_path, PROTOCOL)
    assert refused.value.code is ExitCode.BAD_DATA
