"""The in-process grid is a Flower Grid whose nodes answer at once, in order, with copies."""

import logging

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid

from simulations.grid import InProcessGrid, quiet_flower
from study.wire import Code, Reply, Request


def answering(name: str, order: list[str]) -> object:
    def answer(request: Request) -> Reply:
        order.append(name)
        return Reply(name, Code.RELEASED, request.shared + 1.0)

    return answer


def message(node: int) -> Message:
    content = RecordDict(
        {
            "arrays": ArrayRecord({"shared": Array(np.array([1.0, 2.0]))}),
            "config": ConfigRecord({"server-round": 1, "protocol-sha256": "0" * 64}),
        }
    )
    return Message(content, dst_node_id=node, message_type="train")


def test_it_is_a_grid_of_flower() -> None:
    grid = InProcessGrid([])
    assert isinstance(grid, Grid)
    assert list(grid.get_node_ids()) == []


def test_agents_are_nodes_from_one_on() -> None:
    assert list(InProcessGrid([answering("a", [])] * 3).get_node_ids()) == [1, 2, 3]  # type: ignore[list-item]


def test_agents_are_called_in_the_order_of_nodes_whatever_the_messages_order() -> None:
    order: list[str] = []
    grid = InProcessGrid([answering(name, order) for name in "abc"])  # type: ignore[misc]
    replies = list(grid.send_and_receive([message(3), message(1), message(2)]))
    assert order == ["a", "b", "c"]
    assert [reply.metadata.src_node_id for reply in replies] == [1, 2, 3]


def test_replies_come_through_the_relay() -> None:
    grid = InProcessGrid([answering("a", [])])  # type: ignore[list-item]
    (reply,) = grid.send_and_receive([message(1)])
    assert reply.content.config_records["config"]["clinic"] == "a"
    assert reply.content.array_records["arrays"]["release"].numpy().tolist() == [2.0, 3.0]


def test_only_asked_nodes_answer() -> None:
    order: list[str] = []
    grid = InProcessGrid([answering(name, order) for name in "abc"])  # type: ignore[misc]
    grid.send_and_receive([message(2)])
    assert order == ["b"]


@pytest.mark.parametrize("call", ["push_messages", "pull_messages", "create_message"])
def test_what_needs_a_network_says_so(call: str) -> None:
    with pytest.raises(AttributeError, match=r"send_and_receive|flwr\.app\.Message"):
        getattr(InProcessGrid([]), call)([])


def test_there_is_no_run_record() -> None:
    grid = InProcessGrid([])
    grid.set_run(None)
    with pytest.raises(AttributeError, match="no run record"):
        _ = grid.run


def test_flower_is_quiet_inside_and_as_before_outside() -> None:
    log = logging.getLogger("flwr")
    before = log.level
    with quiet_flower():
        assert not log.isEnabledFor(logging.INFO)
        assert log.isEnabledFor(logging.WARNING)
    assert log.level == before
