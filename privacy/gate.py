"""The only way out of a clinic: names, types and shapes of the protocol, values of a receipt.

Metrics have one round of their own, if the protocol asks for any: their name, their length, the
grid they are rounded to, and a receipt like every release. In any other round, and beside the
arrays, a metric is refused whatever it says.

The gate knows nothing of training. It lets arrays pass if the protocol lists them and their hash is
the one that the release step wrote into the ledger for this round; it names what it refuses by a
code, because words could carry what it holds back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from privacy.canonical import canonical_sha256
from privacy.metric import FEWEST_PATIENTS, MetricRelease

AnyArray = npt.NDArray[Any]


class GateCode(StrEnum):
    """Why a payload does not leave."""

    NAMES = "names"
    ORDER = "order"
    TYPE = "type"
    DTYPE = "dtype"
    SHAPE = "shape"
    NOT_FINITE = "not_finite"
    METRIC = "metric"
    SUPPRESSED = "suppressed"
    ROUNDING = "rounding"
    ROUND = "round"
    NO_RECEIPT = "no_receipt"
    OTHER_VALUES = "other_values"


REMEDIES = {
    GateCode.NAMES: "send the arrays that the protocol lists, no more and no fewer",
    GateCode.ORDER: "send the arrays in the order of the protocol",
    GateCode.TYPE: "send a plain dict of plain numpy arrays",
    GateCode.DTYPE: "send the type that the protocol lists",
    GateCode.SHAPE: "send the shape that the protocol lists",
    GateCode.NOT_FINITE: "release finite values",
    GateCode.METRIC: "send no metrics beside a release: each is a release of its own",
    GateCode.SUPPRESSED: f"send no metrics of fewer than {FEWEST_PATIENTS} declared patients",
    GateCode.ROUNDING: "send metrics as the release step rounds them",
    GateCode.ROUND: "number rounds from 1",
    GateCode.NO_RECEIPT: "release through the ledger first; its receipt opens the gate",
    GateCode.OTHER_VALUES: "send the vector that was released in this round, unaltered",
}


class GateError(ValueError):
    """A payload that was held back; `code` may be told outside, the text stays at home."""

    def __init__(self, code: GateCode, found: str) -> None:
        self.code = code
        super().__init__(
            f"found {found}; expected what the protocol lists and the ledger receipted. Nothing "
            f"left ({code}). What to do: {REMEDIES[code]}."
        )


class Receipts(Protocol):
    """Where the gate looks up what was released: a ledger."""

    def receipt_sha256(self, round_number: int) -> str | None:
        """Hash of what may leave in this round, or nothing."""


@dataclass(frozen=True)
class Manifest:
    """What may leave: for each name, in order, its dtype and shape."""

    arrays: Mapping[str, tuple[str, tuple[int, ...]]]


class Gate:
    """Lets a clinic's release of a round pass, as often as it is asked for, and nothing else.

    `metric` is the release of metrics of this clinic, if the protocol has one.
    """

    def __init__(
        self, manifest: Manifest, ledger: Receipts, metric: MetricRelease | None = None
    ) -> None:
        self._manifest = manifest
        self._ledger = ledger
        self._metric = metric

    def pass_out(
        self,
        round_number: int,
        arrays: Mapping[str, AnyArray],
        metrics: Mapping[str, object] | None = None,
    ) -> dict[str, AnyArray]:
        """Fresh copies of `arrays`, which hold nothing but the values that were receipted.

        Raises GateError with its code for anything else.
        """
        if type(round_number) is not int or round_number < 1:
            raise GateError(GateCode.ROUND, f"round {round_number!r}")
        if metrics:
            raise GateError(GateCode.METRIC, f"metrics {list(metrics)}")
        metric = self._metric_of(round_number)
        manifest = self._manifest if metric is None else _manifest(metric)
        _check_names(arrays, list(manifest.arrays))
        for name, (dtype, shape) in manifest.arrays.items():
            _check_array(name, arrays[name], np.dtype(dtype), shape)
        copies = {name: np.array(array, order="C") for name, array in arrays.items()}
        if metric is not None and not metric.rounded(copies[metric.name]):
            raise GateError(GateCode.ROUNDING, "metrics between two steps of their grid")
        self._check_receipt(round_number, copies)
        return copies

    def _metric_of(self, round_number: int) -> MetricRelease | None:
        """What may leave in the round of metrics; nothing in every other."""
        metric = self._metric
        if metric is None or round_number != metric.round_number:
            return None
        if metric.suppressed:
            declared = metric.declared_patients
            raise GateError(GateCode.SUPPRESSED, f"metrics of {declared} declared patients")
        return metric

    def _check_receipt(self, round_number: int, copies: Mapping[str, AnyArray]) -> None:
        receipt = self._ledger.receipt_sha256(round_number)
        if receipt is None:
            raise GateError(GateCode.NO_RECEIPT, f"no receipt of round {round_number}")
        if canonical_sha256(copies) != receipt:
            raise GateError(GateCode.OTHER_VALUES, f"values never released in round {round_number}")


def _manifest(metric: MetricRelease) -> Manifest:
    return Manifest({metric.name: ("<f8", (metric.length,))})


def _check_names(arrays: Mapping[str, AnyArray], listed: list[str]) -> None:
    if type(arrays) is not dict:
        raise GateError(GateCode.TYPE, f"a payload of type {type(arrays).__name__}")
    if set(arrays) != set(listed) or any(type(name) is not str for name in arrays):
        raise GateError(GateCode.NAMES, f"arrays named {list(arrays)}, not {listed}")
    if list(arrays) != listed:
        raise GateError(GateCode.ORDER, f"arrays in the order {list(arrays)}")


def _check_array(name: str, array: object, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    if type(array) is not np.ndarray:
        raise GateError(GateCode.TYPE, f"{name} of type {type(array).__name__}")
    if array.dtype.str != dtype.str or array.dtype.metadata:
        raise GateError(GateCode.DTYPE, f"{name} of {array.dtype}, not {dtype}")
    if array.shape != shape:
        raise GateError(GateCode.SHAPE, f"{name} of shape {array.shape}, not {shape}")
    if not np.isfinite(array).all():
        raise GateError(GateCode.NOT_FINITE, f"values of {name} that are not finite")
