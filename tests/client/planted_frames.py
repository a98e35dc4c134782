"""Frames that carry more, less or other than the one legal frame, each with the code expected.

Data for test_egress.py: `HEAD` is the header of clinic east's release, `VALUES` what was receipted
for round 1, `LATER` for round 2; `WITNESS` is what may go to the witnesses.
"""

import base64
import gzip
import io
import json
import pickle
import struct
import zlib

import numpy as np

from client.egress import EgressCode
from client.framing import FORMAT, PREFIX, reply_frame
from study.wire import Code, Reply

D = 32
CANARY = "MRN-4711"
VALUES = np.round(np.random.default_rng(3).normal(size=D) * 2**16) / 2**16
VALUES[7] = 0.0
LATER = VALUES[::-1] + 1.0
WITNESS = bytes(range(1, 41))
GOOD = reply_frame(Reply("east", Code.RELEASED, VALUES, WITNESS))
SEEN = reply_frame(Reply("east", Code.WITNESSED, witness=WITNESS))
NOTHING = reply_frame(Reply("east", Code.REFUSED))
HEAD = b'{"clinic":"east","code":0}'
BODY = VALUES.astype("<f8").tobytes()


def frame(
    head: bytes = HEAD,
    body: bytes = BODY,
    name: bytes = FORMAT,
    witness: bytes | None = None,
) -> bytes:
    """A frame whose lengths are true, whatever it holds; a release goes with its witness."""
    if witness is None:
        witness = WITNESS if body else b""
    lengths = len(head), len(body), len(witness)
    return PREFIX.pack(name, *lengths) + head + body + witness


def header(**fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def values_with(place: int, value: float) -> bytes:
    changed = VALUES.copy()
    changed[place] = value
    return frame(body=changed.tobytes())


def bits_with(place: int, bits: int) -> bytes:
    """One value replaced by a float64 of these bits: NaN payloads, denormals."""
    return frame(body=BODY[: 8 * place] + struct.pack("<Q", bits) + BODY[8 * place + 8 :])


def flipped(place: int) -> bytes:
    body = bytearray(BODY)
    body[place] ^= 1
    return frame(body=bytes(body))


def npy(array: np.ndarray, version: tuple[int, int] = (1, 0)) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=version)
    return stream.getvalue()


def npy_with_spaces() -> bytes:
    """An npy file whose padding hides a name."""
    return npy(VALUES).replace(b" " * len(CANARY), CANARY.encode(), 1)


