"""A Flower Grid within this process: each clinic's agent is called in turn. No sockets, no Ray.

The messages are those of a real run and pass through the same relay; arrays cross as copies.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from flwr.app import Message
from flwr.serverapp import Grid
from flwr.supercore.task_identity import TaskIdentity

from client.app import relay
from study.wire import Reply, Request

Ask = Callable[[Request], Reply]


class InProcessGrid(Grid):
    """One node for each agent, numbered from 1 in the order given."""

    def __init__(self, agents: Sequence[Ask]) -> None:
        # Flower's messages take their sender from this process-wide identity (private in 1.41).
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1
        self._agents = dict(enumerate(agents, start=1))

    def get_node_ids(self) -> Iterable[int]:
        """1, 2, ... for the agents in their order."""
        return list(self._agents)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Every agent's reply, by node; nothing is awaited, so no timeout passes."""
        by_node = sorted(messages, key=lambda message: message.metadata.dst_node_id)
        return [relay(one, self._agents[one.metadata.dst_node_id]) for one in by_node]

    def set_run(self, run: object) -> None:
        """Nothing to set: there is one run."""

    @property
    def run(self) -> NoReturn:
        """There is no run record in one process."""
        raise AttributeError("an in-process grid has no run record")

    def create_message(self, *args: object, **kwargs: object) -> NoReturn:
        """Messages are made by their constructor."""
        raise AttributeError("make messages with flwr.app.Message")

    def push_messages(self, messages: Iterable[Message]) -> NoReturn:
        """Agents in this process answer at once."""
        raise AttributeError("use send_and_receive: agents in this process answer at once")

    def pull_messages(self, message_ids: Iterable[str]) -> NoReturn:
        """Agents in this process answer at once."""
        raise AttributeError("use send_and_receive: agents in this process answer at once")


@contextmanager
def quiet_flower() -> Iterator[None]:
    """Flower's log of every round is left out; warnings and errors stay."""
    log = logging.getLogger("flwr")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(level)
