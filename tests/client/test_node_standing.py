"""The question to the server is Flower's own, byte for byte; its answers are told apart."""

import base64
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.common.constant import HEARTBEAT_MIN_INTERVAL, TIMESTAMP_HEADER
from flwr.proto.fleet_pb2 import ActivateNodeRequest, ActivateNodeResponse, DeactivateNodeRequest
from flwr.proto.node_pb2 import Node
from flwr.proto.run_pb2 import GetRunRequest
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER
from flwr.supercore.primitives.asymmetric import bytes_to_public_key, verify_signature
from flwr.supercore.protobuf.constants import PROTOBUF_MEDIA_TYPE

from client.node_key import new_node_key
from client.node_standing import (
    HEARTBEAT_S,
    NodeKey,
    activation,
    deactivation,
    node_number,
    number_in,
    run_question,
)
from client.preflight import Outcome, Trouble
from client.server_line import Answer

NODE = NodeKey(new_node_key(), lambda: 1_700_000_000.25)
NUMBERS = [1, 127, 128, 300, 2**31, 2**63, 2**64 - 1]


def test_an_activation_is_flower_s() -> None:
    expected = ActivateNodeRequest(public_key=NODE.public, heartbeat_interval=HEARTBEAT_S)
    assert activation(NODE.public) == expected.SerializeToString(deterministic=True)
    assert HEARTBEAT_S >= HEARTBEAT_MIN_INTERVAL


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_are_written_and_read_as_flower_does(number: int) -> None:
    assert deactivation(number) == DeactivateNodeRequest(node_id=number).SerializeToString()
    asked = GetRunRequest(node=Node(node_id=number), run_id=0)
    assert run_question(number) == asked.SerializeToString()
    assert number_in(ActivateNodeResponse(node_id=number).SerializeToString()) == number


@pytest.mark.parametrize("body", [b"", b"\x08", b"\x10\x01", b"<html>", b"\x08" + b"\xff" * 10])
def test_bytes_that_are_no_number_are_unmeasured(body: bytes) -> None:
    with pytest.raises(Trouble) as trouble:
        number_in(body)
    assert trouble.value.outcome is Outcome.UNMEASURED


def test_the_headers_are_flower_s_and_its_server_believes_them() -> None:
    headers = NODE.headers()
    assert headers["content-type"] == headers["accept"] == PROTOBUF_MEDIA_TYPE
    key = base64.b64decode(headers[FLEET_HTTP_PUBLIC_KEY_HEADER], validate=True)
    at = headers[TIMESTAMP_HEADER]
    signature = base64.b64decode(headers[FLEET_HTTP_SIGNATURE_HEADER], validate=True)
    assert verify_signature(bytes_to_public_key(key), at.encode("ascii"), signature)
    assert datetime.fromisoformat(at).timestamp() == NODE.clock()


class Centre:
    """A server that knows some keys, and whether their relays are connected."""

    def __init__(self, known: Mapping[bytes, int], online: bool = False) -> None:
        self.known, self.online, self.asked = known, online, list[str]()
        self.status: int | None = None

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        self.asked.append(path.rpartition("/")[2])
        if self.status is not None:
            return Answer(self.status, {}, b"")
        number = self.known.get(base64.b64decode(headers["flwr-public-key"]))
        if path.endswith("get-run"):
            asked = GetRunRequest.FromString(body).node.node_id
            return Answer(403 if number == asked else 401, {}, b"")
        if path.endswith("deactivate-node"):
            self.online = False
            return Answer(200, {}, b"")
        if number is None or self.online:
            return Answer(412, {}, b"")
        self.online = True
        return Answer(200, {}, ActivateNodeResponse(node_id=number).SerializeToString())


def test_a_known_key_is_activated_and_at_once_no_longer() -> None:
    centre = Centre({NODE.public: 42})
    assert node_number(NODE, None, centre.post) == 42
    assert centre.asked == ["activate-node", "deactivate-node"]
    assert not centre.online


def test_once_the_number_is_known_a_running_relay_is_not_disturbed() -> None:
    centre = Centre({NODE.public: 42}, online=True)
    assert node_number(NODE, 42, centre.post) == 42
    assert centre.asked == ["get-run"]
    assert centre.online


def test_a_number_of_an_older_registration_is_found_anew() -> None:
    centre = Centre({NODE.public: 43})
    assert node_number(NODE, 42, centre.post) == 43


def test_an_unknown_key_is_told() -> None:
    with pytest.raises(Trouble, match="does not know this key") as trouble:
        node_number(NODE, None, Centre({}).post)
    assert trouble.value.code == "node-key-not-registered"


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "node-key-refused"), (404, "node-key-unmeasured"), (500, "node-key-unmeasured")],
)
def test_other_answers_are_told(status: int, code: str) -> None:
    centre = Centre({})
    centre.status = status
    with pytest.raises(Trouble) as trouble:
        node_number(NODE, None, centre.post)
    assert trouble.value.code == code


WITHOUT_FLOWER = """
import sys
sys.modules["flwr"] = None
import client.check_network, client.check_cli, client.init_cli
print("torch" in sys.modules)
import client.check_site, client.departure_cli, client.status_cli
"""


@pytest.mark.slow
def test_no_command_of_a_site_needs_flower_nor_its_network_half_torch(repository: Path) -> None:
    """The agent's image has no Flower."""
    words = [sys.executable, "-c", WITHOUT_FLOWER]
    ran = subprocess.run(words, cwd=repository, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "False\n"), ran.stderr


def test_another_key_s_signature_would_not_pass_for_this_one_s() -> None:
    other = NodeKey(ec.generate_private_key(ec.SECP384R1()), NODE.clock)
    headers = {**NODE.headers(), "flwr-signature": other.headers()["flwr-signature"]}
    signature = base64.b64decode(headers["flwr-signature"])
    key = bytes_to_public_key(base64.b64decode(headers["flwr-public-key"]))
    assert not verify_signature(key, headers["flwr-timestamp"].encode(), signature)
