"""Whether the server knows this clinic's node key, asked as Flower 1.41's SuperNode asks it.

Written out here, not imported, so that neither this check nor the agent's image needs Flower: three
signed headers, and messages of one or two protobuf fields. A test holds both to Flower's own. An
activation is taken back at once; once the node's number is known, nothing is activated any more.
"""

import base64
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from client.preflight import Outcome, Trouble
from client.server_line import Answer

HEARTBEAT_S = 30.0
KNOWN_BUT_NO_SUCH_RUN, NOT_ACTIVATED, NOT_BELIEVED = 403, 412, 401

Post = Callable[[str, bytes, Mapping[str, str]], Answer]
"""Sends a body to a path of the server."""


@dataclass(frozen=True)
class NodeKey:
    """A clinic's node key and the time by its clock, seconds since 1970."""

    key: ec.EllipticCurvePrivateKey
    clock: Callable[[], float]

    @property
    def public(self) -> bytes:
        """The public half in the form that the server keeps."""
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def headers(self) -> dict[str, str]:
        """What proves to the server who asks, and when."""
        at = datetime.fromtimestamp(self.clock(), UTC).isoformat()
        signature = self.key.sign(at.encode("ascii"), ec.ECDSA(hashes.SHA256()))
        return {
            "content-type": "application/protobuf",
            "accept": "application/protobuf",
            "flwr-public-key": base64.b64encode(self.public).decode("ascii"),
            "flwr-timestamp": at,
            "flwr-signature": base64.b64encode(signature).decode("ascii"),
        }


def node_number(node: NodeKey, known: int | None, post: Post) -> int:
    """The number under which the server knows this key; Trouble if it does not.

    `known` is the number found before: then the server is only asked whether it still holds.
    """
    if known is not None and _still_known(node, known, post):
        return known
    answer = post("/v1/fleet/activate-node", activation(node.public), node.headers())
    if answer.status == 200:
        number = number_in(answer.body)
        post("/v1/fleet/deactivate-node", deactivation(number), node.headers())
        return number
    if answer.status == NOT_ACTIVATED:
        words = "the server does not know this key, or a relay with it is connected already"
        raise Trouble("node-key-not-registered", words)
    if answer.status == NOT_BELIEVED:
        words = "the server does not believe the signature (401): a clock is wrong, or the key"
        raise Trouble("node-key-refused", words)
    words = f"an answer that is not a SuperLink's ({answer.status})"
    raise Trouble("node-key-unmeasured", words, Outcome.UNMEASURED)


def _still_known(node: NodeKey, number: int, post: Post) -> bool:
    """Asks for run 0, which there is not: who is unknown is not believed, who is known may not."""
    answer = post("/v1/fleet/get-run", run_question(number), node.headers())
    return answer.status == KNOWN_BUT_NO_SUCH_RUN


def activation(public: bytes) -> bytes:
    """ActivateNodeRequest: public_key = 1, heartbeat_interval = 2."""
    return b"\x0a" + _varint(len(public)) + public + b"\x11" + struct.pack("<d", HEARTBEAT_S)


def deactivation(number: int) -> bytes:
    """DeactivateNodeRequest: node_id = 1."""
    return b"\x08" + _varint(number)


def run_question(number: int) -> bytes:
    """GetRunRequest: node = 1, with node_id = 1."""
    node = b"\x08" + _varint(number)
    return b"\x0a" + _varint(len(node)) + node


def number_in(body: bytes) -> int:
    """node_id = 1 of an ActivateNodeResponse; Trouble for other bytes."""
    number = 0
    for place, byte in enumerate(body[1:11]):
        number |= (byte & 0x7F) << (7 * place)
        if not byte & 0x80 and body[:1] == b"\x08" and number < 2**64:
            return number
    raise Trouble("node-key-unmeasured", "an answer that is no node's number", Outcome.UNMEASURED)


def _varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
