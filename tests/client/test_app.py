"""The relay passes on what the agent says, and of anything that fails a number and no word."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from flwr.app import (
    Array,
    ArrayRecord,
    ConfigRecord,
    Context,
    Message,
    MetricRecord,
    RecordDict,
)

from client.app import agent_socket, app, relay, request_of
from privacy.canonical import RELEASE
from simulations.grid import InProcessGrid
from study.wire import Code, Reply, Request
from tests.client.test_serve import doubled, listening

DIGEST = "cd" * 32


@pytest.fixture(autouse=True)
def _identity() -> None:
    InProcessGrid([])


def content(**changes: object) -> RecordDict:
    """What a server sends, with fields exchanged; None leaves one out."""
    fields = {"server-round": 1, "protocol-sha256": DIGEST, **changes}
    config = {key: value for key, value in fields.items() if value is not None}
    return RecordDict(
        {
            "arrays": ArrayRecord({"shared": Array(np.array([1.0, 2.0]))}),
            "config": ConfigRecord(config),  # type: ignore[arg-type]
        }
    )


def message(content_: RecordDict) -> Message:
    return Message(content_, dst_node_id=7, message_type="train")


def code_of(reply: Message) -> Code:
    return Code(int(str(reply.content.config_records["config"]["code"])))


def context(node: dict[str, str | int], run: dict[str, str]) -> Context:
    return Context(1, 7, node, RecordDict(), run)  # type: ignore[arg-type]


def test_a_request_is_read_as_the_server_wrote_it() -> None:
    request = request_of(message(content()))
    assert (request.round_number, request.protocol_sha256) == (1, DIGEST)
    assert request.shared.tolist() == [1.0, 2.0]


def test_the_release_goes_back_and_nothing_beside_it() -> None:
    reply = relay(message(content()), doubled)
    assert set(reply.content) == {"arrays", "config"}
    assert dict(reply.content.config_records["config"]) == {"clinic": "east", "code": 0}
    arrays = reply.content.array_records["arrays"]
    assert list(arrays) == [RELEASE]
    assert arrays[RELEASE].numpy().tolist() == [2.0, 4.0]


def test_checkpoints_cross_both_ways_as_bytes() -> None:
    def answer(request: Request) -> Reply:
        return Reply("east", Code.WITNESSED, witness=request.witness[::-1])

    reply = relay(message(content(witness=b"\0shown")), answer)
    expected = {"clinic": "east", "code": int(Code.WITNESSED), "witness": b"nwohs\0"}
    assert dict(reply.content.config_records["config"]) == expected
    assert len(reply.content.array_records["arrays"]) == 0


def test_a_refusal_goes_back_as_its_code_alone() -> None:
    reply = relay(message(content()), lambda request: Reply("east", Code.REFUSED))
    assert code_of(reply) is Code.REFUSED
    assert len(reply.content.array_records["arrays"]) == 0


@pytest.mark.parametrize("error", [OSError, ValueError, RuntimeError, MemoryError, TimeoutError])
def test_an_error_crosses_as_a_number(error: type[Exception]) -> None:
    def failing(request: Request) -> Reply:
        raise error("patient MRN-CANARY-1 has no glucose")

    reply = relay(message(content()), failing)
    assert code_of(reply) is Code.NO_AGENT
    assert not reply.has_error()
    assert "MRN-CANARY" not in repr(reply)


@pytest.mark.parametrize(
    "planted",
    [
        content(**{"server-round": None}),
        content(**{"server-round": "1"}),
        content(**{"server-round": 1.0}),
        content(**{"protocol-sha256": None}),
        content(**{"protocol-sha256": 5}),
        content(witness="as text"),
        RecordDict({"config": ConfigRecord({"server-round": 1})}),
        RecordDict({"metrics": MetricRecord({"x": 1.0})}),
        RecordDict({"arrays": ArrayRecord({"other": Array(np.zeros(2))})}),
    ],
)
def test_a_message_of_another_form_reaches_no_agent(planted: RecordDict) -> None:
    def unreachable(request: Request) -> Reply:
        raise AssertionError("the agent was asked")

    assert code_of(relay(message(planted), unreachable)) is Code.MALFORMED


def test_more_settings_than_agreed_do_not_reach_the_agent() -> None:
    """A server that sends sigma or a clip norm talks to nobody: a request has no such field."""
    asked: list[Request] = []

    def remember(request: Request) -> Reply:
        asked.append(request)
        return Reply("east", Code.REFUSED)

    relay(message(content(sigma=0.0, clip_norm=1e9, names="heads")), remember)
    assert vars(asked[0]).keys() == {"round_number", "protocol_sha256", "shared", "witness"}
    assert asked[0].witness == b""


def test_the_client_app_asks_over_the_socket_that_the_node_names(tmp_path: Path) -> None:
    with listening(doubled, tmp_path / "a.sock") as path:
        reply = app(message(content()), context({"agent": str(path)}, {}))
    assert code_of(reply) is Code.RELEASED


def test_in_a_rehearsal_the_partition_names_the_socket(tmp_path: Path) -> None:
    with listening(doubled, tmp_path / "3.sock"):
        reply = app(message(content()), context({"partition-id": 3}, {"agents": str(tmp_path)}))
    assert code_of(reply) is Code.RELEASED


def test_the_hospital_s_own_setting_comes_before_the_server_s() -> None:
    both = context({"agent": "/run/agent.sock", "partition-id": 0}, {"agents": "/elsewhere"})
    assert agent_socket(both) == Path("/run/agent.sock")


def test_an_agent_that_is_not_there_is_a_code(tmp_path: Path) -> None:
    reply = app(message(content()), context({"agent": str(tmp_path / "none.sock")}, {}))
    assert code_of(reply) is Code.NO_AGENT


def test_the_relay_loads_neither_torch_nor_any_model(repository: Path) -> None:
    code = (
        "import sys, client.app\n"
        "print({'torch', 'opacus', 'pandas'} & set(sys.modules)"
        " | {n for n in sys.modules if n.startswith('models')})"
    )
    seen = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )
    assert seen.stdout.strip() == "set()"
