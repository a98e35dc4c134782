"""Whatever a centre sends, through the real relay and the real agent: the site's protocol wins."""

from collections.abc import Iterator

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict

from client.app import relay
from models.trace import FloatArray
from privacy.canonical import RELEASE
from simulations.grid import InProcessGrid
from study.wire import Code
from study.witness import NONE, Shown, shown_bytes
from tests.client.test_agent import PROTOCOL, Clinic, clinic, kinds, spent
from tests.study.small_study import RidgeVector

pytestmark = pytest.mark.slow

__all__ = ["clinic"]  # the fixture

START = RidgeVector().start()


@pytest.fixture(autouse=True)
def _identity() -> Iterator[None]:
    InProcessGrid([])
    yield


def message(number: object = 1, shared: object = START, **settings: object) -> Message:
    """What this centre sends; settings beside those agreed, or in their place."""
    config = {"server-round": number, "protocol-sha256": PROTOCOL.digest(), **settings}
    arrays = {"shared": Array(np.asarray(shared))} if not isinstance(shared, dict) else shared
    records = {"config": ConfigRecord(config), "arrays": ArrayRecord(arrays)}  # type: ignore[arg-type]
    return Message(RecordDict(records), dst_node_id=7, message_type="train")  # type: ignore[arg-type]


def answer(home: Clinic, sent: Message) -> tuple[Code, FloatArray | None]:
    with home.agent() as agent:
        reply = relay(sent, agent.train).content
    code = Code(int(str(reply.config_records["config"]["code"])))
    arrays = reply.array_records["arrays"]
    return code, arrays[RELEASE].numpy() if RELEASE in arrays else None


@pytest.mark.parametrize(
    "settings",
    [
        {"sigma": 0.0},
        {"noise_multiplier": 0.0, "clip_norm": 1e9},
        {"clip_norm": 1e9, "max_grad_norm": 1e9, "sensitivity": 1e9},
        {"epsilon": 1e9, "delta": 0.99, "rounds": 10**6},
        {"noise": "simulated", "seed": 0, "rehearsal": True},
        {"names": "heads", "dimension": 10**6, "minimum_patients": 0},
        {"lr": 1e9, "local_steps": 10**6, "proximal_mu": 0.0},
    ],
)
def test_settings_it_sends_change_no_bit_of_the_release(
    settings: dict[str, object], clinic: Clinic, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The noise is simulated here, and so the same again: what is asked for would show."""
    code, released = answer(clinic, message(**settings))
    assert code is Code.RELEASED and released is not None
    (clinic.home / "ledger").rename(tmp_path_factory.mktemp("first") / "ledger")
    _, honest = answer(clinic, message())
    assert honest is not None
    assert released.tobytes() == honest.tobytes()
    assert spent(clinic.home) == pytest.approx(1 / PROTOCOL.sigma)


def test_a_repeated_round_with_another_model_gets_the_same_bytes(clinic: Clinic) -> None:
    _, first = answer(clinic, message())
    assert first is not None
    for other in (START * 0.0, START + 1e6, START[::-1]):
        code, again = answer(clinic, message(1, other))
        assert code is Code.RELEASED and again is not None
        assert again.tobytes() == first.tobytes()
    assert kinds(clinic.home) == ["open", "debit", "receipt"]


def test_a_stale_model_in_a_new_round_is_one_release_and_one_charge(clinic: Clinic) -> None:
    """The agent cannot know which model is the newest; what it owes is the noise."""
    for _ in range(3):
        answer(clinic, message(1, START))
        answer(clinic, message(2, START))
    assert kinds(clinic.home) == ["open", *["debit", "receipt"] * 2]


@pytest.mark.parametrize(
    "shared",
    [
        np.full(3, np.nan),
        np.array([0.0, np.inf, 0.0]),
        np.zeros(2),
        np.zeros(4),
        np.zeros((3, 1)),
        np.zeros((3, 3)),
        np.zeros(0),
        np.zeros(()),
    ],
)
def test_a_model_that_is_none_gets_a_code_and_costs_nothing(
    shared: FloatArray, clinic: Clinic
) -> None:
    assert answer(clinic, message(1, shared)) == (Code.BAD_SHARED_VECTOR, None)
    assert spent(clinic.home) == 0.0


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"head": Array(np.zeros(18))},
        {"shared": Array("float64", (3,), "numpy.ndarray", b"\x80\x04junk")},
        {"shared": Array("object", (1,), "numpy.ndarray", b"\x93NUMPY\x01\x00")},
    ],
)
def test_arrays_that_are_no_model_reach_no_agent(arrays: dict[str, Array], clinic: Clinic) -> None:
    assert answer(clinic, message(1, arrays)) == (Code.MALFORMED, None)
    assert spent(clinic.home) == 0.0


def test_a_thousand_queries_have_neither_a_difference_nor_an_average(clinic: Clinic) -> None:
    """With other models, in any order: each round's answers are one draw, paid for once."""
    rng = np.random.default_rng(4)
    answers: dict[int, set[bytes]] = {}
    with clinic.agent() as agent:
        for _ in range(1000):
            number = int(rng.choice([0, 1, 2, 3, -1, 10**9, int(rng.integers(-5, 9))]))
            reply = relay(message(number, rng.normal(size=3)), agent.train).content
            for array in reply.array_records["arrays"].values():
                answers.setdefault(number, set()).add(array.numpy().tobytes())
    assert {number: len(each) for number, each in answers.items()} == {1: 1, 2: 1}
    assert kinds(clinic.home) == ["open", *["debit", "receipt"] * 2]
    assert spent(clinic.home) <= PROTOCOL.mu * (1 + 1e-9)


def test_lies_about_witnesses_cost_nothing_and_say_nothing(clinic: Clinic) -> None:
    members = len(PROTOCOL.members)
    empty = shown_bytes([Shown(None, 0, (NONE,) * members)] * members)
    rng = np.random.default_rng(5)
    with clinic.agent() as agent:
        for place in rng.integers(0, len(empty), 200):
            lie = bytearray(empty)
            lie[place] ^= 1 << int(rng.integers(8))
            reply = relay(message(0, np.zeros(0), witness=bytes(lie)), agent.train).content
            code = int(str(reply.config_records["config"]["code"]))
            assert code in (Code.BAD_WITNESS, Code.WITNESSED)
        for length in (1, len(empty) - 1, len(empty) + 1, 2**20):
            sent = message(1, START, witness=bytes(length))
            reply = relay(sent, agent.train).content
            assert int(str(reply.config_records["config"]["code"])) == Code.BAD_WITNESS
    assert kinds(clinic.home) == ["open"]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"server-round": 1.0}, Code.MALFORMED),
        ({"server-round": "1"}, Code.MALFORMED),
        ({"server-round": [1]}, Code.MALFORMED),
        ({"protocol-sha256": "0" * 64}, Code.OTHER_PROTOCOL),
        ({"witness": "words"}, Code.MALFORMED),
    ],
)
def test_a_request_of_another_form_is_a_code(
    settings: dict[str, object], code: Code, clinic: Clinic
) -> None:
    assert answer(clinic, message(**settings)) == (code, None)
    assert spent(clinic.home) == 0.0
