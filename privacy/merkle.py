"""The Merkle tree over a ledger's records (RFC 6962): one root for all of them, in their order.

A leaf is SHA-256(0 | record), a node SHA-256(1 | left | right). The peaks of a tree are the roots
of its perfect subtrees, largest first, one for each 1 in the binary form of its size: with them a
tree grows by new leaves, and nothing else of it need be known.
"""

import hashlib
from collections.abc import Iterable, Sequence

EMPTY = hashlib.sha256(b"").digest()


def leaf(record: bytes) -> bytes:
    """Hash of one record."""
    return hashlib.sha256(b"\0" + record).digest()


def grown(peaks: Sequence[bytes], size: int, leaves: Iterable[bytes]) -> tuple[bytes, ...]:
    """The peaks after these leaves were added to a tree of `size` leaves with those peaks."""
    tops = list(peaks)
    for number, each in enumerate(leaves, start=size):
        tops.append(each)
        while number & 1:  # a subtree of this height is there already: the two become one
            right = tops.pop()
            tops[-1] = _node(tops[-1], right)
            number >>= 1
    return tuple(tops)


def root(peaks: Sequence[bytes]) -> bytes:
    """The one hash over all peaks; that of nothing for an empty tree."""
    if not peaks:
        return EMPTY
    *left, whole = peaks
    for each in reversed(left):
        whole = _node(each, whole)
    return whole


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root of the tree over these leaves."""
    return root(grown((), 0, leaves))


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()
