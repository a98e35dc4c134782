"""Every byte that leaves an agent in a whole study, searched for what must stay at home.

Each search is proved by planting what it looks for: a search that finds nothing may be blind.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects

from client import framing, serve
from client.app import ask_agent
from client.head_store import HeadStore
from client.serve import AgentServer
from models.sharing import PatientData
from models.trace import FloatArray
from privacy.ledger_checkpoint import Checkpoint, CheckpointError, signed
from privacy.merkle import leaf, root_of
from simulations import federation
from simulations.federation import agents_of, noise_of, run_federation
from simulations.grid import InProcessGrid
from study.wire import Code, Reply, Request
from study.witness import NONE, read_seen
from tests.study.small_study import ENROLLED, RidgeVector, protocol_with, small_people

pytestmark = pytest.mark.slow

PROTOCOL = protocol_with()
PEOPLE = small_people()
ERROR = "glucose of MRN-CANARY-west-0 is missing"
WORDS = (b"MRN-CANARY", b"glucose", b"Traceback", b"Error", b".py")


@dataclass(frozen=True)
class FailingVector(RidgeVector):
    """Raises with a patient's name in its words once the shared vector has moved."""

    def rows(self, shared: FloatArray, patients: Sequence[PatientData]) -> FloatArray:
        if patients[0].patient.startswith("MRN-CANARY-west") and shared[1] != 0.0:
            raise RuntimeError(ERROR)
        return super().rows(shared, patients)


@dataclass(frozen=True)
class Egress:
    """What left: Flower messages, and frames on the sockets; and each clinic's ledger by then."""

    messages: tuple[Message, ...]
    frames: tuple[bytes, ...]
    pseudonyms: tuple[str, ...]
    ledgers: Mapping[str, tuple[bytes, ...]]

    def raw(self) -> bytes:
        """All of it as the bytes that cross, one after the other."""
        objects = [each for one in self.messages for each in get_all_nested_objects(one).values()]
        return b"\n".join([*(each.deflate() for each in objects), *self.frames])


class Tap(InProcessGrid):
    """Keeps every reply that passes."""

    kept: tuple[Message, ...] = ()

    def send_and_receive(self, messages: object, *, timeout: float | None = None) -> list[Message]:
        replies = list(super().send_and_receive(messages, timeout=timeout))  # type: ignore[arg-type]
        Tap.kept += tuple(replies)
        return replies


@contextmanager
def sockets(
    agents: Sequence[tuple[serve.Answer, serve.Judge]], folder: Path
) -> Iterator[list[Path]]:
    with ExitStack() as stack:
        paths = []
        for place, (agent, judge) in enumerate(agents):
            paths.append(folder / f"{place}.sock")
            server = stack.enter_context(AgentServer(agent, paths[-1], judge))
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            stack.callback(server.shutdown)
        yield paths


@pytest.fixture(scope="module")
def egress(tmp_path_factory: pytest.TempPathFactory) -> Egress:
    """A full study, each agent behind its socket, one of them failing in round 2."""
    folder = tmp_path_factory.mktemp("e")
    frames: list[bytes] = []
    framed = framing.reply_frame

    def recorded(reply: Reply) -> bytes:
        frames.append(framed(reply))
        return frames[-1]

    def over(path: Path) -> Callable[[Request], Reply]:
        return lambda request: ask_agent(path, request)

    Tap.kept = ()
    vector, noise = FailingVector(), noise_of(PROTOCOL, 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serve, "reply_frame", recorded)
        patch.setattr(federation, "InProcessGrid", Tap)
        with (
            agents_of(PROTOCOL, PEOPLE, vector, folder / "c", noise, lambda: 1.0) as agents,
            sockets([(agent.train, agent.judge) for agent in agents], folder) as paths,
        ):
            relayed = [
                _Relayed(agent, over(path)) for agent, path in zip(agents, paths, strict=True)
            ]
            result = run_federation(PROTOCOL, relayed, folder / "run", vector)  # type: ignore[arg-type]
    assert [one.took_part for one in result.rounds] == [
        ("east", "north", "west"),
        ("east", "north"),
    ]
    names = [HeadStore(folder / "c" / clinic).pseudonyms() for clinic in PEOPLE]
    ledgers = {
        clinic: tuple((folder / f"c/{clinic}/ledger/ledger.jsonl").read_bytes().splitlines(True))
        for clinic in PEOPLE
    }
    pseudonyms = tuple(name for group in names for name in group)
    return Egress(Tap.kept, tuple(frames), pseudonyms, ledgers)


