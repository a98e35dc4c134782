"""The one byte form of a payload, and its SHA-256: what a receipt binds and the gate compares."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

AnyArray = npt.NDArray[Any]

RELEASE = "release"  # the only name under which a released vector leaves


def canonical_sha256(arrays: Mapping[str, AnyArray]) -> str:
    """SHA-256 (hex) of named arrays in their order: names, dtypes and shapes first, then values.

    Values are little-endian in C order, so memory layout does not matter and every bit does.
    """
    header = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
    digest = hashlib.sha256(json.dumps(header, separators=(",", ":")).encode() + b"\n")
    for array in arrays.values():
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(np.ascontiguousarray(little).tobytes())
    return digest.hexdigest()
