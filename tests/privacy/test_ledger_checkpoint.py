"""A checkpoint proves to whoever saw an older one that nothing before was changed."""

import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from privacy.ledger_checkpoint import (
    PEAKS,
    PUBLISHED_BYTES,
    WINDOW,
    CheckpointError,
    Published,
    signed,
)
from privacy.merkle import leaf, root_of

KEY, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([n] * 32)) for n in b"ab")
HEAD = 8 + 32 + 64


def leaves(size: int, forked_at: int | None = None) -> list[bytes]:
    """Leaves of a ledger; from `forked_at` on those of another history."""
    return [
        leaf(bytes([n % 256, n // 256, n >= forked_at if forked_at is not None else False]))
        for n in range(size)
    ]


@given(st.integers(1, 400))
def test_it_crosses_in_one_length_and_comes_back(size: int) -> None:
    published = Published.of(leaves(size), KEY)
    assert published.checkpoint.root == root_of(leaves(size))
    assert len(published.packed()) == PUBLISHED_BYTES
    assert Published.unpacked(published.packed()) == published


def test_zeros_are_nothing() -> None:
    assert Published.unpacked(bytes(PUBLISHED_BYTES)) is None


@given(st.integers(1, 300), st.integers(0, WINDOW))
def test_whoever_saw_one_of_the_last_trees_is_convinced(size: int, before: int) -> None:
    seen = max(0, size - before)
    assert Published.of(leaves(size), KEY).extends(seen, root_of(leaves(size)[:seen]))


@given(st.integers(2, 300), st.data())
def test_a_history_that_forked_before_what_was_seen_convinces_nobody(
    size: int, data: st.DataObject
) -> None:
    seen = data.draw(st.integers(max(1, size - WINDOW), size))
    fork = data.draw(st.integers(0, seen - 1))
    published = Published.of(leaves(size, fork), KEY)
    assert not published.extends(seen, root_of(leaves(seen)))
    assert Published.of(leaves(size, seen), KEY).extends(seen, root_of(leaves(seen)))


@pytest.mark.parametrize(("size", "seen"), [(5, 6), (WINDOW + 10, 9), (200, 0), (3, -1)])
def test_what_lies_outside_the_window_is_not_proved(size: int, seen: int) -> None:
    published = Published.of(leaves(size), KEY)
    assert not published.extends(seen, root_of(leaves(max(seen, 0))))


def tampered(place: int, planted: bytes, size: int = 100) -> bytes:
    data = bytearray(Published.of(leaves(size), KEY).packed())
    data[place : place + len(planted)] = planted
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "0 bytes"),
        (bytes(PUBLISHED_BYTES + 1), f"{PUBLISHED_BYTES + 1} bytes"),
        (tampered(0, struct.pack("<Q", 99)), "found"),
        (tampered(0, struct.pack("<Q", 101)), "found"),
        (tampered(0, struct.pack("<Q", 2**40)), "expected fewer"),
        (tampered(8, OTHER.public_key().public_bytes_raw()), "signature"),
        (tampered(8, b"\xff" * 32), "signature"),
        (tampered(40, bytes(64)), "signature"),
        (tampered(HEAD, b"\1" * 32), "signature"),
        (tampered(HEAD + PEAKS * 32, b"\1" * 32), "signature"),
        (tampered(HEAD + 31 * 32, b"MRN-4711"), "zeros"),
        (tampered(HEAD + PEAKS * 32 + 40 * 32, b"MRN-4711", size=40), "zeros"),
    ],
)
def test_bytes_that_are_no_checkpoint(data: bytes, found: str) -> None:
    with pytest.raises(CheckpointError, match=found):
        Published.unpacked(data)


def test_no_bit_of_it_can_be_changed() -> None:
    data = Published.of(leaves(70), KEY).packed()
    for place in range(0, len(data), 7):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        with pytest.raises(CheckpointError):
            Published.unpacked(bytes(changed))


def test_a_witness_signs_something_else_than_the_owner() -> None:
    checkpoint = Published.of(leaves(9), KEY).checkpoint
    owner, north = checkpoint.statement(), checkpoint.witness_statement("north")
    assert len({owner, north, checkpoint.witness_statement("nort")}) == 3
    public = KEY.public_key().public_bytes_raw()
    assert signed(public, checkpoint.signature, owner)
    assert not signed(public, checkpoint.signature, north)
    assert not signed(b"\0" * 5, checkpoint.signature, owner)


def test_nothing_of_a_record_is_printed() -> None:
    assert leaves(3)[0].hex() not in repr(Published.of(leaves(3), KEY))
