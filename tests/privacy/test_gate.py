"""The gate: the released vector passes, again and again; every planted leak is held back."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.canonical import RELEASE, canonical_sha256
from privacy.gate import REMEDIES, Gate, GateCode, GateError, Manifest
from privacy.ledger import Ledger
from privacy.noise import ExactNoise
from privacy.release import release_sum

AnyArray = npt.NDArray[Any]
Payload = dict[str, AnyArray]
D = 32
ROWS = np.random.default_rng(8).normal(size=(5, D))
MANIFEST = Manifest({RELEASE: ("float64", (D,))})
CANARY = "MRN-CANARY"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A clinic that has released rounds 1 and 2, and debited and stored round 3."""
    with Ledger.open(tmp_path_factory.mktemp("ledger"), mu_cap=2.0, study="gate") as ledger:
        for round_number in (1, 2, 3):
            ledger.debit(round_number, 1.0 + round_number, now_s=0.0)
            release = release_sum(ROWS, 1.0, 1.0 + round_number, ExactNoise())
            ledger.store(round_number, release.values)
            if round_number < 3:
                ledger.receipt(round_number, release.sha256, now_s=0.0)
        yield ledger


@pytest.fixture(scope="module")
def gate(ledger: Ledger) -> Gate:
    return Gate(MANIFEST, ledger)


@pytest.fixture
def released(ledger: Ledger) -> AnyArray:
    values = ledger.cached(1)
    assert values is not None
    return values


def test_the_release_passes_and_passes_again(gate: Gate, released: AnyArray) -> None:
    for _ in range(3):
        passed = gate.pass_out(1, {RELEASE: released}, metrics={})
        assert list(passed) == [RELEASE]
        assert passed[RELEASE].tolist() == released.tolist()


def test_another_memory_layout_passes_as_a_plain_copy(gate: Gate, released: AnyArray) -> None:
    wider = np.full((D, 2), 7.0)
    wider[:, 0] = released
    passed = gate.pass_out(1, {RELEASE: wider[:, 0]})[RELEASE]
    assert passed.base is None
    assert passed.flags.c_contiguous
    assert passed.tolist() == released.tolist()


class Masked(np.ndarray[Any, Any]):
    """Planted: an array that carries words."""

    note = CANARY


def with_value(value: float) -> Callable[[AnyArray], AnyArray]:
    return lambda released: np.where(np.arange(D) == 3, value, released)


def with_last_bit(released: AnyArray) -> AnyArray:
    bits = released.view(np.int64).copy()
    bits[5] ^= 1
    return np.asarray(bits.view(np.float64))


def negative_zero(released: AnyArray) -> AnyArray:
    return np.where(released == 0, -0.0, np.where(np.arange(D) == 0, -0.0, released))


Leak = Callable[[AnyArray], tuple[int, Mapping[Any, Any]]]


def one(change: Callable[[AnyArray], Any], round_number: int = 1) -> Leak:
    return lambda released: (round_number, {RELEASE: change(released)})


LEAKS: dict[str, tuple[GateCode, Leak]] = {
    "an extra array": (GateCode.NAMES, lambda v: (1, {RELEASE: v, "head": np.ones(3)})),
    "no array": (GateCode.NAMES, lambda v: (1, {})),
    "another name": (GateCode.NAMES, lambda v: (1, {"head": v})),
    "a patient's number as a name": (GateCode.NAMES, lambda v: (1, {CANARY: v})),
    "a name with a space after it": (GateCode.NAMES, lambda v: (1, {RELEASE + " ": v})),
    "a name of bytes": (GateCode.NAMES, lambda v: (1, {RELEASE.encode(): v})),
    "a name that is another kind of text": (GateCode.NAMES, lambda v: (1, {np.str_(RELEASE): v})),
    "a mapping that may hold more": (GateCode.TYPE, lambda v: (1, OrderedDict({RELEASE: v}))),
    "a list of numbers": (GateCode.TYPE, one(lambda v: v.tolist())),
    "raw bytes": (GateCode.TYPE, one(lambda v: v.tobytes())),
    "a subclass with a note": (GateCode.TYPE, one(lambda v: v.view(Masked))),
    "a masked array": (GateCode.TYPE, one(np.ma.masked_array)),
    "nothing": (GateCode.TYPE, one(lambda v: None)),
    "single precision": (GateCode.DTYPE, one(lambda v: v.astype(np.float32))),
    "extended precision": (GateCode.DTYPE, one(lambda v: v.astype(np.longdouble))),
    "the same bits as integers": (GateCode.DTYPE, one(lambda v: v.view(np.int64))),
    "swapped bytes": (GateCode.DTYPE, one(lambda v: v.astype(">f8"))),
    "objects": (GateCode.DTYPE, one(lambda v: v.astype(object))),
    "text": (GateCode.DTYPE, one(lambda v: np.full(D, CANARY))),
    "complex numbers": (GateCode.DTYPE, one(lambda v: v + 1j)),
    "a dtype with a note": (
        GateCode.DTYPE,
        one(lambda v: v.astype(np.dtype("float64", metadata={"note": CANARY}))),
    ),
    "one number more": (GateCode.SHAPE, one(lambda v: np.append(v, 6.5))),
    "one number fewer": (GateCode.SHAPE, one(lambda v: v[:-1])),
    "another shape": (GateCode.SHAPE, one(lambda v: v.reshape(1, D))),
    "rows instead of their sum": (GateCode.SHAPE, one(lambda v: ROWS)),
    "a NaN": (GateCode.NOT_FINITE, one(with_value(np.nan))),
    "an infinity": (GateCode.NOT_FINITE, one(with_value(-np.inf))),
    "the sum without noise": (GateCode.OTHER_VALUES, one(lambda v: ROWS.sum(axis=0))),
    "one patient's row": (GateCode.OTHER_VALUES, one(lambda v: ROWS[0].copy())),
    "half the release": (GateCode.OTHER_VALUES, one(lambda v: 0.5 * v)),
    "one value changed": (GateCode.OTHER_VALUES, one(with_value(5.6))),
    "a last bit flipped": (GateCode.OTHER_VALUES, one(with_last_bit)),
    "a negative zero": (GateCode.OTHER_VALUES, one(negative_zero)),
    "values in another order": (GateCode.OTHER_VALUES, one(lambda v: v[::-1].copy())),
    "an old release in a new round": (GateCode.OTHER_VALUES, one(lambda v: v, round_number=2)),
    "stored and not receipted": (GateCode.NO_RECEIPT, one(lambda v: v, round_number=3)),
    "a round never debited": (GateCode.NO_RECEIPT, one(lambda v: v, round_number=4)),
    "round 0": (GateCode.ROUND, one(lambda v: v, round_number=0)),
    "a round that is a truth value": (GateCode.ROUND, one(lambda v: v, round_number=True)),
}


