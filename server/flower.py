"""The centre's one door to Flower: requests as messages, replies as values, the average by FedAvg.

FedAvg weighs each reply with a number that the reply itself carries, `num-examples`. A clinic's
reply carries none: the server writes the weight there, from the protocol, so that no clinic can
weigh more than it declared and none has to tell how many patients it has.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg, FedTrimmedAvg

from models.trace import FloatArray
from privacy.canonical import RELEASE
from study.failure import ExitCode, Failure
from study.wire import (
    ARRAYS,
    CLINIC,
    CODE,
    CONFIG,
    PROTOCOL_SHA256,
    SHARED,
    WITNESS,
    Code,
    Reply,
    Request,
)

WEIGHT = "num-examples"
POLL_S = 0.2
RETURN_S = 30.0
RESTART_S = 90.0
"""Patience with a relay killed while it was asked: Flower lets it back in after 60 s at most."""
LOST = (
    ErrorCode.MESSAGE_UNAVAILABLE,
    ErrorCode.REPLY_MESSAGE_UNAVAILABLE,
    ErrorCode.NODE_UNAVAILABLE,
)
"""Flower's own words for a request or reply that nobody has any more."""

Pause = Callable[[float], None]
Clinics = Mapping[int, str] | None


class FlowerCentre:
    """The clinics behind a Flower Grid, asked and averaged with Flower's FedAvg.

    `configure_train` makes one message for every connected node and puts the round number in;
    `aggregate_train` makes the weighted mean. `pause(seconds)` is time.sleep outside tests.
    `clinics` says which node is which clinic: then no other is asked, and none speaks for another.
    """

    def __init__(
        self,
        grid: Grid,
        members: int,
        deadline_s: float,
        pause: Pause,
        clinics: Clinics = None,
    ) -> None:
        self._grid, self._members = grid, members
        self._deadline_s, self._pause = deadline_s, pause
        self._clinics, self._asked = clinics, False
        self._strategy = FedAvg(min_train_nodes=1, min_available_nodes=1, weighted_by_key=WEIGHT)

    def ask(self, request: Request) -> list[Reply]:
        """Replies that came before the deadline, which is for waiting and answering together.

        A node that vanished with the request is asked again if it comes back: a clinic answers a
        round with one release, however often it is asked.
        """
        left_s = self._wait_for_members()
        end = time.monotonic() + left_s
        replies, lost = self._asked_once(request, self._connected(), left_s)
        patience = min(end, time.monotonic() + RESTART_S)
        while lost and time.monotonic() < patience:
            self._pause(POLL_S)
            back = lost & self._connected()
            more, again = self._asked_once(request, back, end - time.monotonic())
            replies, lost = replies + more, lost - back | again
        return replies

    def average(self, rows: Sequence[FloatArray], weights: FloatArray) -> FloatArray:
        """FedAvg's weighted mean of the rows, (d,), in the order given."""
        replies = [_weighed(row, weight) for row, weight in zip(rows, weights, strict=True)]
        arrays, _ = self._strategy.aggregate_train(0, replies)
        if arrays is None:
            raise _no_rows()
        mean: FloatArray = arrays[RELEASE].numpy()
        return mean

    def trimmed_mean(self, rows: Sequence[FloatArray], trim: int) -> FloatArray:
        """Mean of each coordinate without its `trim` least and largest values, by FedTrimmedAvg."""
        # A share of the rows is cut, rounded down: half a row more keeps it from rounding to less.
        strategy = FedTrimmedAvg(weighted_by_key=WEIGHT, beta=(trim + 0.25) / max(len(rows), 1))
        arrays, _ = strategy.aggregate_train(0, [_weighed(row, 1.0) for row in rows])
        if arrays is None:
            raise _no_rows()
        mean: FloatArray = arrays[RELEASE].numpy()
        return mean

    def _asked_once(
        self, request: Request, nodes: Collection[int], left_s: float
    ) -> tuple[list[Reply], set[int]]:
        """What these nodes answered, and those who vanished with the request."""
        if not nodes:
            return [], set()
        messages = self._strategy.configure_train(
            request.round_number,
            ArrayRecord({SHARED: Array(request.shared)}),
            _settings(request),
            self._grid,
        )
        asked = [one for one in messages if one.metadata.dst_node_id in nodes]
        came = list(self._grid.send_and_receive(asked, timeout=left_s))
        of_message = {one.metadata.message_id: one.metadata.dst_node_id for one in asked}
        lost = {one.metadata.reply_to_message_id for one in came if _is_lost(one)}
        replies = [self._own(one) for one in came if not _is_lost(one)]
        return replies, {node for message, node in of_message.items() if message in lost}

    def _connected(self) -> set[int]:
        nodes = set(self._grid.get_node_ids())
        return nodes if self._clinics is None else nodes & self._clinics.keys()

    def _wait_for_members(self) -> float:
        """Seconds left once all members are there, or half of the time is over.

        After the first round a member who is not there is waited for `RETURN_S` at most.
        """
        longest_s = self._deadline_s / 2
        waits = int((min(longest_s, RETURN_S) if self._asked else longest_s) / POLL_S)
        self._asked = True
        for number in range(waits):
            if len(self._connected()) >= self._members:
                return self._deadline_s - number * POLL_S
            self._pause(POLL_S)
        return self._deadline_s - waits * POLL_S

    def _own(self, message: Message) -> Reply:
        """What a node answered, under the name of the clinic whose key it has."""
        reply = reply_of(message)
        if self._clinics is None:
            return reply
        name = self._clinics.get(message.metadata.src_node_id, "")
        if reply.clinic not in ("", name):
            return Reply(name, Code.BAD_RELEASE)
        return replace(reply, clinic=name)


