"""The last look at the bytes that leave the agent: one legal frame for a release, one for a code.

The gate judges arrays; what crosses is bytes, and bytes can carry more: white space in the JSON,
a repeated field, something behind the body. So a frame leaves only if it is the very frame that
this version writes for its own meaning, names this clinic, and holds either nothing but a code or
exactly the values that the ledger receipted for the round that was asked. What goes beside them for
the witnesses is compared with what this clinic's ledger and memory give, byte for byte.
"""

import json
from collections.abc import Callable
from enum import StrEnum

import numpy as np

from client.framing import FORMAT, PREFIX, reply_frame
from privacy.canonical import RELEASE, canonical_sha256
from privacy.gate import Receipts
from privacy.metric import MetricRelease
from study.wire import CLINIC, CODE, DTYPE, Code, FloatArray, Reply


class EgressCode(StrEnum):
    """Why a frame does not leave."""

    TYPE = "type"
    FORMAT = "format"
    LENGTH = "length"
    HEADER = "header"
    CLINIC = "clinic"
    CODE = "code"
    NOT_CANONICAL = "not_canonical"
    BODY = "body"
    NOT_FINITE = "not_finite"
    NO_RECEIPT = "no_receipt"
    OTHER_VALUES = "other_values"
    WITNESS = "witness"


class EgressError(ValueError):
    """A frame that was held back; only its code may be told, not even that may leave."""

    def __init__(self, code: EgressCode) -> None:
        self.code = code
        super().__init__(
            f"found a frame to send that is not the one for its meaning ({code}); expected a code "
            "of the list, or the receipted release under this clinic's name. Nothing left. What to "
            "do: keep the log; run an agent whose files are those of its version."
        )


class Egress:
    """Judges the frames of one clinic: `dimension` d, receipts from its ledger.

    `witness` gives the bytes about checkpoints that may leave now. `metric` is this clinic's
    release of metrics, if the protocol has one: in its round it is the only one.
    """

    def __init__(
        self,
        clinic: str,
        dimension: int,
        receipts: Receipts,
        witness: Callable[[], bytes] = bytes,
        metric: MetricRelease | None = None,
    ) -> None:
        self._clinic = clinic
        self._dimension = dimension
        self._receipts = receipts
        self._witness = witness
        self._metric = metric

    def pass_out(self, round_number: int, frame: bytes) -> bytes:
        """The same bytes, judged whole; EgressError with its code for any other bytes."""
        head, body, witness = _parts(frame)
        code = self._code_of(head)
        name, length = self._expected(round_number)
        release = _release_of(body, length) if code is Code.RELEASED else None
        if release is None and body:
            raise EgressError(EgressCode.BODY)
        clinic = self._clinic if json.loads(head)[CLINIC] else ""
        if reply_frame(Reply(clinic, code, release, witness)) != frame:
            raise EgressError(EgressCode.NOT_CANONICAL)
        if release is not None:
            self._check_receipt(round_number, name, release)
        witnessing = clinic and code in (Code.RELEASED, Code.WITNESSED)
        if witness != (self._witness() if witnessing else b""):
            raise EgressError(EgressCode.WITNESS)
        return frame

    def _code_of(self, head: bytes) -> Code:
        try:
            header = json.loads(head)
        except (ValueError, RecursionError):
            raise EgressError(EgressCode.HEADER) from None
        if type(header) is not dict or set(header) != {CLINIC, CODE}:
            raise EgressError(EgressCode.HEADER)
        code = header[CODE]
        if type(code) is not int or code not in list(Code):
            raise EgressError(EgressCode.CODE)
        nameless = header[CLINIC] == "" and code != Code.RELEASED  # a caller who asked nothing
        if header[CLINIC] != self._clinic and not nameless:
            raise EgressError(EgressCode.CLINIC)
        return Code(code)

    def _expected(self, round_number: int) -> tuple[str, int]:
        """Name and length of what may leave in this round."""
        metric = self._metric
        if metric is None or round_number != metric.round_number:
            return RELEASE, self._dimension
        return metric.name, 0 if metric.suppressed else metric.length

    def _check_receipt(self, round_number: int, name: str, release: FloatArray) -> None:
        known = type(round_number) is int and round_number >= 1
        receipt = self._receipts.receipt_sha256(round_number) if known else None
        if receipt is None:
            raise EgressError(EgressCode.NO_RECEIPT)
        if canonical_sha256({name: release}) != receipt:
            raise EgressError(EgressCode.OTHER_VALUES)


def _release_of(body: bytes, length: int) -> FloatArray:
    if len(body) != 8 * length:
        raise EgressError(EgressCode.BODY)
    release = np.frombuffer(body, dtype=DTYPE)
    if not np.isfinite(release).all():
        raise EgressError(EgressCode.NOT_FINITE)
    return release


def _parts(frame: bytes) -> tuple[bytes, bytes, bytes]:
    """Header, body and witness of a frame whose prefix says exactly how long they are."""
    if type(frame) is not bytes:
        raise EgressError(EgressCode.TYPE)
    if len(frame) < PREFIX.size or not frame.startswith(FORMAT):
        raise EgressError(EgressCode.FORMAT)
    _, head_bytes, body_bytes, witness_bytes = PREFIX.unpack_from(frame)
    if len(frame) != PREFIX.size + head_bytes + body_bytes + witness_bytes:
        raise EgressError(EgressCode.LENGTH)
    split, end = PREFIX.size + head_bytes, PREFIX.size + head_bytes + body_bytes
    return frame[PREFIX.size : split], frame[split:end], frame[end:]