NAN_PAYLOAD = 0x7FF8_0000_0000_0000 | int.from_bytes(b"PT0017", "big")
C = EgressCode
FRAMES: dict[str, tuple[EgressCode, object]] = {
    "no bytes": (C.FORMAT, b""),
    "half a prefix": (C.FORMAT, GOOD[:9]),
    "another format": (C.FORMAT, frame(name=b"INSULA1\n")),
    "a canary for a format": (C.FORMAT, frame(name=CANARY.encode())),
    "a byte before the frame": (C.FORMAT, b" " + GOOD),
    "a pickle": (C.FORMAT, pickle.dumps(VALUES)),
    "an npy file": (C.FORMAT, npy(VALUES)),
    "gzip of the frame": (C.FORMAT, gzip.compress(GOOD)),
    "zlib of the frame": (C.FORMAT, zlib.compress(GOOD)),
    "base64 of the frame": (C.FORMAT, base64.b64encode(GOOD)),
    "words of an exception": (C.FORMAT, f"ValueError: {CANARY} has no glucose".encode()),
    "an HTTP head before it": (C.FORMAT, b"HTTP/1.1 200 OK\r\nX-Patient: 17\r\n\r\n" + GOOD),
    "a mutable buffer": (C.TYPE, bytearray(GOOD)),
    "a memory view": (C.TYPE, memoryview(GOOD)),
    "text": (C.TYPE, GOOD.decode("latin-1")),
    "none": (C.TYPE, None),
    "one byte behind": (C.LENGTH, GOOD + b"\0"),
    "a canary behind": (C.LENGTH, GOOD + CANARY.encode()),
    "two releases glued": (C.LENGTH, GOOD + frame(body=LATER.tobytes())),
    "the same frame twice": (C.LENGTH, GOOD + GOOD),
    "a code and then a release": (C.LENGTH, NOTHING + GOOD),
    "cut by a byte": (C.LENGTH, GOOD[:-1]),
    "cut by a value": (C.LENGTH, GOOD[:-8]),
    "the header alone": (C.LENGTH, GOOD[: PREFIX.size + len(HEAD)]),
    "a false header length": (C.LENGTH, PREFIX.pack(FORMAT, 17, len(BODY), 0) + HEAD + BODY),
    "a huge length": (C.LENGTH, PREFIX.pack(FORMAT, len(HEAD), 2**32 - 1, 0) + HEAD + BODY),
    "lengths in big endian": (
        C.LENGTH,
        struct.pack(">8sIII", FORMAT, len(HEAD), len(BODY), 0) + HEAD + BODY,
    ),
    "no header": (C.HEADER, frame(b"")),
    "a header of another kind": (C.HEADER, frame(b"[0]")),
    "a header that is not JSON": (C.HEADER, frame(b"clinic=east")),
    "a header in UTF-16": (C.CLINIC, frame(header(clinic="est", code=0).decode().encode("utf-16"))),
    "a header nested too deep": (C.HEADER, frame(b"[" * 100_000)),
    "one field fewer": (C.HEADER, frame(header(code=0))),
    "an exact count": (C.HEADER, frame(header(clinic="east", code=0, patients=53))),
    "num-examples": (C.HEADER, frame(b'{"clinic":"east","code":0,"num-examples":53}')),
    "a metric": (C.HEADER, frame(header(clinic="east", code=0, loss=1.25))),
    "a metric named for a patient": (C.HEADER, frame(header(**{"clinic": "east", CANARY: 0}))),
    "an error in words": (C.HEADER, frame(header(clinic="east", code=1, error=CANARY), b"")),
    "seconds it took": (C.HEADER, frame(header(clinic="east", code=0, took_s=3.25))),
    "a name in other letters": (C.HEADER, frame('{"сlinic":"east","code":0}'.encode())),
    "a field with a space": (C.HEADER, frame(b'{"clinic ":"east","code":0}')),
    "another clinic": (C.CLINIC, frame(header(clinic="west", code=0))),
    "a patient for a clinic": (C.CLINIC, frame(header(clinic=CANARY, code=6), b"")),
    "a clinic in other letters": (C.CLINIC, frame('{"clinic":"еast","code":0}'.encode())),
    "a clinic with an accent": (C.CLINIC, frame('{"clinic":"éast","code":0}'.encode())),
    "a clinic with a space": (C.CLINIC, frame(header(clinic="east ", code=0))),
    "a clinic in capitals": (C.CLINIC, frame(header(clinic="East", code=0))),
    "a clinic and a zero width": (C.CLINIC, frame('{"clinic":"east\u200b","code":0}'.encode())),
    "a clinic that is a list": (C.CLINIC, frame(header(clinic=["east"], code=0))),
    "a release without a name": (C.CLINIC, frame(header(clinic="", code=0))),
    "an unknown code": (C.CODE, frame(header(clinic="east", code=99), b"")),
    "a code that counts patients": (C.CODE, frame(header(clinic="east", code=53), b"")),
    "a negative code": (C.CODE, frame(header(clinic="east", code=-1), b"")),
    "a code that is true": (C.CODE, frame(header(clinic="east", code=True), b"")),
    "a code with a fraction": (C.CODE, frame(header(clinic="east", code=6.0), b"")),
    "a code in words": (C.CODE, frame(header(clinic="east", code=CANARY), b"")),
    "a code that is NaN": (C.CODE, frame(b'{"clinic":"east","code":NaN}')),
    "fields in another order": (C.NOT_CANONICAL, frame(b'{"code":0,"clinic":"east"}')),
    "a space in the header": (C.NOT_CANONICAL, frame(b'{"clinic": "east","code":0}')),
    "tabs behind the header": (C.NOT_CANONICAL, frame(HEAD + b"\t \t\t ")),
    "a line before the header": (C.NOT_CANONICAL, frame(b"\n" + HEAD)),
    "a letter escaped": (C.NOT_CANONICAL, frame(b'{"clinic":"\\u0065ast","code":0}')),
    "a key escaped": (C.NOT_CANONICAL, frame(b'{"clin\\u0069c":"east","code":0}')),
    "a name twice": (C.NOT_CANONICAL, frame(b'{"clinic":"MRN-4711","clinic":"east","code":0}')),
    "a code twice": (C.NOT_CANONICAL, frame(b'{"clinic":"east","code":53,"code":0}')),
    "a zero with a sign": (C.NOT_CANONICAL, frame(b'{"clinic":"east","code":-0}')),
    "a release of no values": (C.BODY, frame(body=b"")),
    "a value more": (C.BODY, frame(body=BODY + struct.pack("<d", 53.0))),
    "a value fewer": (C.BODY, frame(body=BODY[:-8])),
    "seven bytes more": (C.BODY, frame(body=BODY + b"PT-0017")),
    "single precision": (C.BODY, frame(body=VALUES.astype(np.float32).tobytes())),
    "rows, not their sum": (C.BODY, frame(body=np.stack([VALUES, LATER]).tobytes())),
    "npy for a body": (C.BODY, frame(body=npy(VALUES))),
    "npy with words for padding": (C.BODY, frame(body=npy_with_spaces())),
    "npy of another version": (C.BODY, frame(body=npy(VALUES, (2, 0)))),
    "npy in Fortran order": (C.BODY, frame(body=npy(np.asfortranarray(VALUES.reshape(4, 8))))),
    "pickled objects in npy": (C.BODY, frame(body=npy(np.array([CANARY], dtype=object)))),
    "a pickle for a body": (C.BODY, frame(body=pickle.dumps(VALUES))),
    "a compressed body": (C.BODY, frame(body=zlib.compress(BODY))),
    "a refusal with a body": (C.BODY, frame(header(clinic="east", code=6), BODY)),
    "a refusal whose length counts": (C.BODY, frame(header(clinic="east", code=6), b"\0" * 53)),
    "a NaN": (C.NOT_FINITE, values_with(3, np.nan)),
    "a NaN that spells a patient": (C.NOT_FINITE, bits_with(3, NAN_PAYLOAD)),
    "a signalling NaN": (C.NOT_FINITE, bits_with(3, 0x7FF0_0000_0000_0011)),
    "an infinity": (C.NOT_FINITE, values_with(0, -np.inf)),
    "a last bit": (C.OTHER_VALUES, flipped(16)),
    "a denormal for zero": (C.OTHER_VALUES, bits_with(7, 17)),
    "a zero with a minus": (C.OTHER_VALUES, values_with(7, -0.0)),
    "other values": (C.OTHER_VALUES, frame(body=(2 * VALUES).tobytes())),
    "values shuffled": (C.OTHER_VALUES, frame(body=VALUES[::-1].tobytes())),
    "big endian": (C.OTHER_VALUES, frame(body=VALUES.astype(">f8").tobytes())),
    "integers as bits": (C.OTHER_VALUES, frame(body=np.arange(2 * D, dtype="<i4").tobytes())),
    "the release of another round": (C.OTHER_VALUES, frame(body=LATER.tobytes())),
    "a release without its witness": (C.WITNESS, frame(witness=b"")),
    "a bit of the witness": (C.WITNESS, frame(witness=b"\0" + WITNESS[1:])),
    "a witness that is longer": (C.WITNESS, frame(witness=WITNESS + CANARY.encode())),
    "a witness cut short": (C.WITNESS, frame(witness=WITNESS[:-1])),
    "words for a witness": (C.WITNESS, frame(witness=CANARY.encode().ljust(40, b"\0"))),
    "a body among the witnesses": (C.BODY, frame(body=b"", witness=BODY + WITNESS)),
    "a refusal with a witness": (
        C.WITNESS,
        frame(header(clinic="east", code=6), b"", witness=WITNESS),
    ),
    "a nameless witness": (C.WITNESS, frame(header(clinic="", code=10), b"", witness=WITNESS)),
    "a witness with a release": (C.BODY, frame(header(clinic="east", code=10), BODY)),
    "a witness who says nothing": (C.WITNESS, frame(header(clinic="east", code=10), b"")),
}