@dataclass(frozen=True)
class _Relayed:
    """An agent that is reached over its socket."""

    agent: object
    train: Callable[[Request], Reply]


def leaks(egress: Egress) -> set[str]:
    """Kinds of things found outside that must stay at home."""
    raw = egress.raw()
    secrets = {
        "head": [one.head.theta for one in everybody()] + [one.head.latent for one in everybody()],
        "reading": [one.windows.target for one in everybody()],
        "row": [RidgeVector().rows(RidgeVector().start(), [one])[0] for one in everybody()],
    }
    found = {kind for kind, arrays in secrets.items() if any(holds(raw, array) for array in arrays)}
    if any(word in raw for word in WORDS):
        found.add("words")
    if any(name.encode() in raw for name in egress.pseudonyms):
        found.add("pseudonym")
    if any(number in ENROLLED.values() for one in egress.messages for number in numbers(one)):
        found.add("count")
    if any(fields(one) != ({"clinic", "code"}, set()) for one in egress.messages):
        found.add("fields")
    if not all(is_explained(one, egress.ledgers) for one in egress.messages):
        found.add("witness")
    return found


def everybody() -> list[PatientData]:
    return [one for group in PEOPLE.values() for one in group]


def holds(raw: bytes, array: FloatArray) -> bool:
    """Whether any single value is there, as a double or a float of either order, or as text."""
    values = [value for value in array.ravel().tolist() if value not in (0.0, 1.0)]
    forms = [np.array(values, dtype=kind) for kind in ("<f8", ">f8", "<f4", ">f4")]
    written = [form[place : place + 1].tobytes() for form in forms for place in range(len(form))]
    return any(each in raw for each in written) or any(
        repr(value).encode() in raw for value in values
    )


def numbers(message: Message) -> list[float]:
    """Every number beside the code: settings, metrics, and the released values themselves."""
    if message.has_error():
        return []
    content = message.content
    settings = [
        value
        for record in content.config_records.values()
        for key, value in record.items()
        if key != "code"
    ]
    metrics = [value for record in content.metric_records.values() for value in record.values()]
    arrays = [
        array.numpy() for record in content.array_records.values() for array in record.values()
    ]
    flat = [value for array in arrays for value in array.ravel().tolist()]
    return [
        float(value) for value in [*settings, *metrics, *flat] if isinstance(value, int | float)
    ]


def fields(message: Message) -> tuple[set[str], set[str]]:
    """Names of the settings, and of everything else that is not the release."""
    if message.has_error():
        return set(), {"error"}
    content = message.content
    settings = {key for record in content.config_records.values() for key in record} - {"witness"}
    others = {key for record in content.metric_records.values() for key in record}
    names = {key for record in content.array_records.values() for key in record} - {"release"}
    return settings, others | names


def is_explained(message: Message, ledgers: Mapping[str, tuple[bytes, ...]]) -> bool:
    """Whether what goes to the witnesses is hashes of that clinic's ledger and its signatures."""
    if message.has_error():
        return True
    config = message.content.config_records["config"]
    clinic, code, data = str(config["clinic"]), int(str(config["code"])), config.get("witness")
    if code not in (Code.RELEASED, Code.WITNESSED):
        return data is None
    try:
        seen = read_seen(data, len(ledgers))  # type: ignore[arg-type]
    except (CheckpointError, TypeError):
        return False
    if seen.published is None or clinic not in ledgers:
        return False
    own = seen.published.checkpoint
    shown = [leaf(line) for line in ledgers[clinic][: own.size]]
    statements = [
        checkpoint.witness_statement(clinic)
        for other in ledgers.values()
        for checkpoint in every_checkpoint(other)
    ]
    return list(seen.published.leaves) == shown and all(
        seal == NONE or any(signed(own.public_key, seal, each) for each in statements)
        for seal in seen.signatures
    )


def every_checkpoint(ledger: Sequence[bytes]) -> list[Checkpoint]:
    key = bytes.fromhex(json.loads(ledger[0])["public_key"])
    leaves = [leaf(line) for line in ledger]
    sizes = range(1, len(leaves) + 1)
    return [Checkpoint(key, size, root_of(leaves[:size]), b"") for size in sizes]


def with_(egress: Egress, planted: Callable[[Message], Message]) -> Egress:
    """The same egress with its first message exchanged."""
    return replace(egress, messages=(planted(egress.messages[0]), *egress.messages[1:]))


