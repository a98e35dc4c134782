"""The hash of a payload: every bit, name, type and shape counts; memory layout does not."""

import hashlib

import numpy as np

from privacy.canonical import RELEASE, canonical_sha256

VALUES = np.array([1.0, -2.5])


def test_bytes_by_hand() -> None:
    header = b'[["release","<f8",[2]]]\n'
    expected = hashlib.sha256(header + VALUES.tobytes()).hexdigest()
    assert canonical_sha256({RELEASE: VALUES}) == expected


def test_memory_layout_does_not_count() -> None:
    table = np.arange(12.0).reshape(3, 4)
    once = canonical_sha256({"a": table})
    assert canonical_sha256({"a": np.asfortranarray(table)}) == once
    assert canonical_sha256({"a": np.repeat(table, 2, axis=1)[:, ::2]}) == once


def test_everything_else_counts() -> None:
    variants = [
        {"a": VALUES},
        {"b": VALUES},
        {"a": VALUES.astype(np.float32)},
        {"a": VALUES.astype(">f8")},
        {"a": VALUES.reshape(1, 2)},
        {"a": np.nextafter(VALUES, 9)},
        {"a": np.array([0.0, 0.0])},
        {"a": np.array([0.0, -0.0])},
        {"a": VALUES, "b": VALUES},
        {"b": VALUES, "a": VALUES},
        {},
    ]
    assert len({canonical_sha256(arrays) for arrays in variants}) == len(variants)
