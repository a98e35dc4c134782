"""The tree is RFC 6962's, however it is grown."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.merkle import EMPTY, grown, leaf, root, root_of

# Entries and roots of the test data that implementations of RFC 6962 share.
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def by_definition(entries: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, as it stands there."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\0" + entries[0]).digest()
    split = 1 << (len(entries) - 1).bit_length() - 1
    halves = by_definition(entries[:split]) + by_definition(entries[split:])
    return hashlib.sha256(b"\1" + halves).digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_known_roots(size: int) -> None:
    assert root_of([leaf(entry) for entry in ENTRIES[:size]]).hex() == ROOTS[size - 1]


def test_nothing_has_a_root_too() -> None:
    assert root_of([]) == root(()) == EMPTY == by_definition([])


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_tree_grown_in_two_steps_is_the_tree(first: int, more: int) -> None:
    entries = [bytes([n % 256, n // 256]) for n in range(first + more)]
    leaves = [leaf(entry) for entry in entries]
    peaks = grown((), 0, leaves[:first])
    assert len(peaks) == first.bit_count()
    assert root(grown(peaks, first, leaves[first:])) == by_definition(entries)


@given(st.integers(2, 60), st.data())
def test_another_leaf_or_order_is_another_root(size: int, data: st.DataObject) -> None:
    leaves = [leaf(bytes([n])) for n in range(size)]
    place = data.draw(st.integers(0, size - 2))
    swapped = [*leaves]
    swapped[place], swapped[place + 1] = swapped[place + 1], swapped[place]
    dropped = leaves[:place] + leaves[place + 1 :]
    doubled = [*leaves, leaves[-1]]
    roots = {root_of(each) for each in (leaves, swapped, dropped, doubled)}
    assert len(roots) == 4


def test_a_node_cannot_stand_for_a_leaf() -> None:
    """Without the two prefixes a pair of leaves could be passed off as one record."""
    left, right = leaf(b"a"), leaf(b"b")
    assert root_of([left, right]) != leaf(left + right)
