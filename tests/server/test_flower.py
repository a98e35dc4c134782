"""Messages down, values up, and FedAvg's mean with the weights of the protocol."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Error, Message, RecordDict
from flwr.common.constant import SUPERLINK_NODE_ID, ErrorCode
from flwr.serverapp import Grid
from hypothesis import given
from hypothesis import strategies as st

from models.trace import FloatArray
from privacy.canonical import RELEASE
from server.flower import LOST, Connect, FlowerCentre, reply_of, server_app
from simulations.grid import InProcessGrid, quiet_flower
from study.failure import Failure
from study.wire import Code, Reply, Request

REQUEST = Request(1, "ef" * 32, np.array([1.0, 2.0, 3.0]))


@pytest.fixture(autouse=True)
def _quiet() -> object:
    InProcessGrid([])
    with quiet_flower():
        yield


def named(clinic: str) -> Callable[[Request], Reply]:
    return lambda request: Reply(clinic, Code.RELEASED, request.shared * len(clinic))


def centre(grid: Grid, members: int = 3) -> FlowerCentre:
    return FlowerCentre(grid, members, 1.0, lambda seconds: None)


def message(records: dict[str, object]) -> Message:
    content = RecordDict(records)  # type: ignore[arg-type]
    return Message(content, dst_node_id=1, message_type="train")


def test_every_clinic_is_asked_what_the_request_says() -> None:
    asked: list[Request] = []

    def remember(request: Request) -> Reply:
        asked.append(request)
        return Reply("east", Code.REFUSED)

    centre(InProcessGrid([remember] * 3)).ask(REQUEST)
    assert len(asked) == 3
    for request in asked:
        assert (request.round_number, request.protocol_sha256) == (1, "ef" * 32)
        assert request.shared.tobytes() == REQUEST.shared.tobytes()


def test_replies_come_with_name_code_and_release() -> None:
    replies = centre(InProcessGrid([named("east"), named("north")])).ask(REQUEST)
    assert [(reply.clinic, reply.code) for reply in replies] == [
        ("east", Code.RELEASED),
        ("north", Code.RELEASED),
    ]
    assert replies[1].release is not None
    assert replies[1].release.tolist() == [5.0, 10.0, 15.0]


@given(
    st.lists(st.tuples(st.floats(-10, 10), st.floats(1e-3, 1.0)), min_size=1, max_size=8),
)
def test_the_average_is_the_weighted_mean(cohort: list[tuple[float, float]]) -> None:
    rows = [np.array([value, 1.0]) for value, _ in cohort]
    weights = np.array([weight for _, weight in cohort])
    mean = centre(InProcessGrid([])).average(rows, weights)
    expected = (weights[:, None] * np.stack(rows)).sum(axis=0) / weights.sum()
    assert mean == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("count", "trim"), [(3, 1), (5, 2), (7, 3), (10, 1), (49, 7)])
def test_the_trimmed_mean_leaves_out_as_many_as_agreed_at_each_end(count: int, trim: int) -> None:
    rows = list(np.random.default_rng(count).normal(size=(count, 4)))
    expected = np.sort(np.stack(rows), axis=0)[trim : count - trim].mean(axis=0)
    assert centre(InProcessGrid([])).trimmed_mean(rows, trim) == pytest.approx(expected, rel=1e-12)


def test_a_clinic_cannot_weigh_itself() -> None:
    """A num-examples that a reply brings is not even read."""
    planted = message(
        {
            "config": ConfigRecord({"clinic": "east", "code": 0, "num-examples": 10**9}),
            "arrays": ArrayRecord({RELEASE: Array(np.ones(3))}),
        }
    )
    reply = reply_of(planted)
    assert vars(reply).keys() == {"clinic", "code", "release", "witness"}
    assert reply.witness == b""


def test_checkpoints_go_down_and_come_up() -> None:
    def echo(request: Request) -> Reply:
        return Reply("east", Code.WITNESSED, witness=request.witness + b"seen")

    asked = Request(0, "ef" * 32, np.zeros(0), b"\0shown")
    (reply,) = centre(InProcessGrid([echo])).ask(asked)
    assert reply == Reply("east", Code.WITNESSED, None, b"\0shownseen")


@pytest.mark.parametrize("planted", ["words", 5, 1.5, [b"bytes"]])
def test_a_witness_of_another_type_is_none(planted: object) -> None:
    config = {"clinic": "east", "code": 6, "witness": planted}
    records = {"config": ConfigRecord(config), "arrays": ArrayRecord({})}  # type: ignore[arg-type]
    assert reply_of(message(dict(records))) == Reply("east", Code.REFUSED)


def test_nothing_cannot_be_averaged() -> None:
    with pytest.raises(Failure, match="no rows"):
        centre(InProcessGrid([])).average([], np.zeros(0))
    with pytest.raises(Failure, match="no rows"):
        centre(InProcessGrid([])).trimmed_mean([], 0)


@pytest.mark.parametrize(
    "records",
    [
        {},
        {"config": ConfigRecord({"clinic": "east", "code": 0})},
        {"config": ConfigRecord({"code": 0}), "arrays": ArrayRecord({})},
        {"config": ConfigRecord({"clinic": "east"}), "arrays": ArrayRecord({})},
        {"config": ConfigRecord({"clinic": "east", "code": 77}), "arrays": ArrayRecord({})},
        {"config": ConfigRecord({"clinic": "east", "code": "no"}), "arrays": ArrayRecord({})},
        {"config": ConfigRecord({"clinic": "east", "code": 0}), "arrays": ArrayRecord({})},
        {
            "config": ConfigRecord({"clinic": "east", "code": 0}),
            "arrays": ArrayRecord({RELEASE: Array("float64", (3,), "numpy.ndarray", b"junk")}),
        },
    ],
)
def test_a_reply_of_another_form_has_no_name(records: dict[str, object]) -> None:
    assert reply_of(message(records)) == Reply("", Code.MALFORMED)


def test_flower_s_own_errors_are_a_missing_agent() -> None:
    failed = Message(Error(code=0, reason="killed"), reply_to=message({}))
    assert reply_of(failed) == Reply("", Code.NO_AGENT)


class LateGrid(InProcessGrid):
    """Nodes connect one by one, each time somebody looks."""

    looked = 0

    def get_node_ids(self) -> list[int]:
        self.looked += 1
        return list(super().get_node_ids())[: self.looked // 2]


def test_the_centre_waits_until_all_members_are_connected() -> None:
    grid = LateGrid([named("east"), named("north"), named("west")])
    assert len(FlowerCentre(grid, 3, 10.0, lambda seconds: None).ask(REQUEST)) == 3


def test_after_half_of_the_time_it_asks_those_who_are_there_for_the_rest_of_it() -> None:
    """A round takes no longer than its deadline, waiting and answering together."""
    pauses: list[float] = []
    grid = DeadlineGrid([named("east")])
    FlowerCentre(grid, 3, 10.0, pauses.append).ask(REQUEST)
    assert sum(pauses) == pytest.approx(5.0)
    assert grid.timeout == pytest.approx(5.0)


def test_a_member_who_stayed_away_is_not_waited_for_as_long_again() -> None:
    pauses: list[float] = []
    grid = DeadlineGrid([named("east")])
    waiting = FlowerCentre(grid, 3, 600.0, pauses.append)
    waiting.ask(REQUEST)
    assert sum(pauses) == pytest.approx(300.0)
    pauses.clear()
    waiting.ask(REQUEST)
    assert sum(pauses) == pytest.approx(30.0)
    assert grid.timeout == pytest.approx(570.0)


def known(grid: Grid, clinics: dict[int, str]) -> list[Reply]:
    return FlowerCentre(grid, len(clinics), 1.0, lambda seconds: None, clinics).ask(REQUEST)


def test_no_clinic_speaks_for_another() -> None:
    """North's relay says that it is east: east is believed, and north released nothing."""
    came = known(InProcessGrid([named("east"), named("east")]), {1: "east", 2: "north"})
    assert [(one.clinic, one.code) for one in came] == [
        ("east", Code.RELEASED),
        ("north", Code.BAD_RELEASE),
    ]


