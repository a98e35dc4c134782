"""Only finite little-endian vectors of the agreed length cross, and codes instead of words."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from privacy.canonical import RELEASE
from study.wire import SHARED, Code, Reply, Request, is_vector

GOOD = np.array([1.0, -2.0, 3.0])


def test_a_finite_vector_of_the_agreed_length_may_cross() -> None:
    assert is_vector(GOOD, 3)


@pytest.mark.parametrize(
    "planted",
    [
        GOOD[:2],
        GOOD[None],
        GOOD.astype(np.float32),
        GOOD.astype(">f8"),
        GOOD.astype(np.int64),
        np.array([1.0, np.nan, 3.0]),
        np.array([1.0, np.inf, 3.0]),
        np.array(["a", "b", "c"]),
        np.array([None, None, None]),
    ],
)
def test_anything_else_may_not(planted: np.ndarray) -> None:
    assert not is_vector(planted, 3)


def test_codes_are_numbers_that_stay() -> None:
    """Old relays meet new servers: a number keeps its meaning."""
    assert {code.name: int(code) for code in Code} == {
        "RELEASED": 0,
        "INTERNAL": 1,
        "MALFORMED": 2,
        "OTHER_PROTOCOL": 3,
        "NO_SUCH_ROUND": 4,
        "BAD_SHARED_VECTOR": 5,
        "REFUSED": 6,
        "NO_AGENT": 7,
        "NO_REPLY": 8,
        "BAD_RELEASE": 9,
        "WITNESSED": 10,
        "BAD_WITNESS": 11,
        "ROLLED_BACK": 12,
        "OLD_RELEASE": 20,
        "TOO_LARGE": 21,
    }


@pytest.mark.parametrize(
    ("number", "shared", "none"),
    [
        (0, np.zeros(0), True),
        (0, GOOD, False),
        (1, np.zeros(0), False),
        (0, np.zeros((0, 3)), False),
    ],
)
def test_a_request_that_asks_for_no_release(number: int, shared: np.ndarray, none: bool) -> None:
    assert Request(number, "0" * 64, shared).asks_no_release is none


def test_the_two_directions_have_different_names() -> None:
    assert SHARED != RELEASE


def test_no_value_that_crosses_is_printed_by_accident() -> None:
    assert "1.0" not in repr(Reply("east", Code.RELEASED, GOOD))
    assert "1.0" not in repr(Request(1, "0" * 64, GOOD))
    assert "canary" not in repr(Reply("east", Code.WITNESSED, witness=b"canary"))


def test_the_wire_needs_neither_torch_nor_flower(repository: Path) -> None:
    code = "import sys, study.wire; print({'torch', 'flwr', 'pydantic'} & set(sys.modules))"
    seen = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )
    assert seen.stdout.strip() == "set()"
