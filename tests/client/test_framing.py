"""Frames carry numbers exactly, and nothing that is not a frame of ours gets in."""

import io
import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from client.framing import (
    FORMAT,
    LONGEST_BODY,
    LONGEST_HEADER,
    LONGEST_WITNESS,
    PREFIX,
    FrameError,
    read_reply,
    read_request,
    reply_frame,
    request_frame,
)
from models.trace import FloatArray
from study.wire import Code, Reply, Request

DIGEST = "ab" * 32
REQUEST = Request(2, DIGEST, np.array([1.0, -0.0, 1e-300]), b"\0shown\xff")
GOOD = request_frame(REQUEST)
HEADER = {"server-round": 2, "protocol-sha256": DIGEST}


def frame(header: object, body: bytes = b"", name: bytes = FORMAT) -> bytes:
    text = json.dumps(header).encode()
    return PREFIX.pack(name, len(text), len(body), 0) + text + body


@given(
    number=st.integers(0, 2**31),
    shared=arrays(np.float64, st.integers(0, 40), elements=st.floats(allow_nan=True)),
)
def test_a_request_arrives_bit_for_bit(number: int, shared: FloatArray) -> None:
    sent = Request(number, DIGEST, shared, shared.tobytes()[::-1])
    came = read_request(io.BytesIO(request_frame(sent)))
    assert (came.round_number, came.protocol_sha256) == (number, DIGEST)
    assert came.witness == sent.witness
    assert came.shared.tobytes() == shared.tobytes()


@pytest.mark.parametrize("code", list(Code))
def test_a_reply_arrives_with_its_code(code: Code) -> None:
    release = np.array([0.25, -7.5]) if code is Code.RELEASED else None
    came = read_reply(io.BytesIO(reply_frame(Reply("east", code, release))))
    assert (came.clinic, came.code) == ("east", code)
    if release is None:
        assert came.release is None
    else:
        assert came.release is not None
        assert came.release.tolist() == release.tolist()


def test_the_bytes_are_the_documented_ones() -> None:
    written = reply_frame(Reply("east", Code.RELEASED, np.array([1.0]), b"seen"))
    header = b'{"clinic":"east","code":0}'
    lengths = struct.pack("<III", len(header), 8, 4)
    assert written == b"INSULA2\n" + lengths + header + struct.pack("<d", 1.0) + b"seen"


def test_what_arrives_can_be_written_to_and_is_a_copy() -> None:
    came = read_request(io.BytesIO(GOOD))
    came.shared[0] = 5.0
    assert read_request(io.BytesIO(GOOD)).shared[0] == 1.0


@pytest.mark.parametrize("length", range(len(GOOD)))
def test_a_frame_cut_anywhere_is_refused(length: int) -> None:
    with pytest.raises(FrameError, match="before the end"):
        read_request(io.BytesIO(GOOD[:length]))


@pytest.mark.parametrize(
    ("planted", "message"),
    [
        (frame(HEADER, name=b"PICKLE1\n"), "other leading bytes"),
        (PREFIX.pack(FORMAT, LONGEST_HEADER + 1, 0, 0), "lengths"),
        (PREFIX.pack(FORMAT, 2, LONGEST_BODY + 8, 0), "lengths"),
        (PREFIX.pack(FORMAT, 2, 0, LONGEST_WITNESS + 1), "lengths"),
        (frame(HEADER, b"1234567"), "lengths"),
        (PREFIX.pack(FORMAT, 3, 0, 0) + b"{a}", "not JSON"),
        (PREFIX.pack(FORMAT, 2, 0, 0) + b"\xff\xfe", "not JSON"),
        (frame([1, 2]), "other fields"),
        (frame({"server-round": 2}), "other fields"),
        (frame({**HEADER, "sigma": 0}), "other fields"),
        (frame({**HEADER, "server-round": "2"}), "other types"),
        (frame({**HEADER, "server-round": True}), "other types"),
        (frame({**HEADER, "server-round": 2.0}), "other types"),
        (frame({**HEADER, "protocol-sha256": None}), "other types"),
    ],
)
def test_what_is_no_frame_is_refused(planted: bytes, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        read_request(io.BytesIO(planted))


def test_an_unknown_code_is_refused() -> None:
    with pytest.raises(FrameError, match="code 99"):
        read_reply(io.BytesIO(frame({"clinic": "east", "code": 99})))


def test_a_code_that_is_not_released_brings_no_vector() -> None:
    planted = frame({"clinic": "east", "code": int(Code.REFUSED)}, b"\0" * 8)
    assert read_reply(io.BytesIO(planted)).release is None


def test_too_long_a_message_is_not_sent() -> None:
    with pytest.raises(FrameError, match="smaller"):
        reply_frame(Reply("e" * LONGEST_HEADER, Code.REFUSED))
    with pytest.raises(FrameError, match="smaller"):
        reply_frame(Reply("east", Code.WITNESSED, witness=bytes(LONGEST_WITNESS + 1)))


def test_two_frames_in_a_row_are_read_one_by_one() -> None:
    stream = io.BytesIO(GOOD + GOOD)
    assert read_request(stream).round_number == read_request(stream).round_number == 2
    assert stream.read() == b""