def test_without_the_list_of_nodes_the_lie_would_be_believed() -> None:
    came = centre(InProcessGrid([named("east"), named("east")])).ask(REQUEST)
    assert [one.clinic for one in came] == ["east", "east"]


def test_a_nameless_reply_is_its_clinic_s() -> None:
    def nameless(request: Request) -> Reply:
        raise OSError("no agent")

    came = known(InProcessGrid([nameless]), {1: "east"})
    assert came == [Reply("east", Code.NO_AGENT)]


def test_a_node_of_no_clinic_is_not_asked() -> None:
    asked: list[Request] = []

    def stranger(request: Request) -> Reply:
        asked.append(request)
        return Reply("east", Code.RELEASED, request.shared)

    came = known(InProcessGrid([named("east"), stranger]), {1: "east"})
    assert [one.clinic for one in came] == ["east"] and asked == []


def test_where_nobody_connects_nobody_is_asked() -> None:
    assert centre(InProcessGrid([])).ask(REQUEST) == []


class VanishingGrid(InProcessGrid):
    """The last node is killed while it is asked for the first time, and is gone for three looks.

    As in Flower 1.41: its reply is the SuperLink's error, in nobody's name.
    """

    def __init__(self, agents: list[Callable[[Request], Reply]], returns: bool, code: int) -> None:
        super().__init__(agents)
        self.sent: list[int] = []
        self.victim, self.returns, self.code = len(agents), returns, code
        self.looks_left = -1

    def get_node_ids(self) -> list[int]:
        nodes = list(super().get_node_ids())
        if self.looks_left < 0:
            return nodes
        self.looks_left -= self.returns and self.looks_left > 0
        return [one for one in nodes if one != self.victim or not self.looks_left]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        replies: list[Message] = []
        for one in messages:
            node = one.metadata.dst_node_id
            self.sent.append(node)
            one.metadata.__dict__["_message_id"] = f"message {len(self.sent)}"
            if node == self.victim and self.looks_left < 0:
                self.looks_left = 3
                replies.append(Message(Error(self.code, "offline"), reply_to=one))
                replies[-1].metadata.__dict__["_src_node_id"] = SUPERLINK_NODE_ID
            else:
                replies += super().send_and_receive([one])
        return replies


