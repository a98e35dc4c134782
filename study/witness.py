"""How checkpoints of ledgers cross with a round, in bytes of one length for a study's members.

Up goes a clinic's own checkpoint and, in the order of the members, its signature under each of the
others' that it was just shown. Down goes every member's newest checkpoint, and who has signed an
earlier one of its. Zeros stand for what there is not.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from privacy.ledger_checkpoint import PUBLISHED_BYTES, CheckpointError, Published

SIGNATURE = 64
NONE = bytes(SIGNATURE)
_SIZE = struct.Struct("<Q")


@dataclass(frozen=True)
class Shown:
    """What the centre tells of one member: its newest checkpoint, and signatures under another.

    `signed_size` is the number of records that the `signatures`, one a member, stand for.
    """

    published: Published | None
    signed_size: int
    signatures: tuple[bytes, ...]


@dataclass(frozen=True)
class Seen:
    """What a clinic answers: its own checkpoint, and its signature under each member's."""

    published: Published | None
    signatures: tuple[bytes, ...]


def shown_bytes(shown: Sequence[Shown]) -> bytes:
    """What goes down, one part a member."""
    return b"".join(
        _packed(one.published) + _SIZE.pack(one.signed_size) + b"".join(one.signatures)
        for one in shown
    )


def read_shown(data: bytes, members: int) -> tuple[Shown, ...]:
    """What came down; nothing at all is as good as zeros. CheckpointError for any other form."""
    part = PUBLISHED_BYTES + _SIZE.size + members * SIGNATURE
    data = data or bytes(members * part)
    _check_length(data, members * part)
    return tuple(_shown(data[at : at + part]) for at in range(0, len(data), part))


def seen_bytes(seen: Seen) -> bytes:
    """What goes up."""
    return _packed(seen.published) + b"".join(seen.signatures)


def read_seen(data: bytes, members: int) -> Seen:
    """What came up; CheckpointError for bytes of another form."""
    _check_length(data, PUBLISHED_BYTES + members * SIGNATURE)
    return Seen(Published.unpacked(data[:PUBLISHED_BYTES]), _signatures(data[PUBLISHED_BYTES:]))


def _shown(data: bytes) -> Shown:
    (size,) = _SIZE.unpack_from(data, PUBLISHED_BYTES)
    signatures = _signatures(data[PUBLISHED_BYTES + _SIZE.size :])
    return Shown(Published.unpacked(data[:PUBLISHED_BYTES]), size, signatures)


def _signatures(data: bytes) -> tuple[bytes, ...]:
    return tuple(data[at : at + SIGNATURE] for at in range(0, len(data), SIGNATURE))


def _packed(published: Published | None) -> bytes:
    return bytes(PUBLISHED_BYTES) if published is None else published.packed()


def _check_length(data: bytes, expected: int) -> None:
    if len(data) != expected:
        raise CheckpointError(f"found {len(data)} bytes about witnesses; expected {expected}")
