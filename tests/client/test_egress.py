"""Every legal frame leaves; no planted one does, and none of a hundred thousand mutants."""

import json
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from client.egress import Egress, EgressCode, EgressError
from client.framing import PREFIX, reply_frame
from models.trace import FloatArray
from privacy.canonical import RELEASE, canonical_sha256
from study.wire import Code, Reply
from tests.client.planted_frames import (
    CANARY,
    FRAMES,
    GOOD,
    LATER,
    NOTHING,
    SEEN,
    VALUES,
    WITNESS,
    D,
    frame,
)


class Receipted:
    """A ledger that receipted these vectors in rounds 1, 2, ..."""

    def __init__(self, *released: FloatArray) -> None:
        self._sha256: Mapping[int, str] = {
            number: canonical_sha256({RELEASE: values})
            for number, values in enumerate(released, start=1)
        }

    def receipt_sha256(self, round_number: int) -> str | None:
        return self._sha256.get(round_number)


EGRESS = Egress("east", D, Receipted(VALUES, LATER), lambda: WITNESS)
LEGAL = {GOOD, SEEN, reply_frame(Reply("", Code.WITNESSED))} | {
    reply_frame(Reply(clinic, code))
    for clinic in ("", "east")
    for code in Code
    if code not in (Code.RELEASED, Code.WITNESSED)
}


def refused(given: object, round_number: object = 1) -> EgressCode:
    with pytest.raises(EgressError) as held:
        EGRESS.pass_out(round_number, given)  # type: ignore[arg-type]
    return held.value.code


@pytest.mark.parametrize("name", FRAMES)
def test_a_planted_frame_is_held_back_by_its_code(name: str) -> None:
    code, planted = FRAMES[name]
    assert refused(planted) is code


def test_more_than_sixty_kinds_of_frame_and_every_code() -> None:
    assert len(FRAMES) >= 60
    distinct = {bytes(each) for _, each in FRAMES.values() if isinstance(each, bytes)}
    assert len(distinct) == sum(isinstance(each, bytes) for _, each in FRAMES.values())
    assert {code for code, _ in FRAMES.values()} | {EgressCode.NO_RECEIPT} == set(EgressCode)
    assert not distinct & LEGAL


@pytest.mark.parametrize("round_number", [0, -1, 3, True, 1.0, "1", None])
def test_a_round_without_a_receipt_lets_no_release_out(round_number: object) -> None:
    assert refused(GOOD, round_number) is EgressCode.NO_RECEIPT


def test_an_older_release_is_no_answer_to_a_new_round() -> None:
    assert refused(GOOD, 2) is EgressCode.OTHER_VALUES
    assert EGRESS.pass_out(2, frame(body=LATER.tobytes()))


def test_a_receipt_of_another_clinic_s_ledger_opens_nothing() -> None:
    with pytest.raises(EgressError) as held:
        Egress("east", D, Receipted(LATER), lambda: WITNESS).pass_out(1, GOOD)
    assert held.value.code is EgressCode.OTHER_VALUES


@pytest.mark.parametrize("legal", sorted(LEGAL))
def test_every_legal_frame_leaves_unaltered_and_again(legal: bytes) -> None:
    assert EGRESS.pass_out(1, legal) == EGRESS.pass_out(1, legal) == legal


@settings(max_examples=40)
@given(
    values=arrays(np.float64, st.integers(1, 60), elements=st.floats(allow_nan=False)).filter(
        lambda values: bool(np.isfinite(values).all())
    ),
    clinic=st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True),
)
def test_no_legal_release_is_held_back(values: FloatArray, clinic: str) -> None:
    sent = reply_frame(Reply(clinic, Code.RELEASED, values))
    assert Egress(clinic, len(values), Receipted(values)).pass_out(1, sent) == sent


def mutant(rng: np.random.Generator, legal: bytes) -> bytes:
    """A legal frame with bytes flipped, set, put in, taken out, doubled or exchanged."""
    data, place = bytearray(legal), int(rng.integers(len(legal)))
    other, kind = int(rng.integers(len(legal))), int(rng.integers(7))
    if kind == 0:
        data[place] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        data[place] = int(rng.integers(256))
    elif kind == 2:
        data[place:place] = rng.bytes(int(rng.integers(1, 9)))
    elif kind == 3:
        del data[place : place + int(rng.integers(1, 9))]
    elif kind == 4:
        data[place:place] = data[other : other + 8]
    elif kind == 5:
        data[place], data[other] = data[other], data[place]
    else:  # a header of another length, whose prefix says so
        _, head_bytes, body_bytes, _ = PREFIX.unpack_from(legal)
        split = PREFIX.size + head_bytes
        head = bytearray(legal[PREFIX.size : split])
        head.insert(int(rng.integers(len(head) + 1)), int(rng.choice(list(b' \t\n0"1,{}ea'))))
        body, witness = legal[split : split + body_bytes], legal[split + body_bytes :]
        return frame(bytes(head), body, witness=witness)
    return bytes(data)


def passed(egress: Egress, mutants: int) -> tuple[int, int]:
    """How many of so many mutants differed from every legal frame, and how many of these left."""
    rng, sources = np.random.default_rng(20), [GOOD, SEEN, NOTHING]
    judged = left = 0
    for number in range(mutants):
        planted = mutant(rng, sources[number % 3])
        if planted in LEGAL:  # a digit of a code became another code's
            continue
        judged += 1
        try:
            egress.pass_out(1, planted)
            left += 1
        except EgressError:
            pass
    return judged, left


@pytest.mark.slow
def test_none_of_a_hundred_thousand_mutants_leaves() -> None:
    judged, left = passed(EGRESS, 108_000)
    assert judged >= 100_000
    assert left == 0


def test_a_judge_that_forgets_the_canonical_form_lets_mutants_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[bytes] = []
    assert passed(EGRESS, 3000)[1] == 0

    class Anything(bytes):
        __hash__ = bytes.__hash__

        def __ne__(self, other: object) -> bool:
            seen.append(self)
            return False

    monkeypatch.setattr("client.egress.reply_frame", lambda reply: Anything())
    assert passed(EGRESS, 3000)[1] > 10
    assert seen


def test_a_judge_that_forgets_the_receipt_lets_mutants_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Egress, "_check_receipt", lambda *_: None)
    assert passed(EGRESS, 3000)[1] > 100


def test_what_is_held_back_is_told_by_its_code_alone() -> None:
    with pytest.raises(EgressError) as held:
        EGRESS.pass_out(1, frame(json.dumps({"clinic": CANARY, "code": 0}).encode()))
    assert CANARY not in str(held.value)