def test_everything_that_left_was_captured(egress: Egress) -> None:
    assert len(egress.messages) == len(egress.frames) == 12
    codes = [int(str(one.content.config_records["config"]["code"])) for one in egress.messages]
    assert codes.count(Code.RELEASED) == 5
    assert codes.count(Code.INTERNAL) == 1
    assert codes.count(Code.WITNESSED) == 6  # all three, at the end, twice
    released = [one.content.array_records["arrays"] for one in egress.messages]
    assert sum(len(arrays) for arrays in released) == 5
    for arrays in released:
        for array in arrays.values():
            assert array.numpy().tobytes() in egress.raw()


def test_nothing_left_that_must_stay(egress: Egress) -> None:
    assert leaks(egress) == set()


HEAD = everybody()[3].head


def arrays_with(name: str, values: FloatArray) -> Callable[[Message], Message]:
    def plant(message: Message) -> Message:
        content = RecordDict(
            {
                "config": message.content.config_records["config"],
                "arrays": ArrayRecord({name: Array(values)}),
            }
        )
        return Message(content, reply_to=message)

    return plant


def config_with(**values: str | int | bytes) -> Callable[[Message], Message]:
    def plant(message: Message) -> Message:
        config = dict(message.content.config_records["config"])
        record = ConfigRecord({**config, **values})
        content = RecordDict({"config": record, "arrays": message.content.array_records["arrays"]})
        return Message(content, reply_to=message)

    return plant


def witness_with(place: int, planted: bytes) -> Callable[[Message], Message]:
    """Other bytes at a place of what goes to the witnesses; none cut it there."""

    def plant(message: Message) -> Message:
        data = bytearray(message.content.config_records["config"]["witness"])  # type: ignore[arg-type]
        at = place % len(data)
        data[at : at + len(planted) if planted else None] = planted
        return config_with(witness=bytes(data))(message)

    return plant


def metric_with(**values: float) -> Callable[[Message], Message]:
    def plant(message: Message) -> Message:
        content = RecordDict({**message.content, "metrics": MetricRecord(dict(values))})
        return Message(content, reply_to=message)

    return plant


def flower_error(message: Message) -> Message:
    return Message(Error(code=1, reason=f"<class 'RuntimeError'>:<'{ERROR}'>"), reply_to=message)


PLANTED = [
    (arrays_with("release", HEAD.theta), "head"),
    (arrays_with("release", HEAD.theta.astype(np.float32)), "head"),
    (arrays_with("release", HEAD.theta.astype(">f8")), "head"),
    (arrays_with("release", np.array([0.0, HEAD.latent[2], 0.0])), "head"),
    (arrays_with("head", np.zeros(3)), "fields"),
    (config_with(note=repr(HEAD.theta.tolist())), "head"),
    (arrays_with("release", everybody()[0].windows.target[:3, 0]), "reading"),
    (
        arrays_with("release", RidgeVector().rows(RidgeVector().start(), everybody()[:1])[0]),
        "row",
    ),
    (config_with(clinic="MRN-CANARY-east-0"), "words"),
    (config_with(reason=ERROR), "words"),
    (flower_error, "words"),
    (flower_error, "fields"),
    (config_with(patients=ENROLLED["north"]), "count"),
    (metric_with(**{"num-examples": float(ENROLLED["north"])}), "count"),
    (arrays_with("release", np.array([0.1, float(ENROLLED["north"]), 0.2])), "count"),
    (metric_with(loss=0.25), "fields"),
    (config_with(witness=HEAD.theta.tobytes()), "witness"),
    (config_with(witness=HEAD.theta.tobytes()), "head"),
    (witness_with(40, b"MRN-CANARY-east-0"), "witness"),
    (witness_with(-64, bytes(range(64))), "witness"),
    (witness_with(-1, b""), "witness"),
]


@pytest.mark.parametrize(("planted", "kind"), PLANTED)
def test_each_planted_leak_is_found(
    planted: Callable[[Message], Message], kind: str, egress: Egress
) -> None:
    assert kind in leaks(with_(egress, planted))


@pytest.mark.parametrize("kind", ["pseudonym", "words", "head"])
def test_a_leak_in_a_frame_is_found(kind: str, egress: Egress) -> None:
    secret = {
        "pseudonym": egress.pseudonyms[0].encode(),
        "words": ERROR.encode(),
        "head": HEAD.theta.tobytes(),
    }[kind]
    assert kind in leaks(replace(egress, frames=(*egress.frames, b"INSULA1\n" + secret)))


def test_clinics_of_different_size_send_equally_many_bytes(egress: Egress) -> None:
    """Their true numbers are 4, 9 and 6; a frame is longer by its clinic's name alone."""
    lengths = {len(frame) - len(name) for frame, name in zip(egress.frames, ENROLLED, strict=False)}
    assert len(lengths) == 1