@pytest.mark.parametrize("code", LOST)
def test_a_node_that_vanished_with_the_request_is_asked_again_when_it_is_back(code: int) -> None:
    grid = VanishingGrid([named("east"), named("north")], True, code)
    clinics = {1: "east", 2: "north"}
    came = FlowerCentre(grid, 2, 5.0, lambda seconds: None, clinics).ask(REQUEST)
    assert {one.clinic: one.code for one in came} == dict.fromkeys(("east", "north"), Code.RELEASED)
    assert sorted(grid.sent) == [1, 2, 2]


def test_a_node_that_does_not_come_back_is_missing_after_the_deadline() -> None:
    grid = VanishingGrid([named("east"), named("north")], False, ErrorCode.NODE_UNAVAILABLE)
    (came,) = FlowerCentre(grid, 2, 0.05, lambda seconds: None).ask(REQUEST)
    assert (came.clinic, sorted(grid.sent)) == ("east", [1, 2])


def test_a_clinic_s_own_error_is_its_answer() -> None:
    crashed = ErrorCode.CLIENT_APP_RAISED_EXCEPTION
    grid = VanishingGrid([named("east"), named("north")], True, crashed)
    came = FlowerCentre(grid, 2, 5.0, lambda seconds: None).ask(REQUEST)
    assert {one.code for one in came} == {Code.RELEASED, Code.NO_AGENT}
    assert sorted(grid.sent) == [1, 2]


class DeadlineGrid(InProcessGrid):
    """Remembers the patience it was given."""

    timeout: float | None = None

    def send_and_receive(self, messages: object, *, timeout: float | None = None) -> list[Message]:
        self.timeout = timeout
        return []


def test_the_deadline_reaches_flower() -> None:
    grid = DeadlineGrid([named("east")])
    assert centre(grid, members=1).ask(REQUEST) == []
    assert grid.timeout == 1.0


def test_a_server_app_hands_over_a_way_to_the_clinics_and_the_settings() -> None:
    replies: list[Reply] = []
    pauses: list[float] = []
    told: list[Mapping[str, str]] = []

    def main(connect: Connect, settings: Mapping[str, str]) -> None:
        replies.extend(connect(2, 1.0, None).ask(REQUEST))
        told.append(settings)

    run_config = {"protocol": "p.yaml", "rounds": 3}
    context = Context(1, 1, {}, RecordDict(), run_config)  # type: ignore[arg-type]
    server_app(main, pauses.append)(InProcessGrid([named("east")]), context)
    assert [reply.clinic for reply in replies] == ["east"]
    assert told == [{"protocol": "p.yaml", "rounds": "3"}]
    assert sum(pauses) == pytest.approx(0.4)


def test_shared_vectors_cross_as_copies() -> None:
    mine: list[FloatArray] = []

    def keeper(request: Request) -> Reply:
        mine.append(request.shared)
        request.shared[0] = -99.0
        return Reply("east", Code.RELEASED, request.shared)

    centre(InProcessGrid([keeper, keeper])).ask(REQUEST)
    assert REQUEST.shared[0] == 1.0
    assert mine[0] is not mine[1]