@pytest.mark.parametrize("name", LEAKS)
def test_a_planted_leak_is_held_back(gate: Gate, released: AnyArray, name: str) -> None:
    code, leak = LEAKS[name]
    round_number, payload = leak(released)
    with pytest.raises(GateError) as held:
        gate.pass_out(round_number, payload)
    assert held.value.code is code


@pytest.mark.parametrize(
    "metrics", [{"loss": 1.25}, {"num-examples": 53}, {CANARY: 1}, {"per_patient": [1, 2, 3]}]
)
def test_every_metric_is_held_back(
    gate: Gate, released: AnyArray, metrics: Mapping[str, object]
) -> None:
    with pytest.raises(GateError) as held:
        gate.pass_out(1, {RELEASE: released}, metrics)
    assert held.value.code is GateCode.METRIC


def test_at_least_twenty_five_kinds_of_leak() -> None:
    assert len(LEAKS) + 4 >= 25
    of_metrics = {GateCode.METRIC, GateCode.SUPPRESSED, GateCode.ROUNDING}  # test_metric.py
    assert {code for code, _ in LEAKS.values()} >= set(GateCode) - of_metrics - {GateCode.ORDER}


class Receipted:
    """A ledger of one round whose receipt is that of these arrays."""

    def __init__(self, arrays: Payload) -> None:
        self.sha256 = canonical_sha256(arrays)

    def receipt_sha256(self, round_number: int) -> str | None:
        return self.sha256 if round_number == 1 else None


def test_order_of_several_arrays_is_that_of_the_manifest() -> None:
    arrays: Payload = {"a": np.ones(2), "b": np.zeros(3, dtype=np.float32)}
    gate = Gate(Manifest({"a": ("float64", (2,)), "b": ("float32", (3,))}), Receipted(arrays))
    assert list(gate.pass_out(1, arrays)) == ["a", "b"]
    with pytest.raises(GateError) as held:
        gate.pass_out(1, {"b": arrays["b"], "a": arrays["a"]})
    assert held.value.code is GateCode.ORDER


def test_two_arrays_of_one_form_cannot_change_places() -> None:
    arrays = {"a": np.ones(2), "b": np.zeros(2)}
    gate = Gate(Manifest({"a": ("float64", (2,)), "b": ("float64", (2,))}), Receipted(arrays))
    with pytest.raises(GateError) as held:
        gate.pass_out(1, {"a": arrays["b"], "b": arrays["a"]})
    assert held.value.code is GateCode.OTHER_VALUES


@given(place=st.integers(0, 8 * 8 * D - 1))
def test_no_single_bit_may_differ(place: int) -> None:
    values = np.linspace(-1.0, 1.0, D)
    gate = Gate(MANIFEST, Receipted({RELEASE: values}))
    data = bytearray(values.tobytes())
    data[place // 8] ^= 1 << (place % 8)
    with pytest.raises(GateError):
        gate.pass_out(1, {RELEASE: np.frombuffer(bytes(data))})
    assert gate.pass_out(1, {RELEASE: values})[RELEASE].tolist() == values.tolist()


def test_every_code_has_a_remedy() -> None:
    assert set(REMEDIES) == set(GateCode)