def reply_of(message: Message) -> Reply:
    """What a node answered; one whose message is not of our form has no name."""
    if message.has_error():
        return Reply("", Code.NO_AGENT)
    try:
        config = message.content.config_records[CONFIG]
        arrays = message.content.array_records[ARRAYS]
        clinic, code = str(config[CLINIC]), Code(int(str(config[CODE])))
        release = np.asarray(arrays[RELEASE].numpy()) if code is Code.RELEASED else None
        witness = config.get(WITNESS, b"")
    except (KeyError, ValueError, TypeError):
        return Reply("", Code.MALFORMED)
    return Reply(clinic, code, release, witness if isinstance(witness, bytes) else b"")


def _is_lost(message: Message) -> bool:
    return message.has_error() and message.error.code in LOST


def _settings(request: Request) -> ConfigRecord:
    settings = ConfigRecord({PROTOCOL_SHA256: request.protocol_sha256})
    if request.witness:
        settings[WITNESS] = request.witness
    return settings


Connect = Callable[[int, float, Clinics], FlowerCentre]
"""The centre of so many members with so many seconds of patience, and who is which node."""


def server_app(main: Callable[[Connect, Mapping[str, str]], None], pause: Pause) -> ServerApp:
    """A ServerApp that runs `main` with a way to the clinics and the run's settings as text."""
    app = ServerApp()

    @app.main()
    def run(grid: Grid, context: Context) -> None:
        def connect(members: int, deadline_s: float, clinics: Clinics) -> FlowerCentre:
            return FlowerCentre(grid, members, deadline_s, pause, clinics)

        main(connect, {key: str(value) for key, value in context.run_config.items()})

    return app


def _weighed(row: FloatArray, weight: float) -> Message:
    content = RecordDict(
        {
            ARRAYS: ArrayRecord({RELEASE: Array(row)}),
            "metrics": MetricRecord({WEIGHT: float(weight)}),
        }
    )
    return Message(content, dst_node_id=0, message_type="train")


def _no_rows() -> Failure:
    return Failure(
        found="no rows to average",
        expected="at least one clinic's",
        consequence="The shared vector did not move.",
        remedy="set server.quorum in the protocol to 1 or more",
        code=ExitCode.TOO_FEW_REPLIES,
    )
