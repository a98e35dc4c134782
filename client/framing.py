"""Bytes on the socket between relay and agent: lengths, JSON header, float64, checkpoints.

A frame is 8 bytes that name the format, the lengths of header, body and witness (unsigned 32-bit,
little-endian), the header in JSON, the vector as little-endian float64, and bytes about checkpoints
(study/witness.py). Decoding builds only numbers, short strings, one vector and those bytes, so that
no sender can run anything here.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

from study.wire import CLINIC, CODE, DTYPE, PROTOCOL_SHA256, ROUND, Code, FloatArray, Reply, Request

FORMAT = b"INSULA2\n"
PREFIX = struct.Struct("<8sIII")
LONGEST_HEADER = 1024
LONGEST_BODY = 64 * 2**20
LONGEST_WITNESS = 4 * 2**20

Header = Mapping[str, int | str]


class FrameError(ValueError):
    """Bytes that are no frame of this version; nothing was read from them."""


def request_frame(request: Request) -> bytes:
    """A request as bytes."""
    header: Header = {ROUND: request.round_number, PROTOCOL_SHA256: request.protocol_sha256}
    return _frame(header, request.shared, request.witness)


def reply_frame(reply: Reply) -> bytes:
    """A reply as bytes; one without a release has an empty body."""
    return _frame({CLINIC: reply.clinic, CODE: int(reply.code)}, reply.release, reply.witness)


def read_request(stream: BinaryIO) -> Request:
    """The request in the next frame."""
    header, vector, witness = _read(stream, {ROUND: int, PROTOCOL_SHA256: str})
    return Request(header[ROUND], header[PROTOCOL_SHA256], vector, witness)


def read_reply(stream: BinaryIO) -> Reply:
    """The reply in the next frame."""
    header, vector, witness = _read(stream, {CLINIC: str, CODE: int})
    if header[CODE] not in list(Code):
        raise _not_a_frame(f"code {header[CODE]}", "a code of this version")
    code = Code(header[CODE])
    return Reply(header[CLINIC], code, vector if code is Code.RELEASED else None, witness)


def _frame(header: Header, vector: FloatArray | None, witness: bytes) -> bytes:
    head = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    body = b"" if vector is None else np.ascontiguousarray(vector, dtype=DTYPE).tobytes()
    lengths = len(head), len(body), len(witness)
    if _too_long(lengths):
        raise _not_a_frame(f"{lengths} bytes to send", "a smaller message")
    return PREFIX.pack(FORMAT, *lengths) + head + body + witness


def _read(stream: BinaryIO, fields: Mapping[str, type]) -> tuple[dict[str, Any], FloatArray, bytes]:
    name, *lengths = PREFIX.unpack(_exactly(stream, PREFIX.size))
    if name != FORMAT:
        raise _not_a_frame("other leading bytes", f"{FORMAT!r}")
    head_bytes, body_bytes, witness_bytes = lengths
    if _too_long(lengths) or body_bytes % 8:
        raise _not_a_frame(f"lengths {lengths}", "a header and whole float64s")
    header = _header(_exactly(stream, head_bytes), fields)
    vector = np.frombuffer(_exactly(stream, body_bytes), dtype=DTYPE).astype(np.float64)
    return header, vector, _exactly(stream, witness_bytes)


def _too_long(lengths: Sequence[int]) -> bool:
    longest = LONGEST_HEADER, LONGEST_BODY, LONGEST_WITNESS
    return any(found > most for found, most in zip(lengths, longest, strict=True))


def _header(text: bytes, fields: Mapping[str, type]) -> dict[str, Any]:
    try:
        header = json.loads(text)
    except ValueError as error:
        raise _not_a_frame("a header that is not JSON", "JSON") from error
    if not isinstance(header, dict) or set(header) != set(fields):
        raise _not_a_frame("a header with other fields", f"{sorted(fields)}")
    if any(type(header[name]) is not kind for name, kind in fields.items()):
        raise _not_a_frame("a header with values of other types", f"{dict(fields)}")
    return header


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise _not_a_frame(f"{len(data)} bytes before the end", f"{count}")
    return data


def _not_a_frame(found: str, expected: str) -> FrameError:
    return FrameError(
        f"found {found}; expected {expected}. The message was not used. What to do: run relay and "
        "agent of the same version."
    )
