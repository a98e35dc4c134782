"""A ledger's checkpoint as other clinics see it: so many records, their root, a signature.

It is published with what shows that nothing before was changed: the last `WINDOW` leaves and the
peaks of the tree below them. Whoever saw any tree of the last `WINDOW` sizes can grow that tree to
this one, and knows that it is the same history (a consistency proof, in one fixed length). Leaves
are hashes of signed records, which nobody outside can guess.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from privacy.merkle import grown, root

WINDOW = 64
"""Records whose leaves are shown: some thirty rounds that a witness may have missed."""

HASH = 32
PEAKS = 32  # a tree of fewer than 2^32 records has no more
OWNER, WITNESS = b"insula-checkpoint/1\0", b"insula-witness/1\0"
_HEAD = struct.Struct("<Q32s64s")
PUBLISHED_BYTES = _HEAD.size + (PEAKS + WINDOW) * HASH


class CheckpointError(ValueError):
    """Bytes that are no checkpoint, or one that its own key did not sign."""


@dataclass(frozen=True)
class Checkpoint:
    """The first `size` records of the ledger whose key is `public_key`, by the root of their tree.

    `signature` is by that key.
    """

    public_key: bytes
    size: int
    root: bytes
    signature: bytes

    def statement(self, prefix: bytes = OWNER) -> bytes:
        """What is signed."""
        return prefix + self.public_key + struct.pack("<Q", self.size) + self.root

    def witness_statement(self, witness: str) -> bytes:
        """What a clinic of this name signs when it has seen that this history goes on."""
        return self.statement(WITNESS + witness.encode() + b"\0")


@dataclass(frozen=True)
class Published:
    """A checkpoint with what proves it: `peaks` of the tree without `leaves`, its last ones."""

    checkpoint: Checkpoint
    peaks: tuple[bytes, ...] = field(repr=False)
    leaves: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def of(cls, leaves: Sequence[bytes], key: Ed25519PrivateKey) -> Self:
        """The checkpoint of a whole ledger, given the leaf of every record."""
        base = max(0, len(leaves) - WINDOW)
        peaks, window = grown((), 0, leaves[:base]), tuple(leaves[base:])
        whole = root(grown(peaks, base, window))
        unsigned = Checkpoint(key.public_key().public_bytes_raw(), len(leaves), whole, b"")
        signature = key.sign(unsigned.statement())
        return cls(Checkpoint(unsigned.public_key, len(leaves), whole, signature), peaks, window)

    @classmethod
    def unpacked(cls, data: bytes) -> Self | None:
        """What `packed` wrote, its signature checked; None for zeros: nothing was published."""
        if len(data) != PUBLISHED_BYTES:
            raise CheckpointError(f"found {len(data)} bytes; expected {PUBLISHED_BYTES}")
        if not any(data):
            return None
        size, public_key, signature = _HEAD.unpack_from(data)
        base = max(0, size - WINDOW)
        hashes = [data[i : i + HASH] for i in range(_HEAD.size, len(data), HASH)]
        peaks, leaves = tuple(hashes[: base.bit_count()]), tuple(hashes[PEAKS:][: size - base])
        if base >= 2**PEAKS:
            raise CheckpointError(f"found a tree of {size} records; expected fewer")
        whole = root(grown(peaks, base, leaves))
        found = cls(Checkpoint(public_key, size, whole, signature), peaks, leaves)
        if found.packed() != data:
            raise CheckpointError("found bytes beside a checkpoint; expected zeros there")
        if not signed(public_key, signature, found.checkpoint.statement()):
            raise CheckpointError("found a signature that does not fit; expected one by its key")
        return found

    def packed(self) -> bytes:
        """All of it in `PUBLISHED_BYTES` bytes, however long the ledger is."""
        own = self.checkpoint
        head = _HEAD.pack(own.size, own.public_key, own.signature)
        peaks = b"".join(self.peaks).ljust(PEAKS * HASH, b"\0")
        return head + peaks + b"".join(self.leaves).ljust(WINDOW * HASH, b"\0")

    def extends(self, size: int, whole: bytes) -> bool:
        """Whether the tree of that size and root, seen before, is the beginning of this one."""
        base = self.checkpoint.size - len(self.leaves)
        if not base <= size <= self.checkpoint.size:
            return False
        return root(grown(self.peaks, base, self.leaves[: size - base])) == whole


def signed(public_key: bytes, signature: bytes, statement: bytes) -> bool:
    """Whether this key signed this statement."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, statement)
    except (InvalidSignature, ValueError):
        return False
    return True
