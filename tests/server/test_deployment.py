"""What can be wrong is said before a process starts; what stops is resumed, never in silence.

The whole over a real network is in tests/network.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from safetensors.numpy import load

from client.node_key import new_node_key, public_text
from server import deployment
from server.app import run_study
from server.app_ending import told
from server.certificates import make_certificates, utc_now
from server.checkpoint import RoundResult
from server.deployment import NETWORK, Terms, checkpoints_of, read_terms, resume, start
from server.deployment_status import status
from server.report import write_report
from server.run_record import read_run_record
from study.failure import ExitCode, Failure
from study.public_start import body_sha256, to_bytes
from study.wire import Code, Reply
from tests.server.test_app import small_start
from tests.server.test_rounds import PlainCentre, releases
from tests.study.small_study import protocol_with

PROTOCOL = protocol_with()


@pytest.fixture
def terms(tmp_path: Path) -> Terms:
    make_certificates(tmp_path / "tls", ["127.0.0.1"], utc_now())
    keys = {one.name: public_text(new_node_key()) for one in PROTOCOL.members}
    (tmp_path / "nodes.yaml").write_text(yaml.safe_dump(keys))
    (tmp_path / "protocol.yaml").write_text(PROTOCOL.canonical())
    (tmp_path / "start.safetensors").write_bytes(to_bytes(small_start()))
    return Terms(
        protocol=str(tmp_path / "protocol.yaml"),
        public_start=str(tmp_path / "start.safetensors"),
        tls=str(tmp_path / "tls"),
        nodes=str(tmp_path / "nodes.yaml"),
        host="127.0.0.1",
        port=0,
    )


class Link:
    """A SuperLink whose run does what a test has planned."""

    def __init__(self, folder: Path, plan: list[str], run: Path) -> None:
        self.folder, self.port, self.ca = folder, 1, folder / "ca.pem"
        self._plan, self._run = plan, run
        self.registered: list[str] = []
        self.process = SimpleNamespace(poll=lambda: 9 if "link dies" in plan else None)
        (folder / "superlink.log").write_text("last words")

    def register(self, clinic: str, key: str) -> int:
        self.registered.append(clinic)
        return len(self.registered)

    def submit(self, app: Path, settings: dict[str, str]) -> str:
        self.settings = settings
        if "finishes" in self._plan:
            self._finish()
        if "fails" in self._plan:
            self._fail()
        return "5"

    def _finish(self) -> None:
        """The real round loop over replies that were put in."""
        vector = small_start().shared_vector(PROTOCOL)
        with told(self._run):
            run_study(PROTOCOL, vector, PlainCentre(releases()), self._run, lambda a, b: None)

    def _fail(self) -> None:
        words = {"found": "1 release", "expected": "2", "consequence": "c", "remedy": "r"}
        with pytest.raises(Failure), told(self._run):
            raise Failure(**words, code=ExitCode.TOO_FEW_REPLIES)


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[Link]]:
    """What the run of each start will do, and the SuperLinks that were started."""
    plan: list[str] = []
    links: list[Link] = []

    @contextmanager
    def planted(folder: Path) -> Iterator[Link]:
        links.append(Link(folder, plan, tmp_path / "run"))
        yield links[-1]

    @contextmanager
    def no_door(door: object) -> Iterator[None]:
        yield

    monkeypatch.setattr(deployment, "superlink", planted)
    monkeypatch.setattr(deployment, "open_door", no_door)
    monkeypatch.setattr(deployment, "BEGIN_S", 0.2)
    monkeypatch.setattr(deployment, "LOOK_S", 0.01)
    return plan, links


def say(words: str) -> None:
    """Nobody listens."""


def test_a_start_registers_every_member_and_tells_the_app_who_is_who(
    terms: Terms, play: tuple[list[str], list[Link]], tmp_path: Path
) -> None:
    play[0].append("finishes")
    start(terms, tmp_path / "run", say)
    (link,) = play[1]
    assert sorted(link.registered) == ["east", "north", "west"]
    nodes = json.loads(Path(link.settings["nodes"]).read_text())
    assert sorted(nodes.values()) == ["east", "north", "west"]
    assert Path(link.settings["out"]) == tmp_path / "run"
    assert Path(link.settings["protocol"]).read_text() == PROTOCOL.canonical()
    assert (tmp_path / "run" / NETWORK).stat().st_mode & 0o077 == 0
    assert (tmp_path / "run" / "protocol.yaml").read_text() == PROTOCOL.canonical()


def test_the_record_says_who_took_part_and_what_was_spent_and_scores_nobody(
    terms: Terms, play: tuple[list[str], list[Link]], tmp_path: Path
) -> None:
    play[0].append("finishes")
    start(terms, tmp_path / "run", say)
    record = read_run_record(tmp_path / "run")
    assert [one.took_part for one in record.rounds] == [("east", "north", "west")] * 2
    body = load((tmp_path / "run" / "body.safetensors").read_bytes())["weights"]
    assert record.body_sha256 == body_sha256(body)
    assert record.privacy.mu == pytest.approx(PROTOCOL.mu) and record.privacy.releases == 2
    assert (record.noise, record.scores) == ("simulated", ())
    (tmp_path / "run" / "run.json").unlink()  # killed before it was written
    resume(tmp_path / "run", say)
    assert read_run_record(tmp_path / "run") == record
    assert write_report(tmp_path / "run").is_file()


def test_a_second_start_in_the_same_folder_is_refused(
    terms: Terms, play: tuple[list[str], list[Link]], tmp_path: Path
) -> None:
    play[0].append("finishes")
    start(terms, tmp_path / "run", say)
    with pytest.raises(Failure, match="holds a study already") as failure:
        start(terms, tmp_path / "run", say)
    assert failure.value.code is ExitCode.REFUSED


@pytest.mark.parametrize(
    ("what", "code", "found"),
    [
        ("fails", ExitCode.TOO_FEW_REPLIES, "1 release"),
        ("link dies", ExitCode.NO_SUPERLINK, "a SuperLink that ended"),
        ("nothing happens", ExitCode.NO_SUPERLINK, "no ServerApp after"),
    ],
)
def test_a_study_that_stops_is_no_success_and_is_resumed_with_the_nodes_it_knows(
    what: str,
    code: ExitCode,
    found: str,
    terms: Terms,
    play: tuple[list[str], list[Link]],
    tmp_path: Path,
) -> None:
    plan, links = play
    plan.append(what)
    with pytest.raises(Failure, match=found) as failure:
        start(terms, tmp_path / "run", say)
    assert failure.value.code is code
    plan[:] = ["finishes"]
    resume(tmp_path / "run", say)
    assert links[1].registered == []
    resume(tmp_path / "run", say)  # over: nothing more is started
    assert len(links) == 2


def test_an_app_that_dies_without_a_word_is_seen(
    terms: Terms,
    play: tuple[list[str], list[Link]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = iter([True, True, True, False])
    monkeypatch.setattr(deployment, "is_held", lambda lock: next(held))
    with pytest.raises(Failure, match="ended without a word"):
        start(terms, tmp_path / "run", say)


def test_keys_half_registered_are_registered_again_in_an_empty_database(
    terms: Terms, play: tuple[list[str], list[Link]], tmp_path: Path
) -> None:
    plan, links = play
    plan.append("link dies")
    with pytest.raises(Failure):
        start(terms, tmp_path / "run", say)
    network = tmp_path / "run" / NETWORK
    (network / "nodes.json").unlink()
    (network / "superlink.db").write_text("some of the keys")
    plan[:] = ["finishes"]
    resume(tmp_path / "run", say)
    assert sorted(links[1].registered) == ["east", "north", "west"]
    assert not (network / "superlink.db").exists()


def test_two_processes_do_not_run_one_folder(
    terms: Terms, play: tuple[list[str], list[Link]], tmp_path: Path
) -> None:
    play[0].append("link dies")
    with pytest.raises(Failure):
        start(terms, tmp_path / "run", say)
    with deployment._alone(tmp_path / "run"):
        assert status(tmp_path / "run", 0.0).state == "running"
        with pytest.raises(Failure, match="another process"):
            resume(tmp_path / "run", say)
    assert status(tmp_path / "run", 0.0).state == "stopped"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"protocol": "absent"}, ExitCode.MISSING_INPUT),
        ({"public_start": "absent"}, ExitCode.MISSING_INPUT),
        ({"nodes": "absent"}, ExitCode.MISSING_INPUT),
        ({"tls": "absent"}, ExitCode.MISSING_INPUT),
    ],
)
def test_what_is_missing_is_said_before_anything_is_written(
    change: dict[str, str],
    code: ExitCode,
    terms: Terms,
    play: tuple[list[str], list[Link]],
    tmp_path: Path,
) -> None:
    with pytest.raises(Failure) as failure:
        start(replace(terms, **change), tmp_path / "run", say)  # type: ignore[arg-type]
    assert failure.value.code is code
    assert play[1] == [] and not (tmp_path / "run").exists()


def test_a_folder_without_a_study_is_not_resumed(tmp_path: Path) -> None:
    with pytest.raises(Failure) as failure:
        resume(tmp_path, say)
    assert failure.value.code is ExitCode.MISSING_INPUT


def test_terms_come_back_as_they_were(
    terms: Terms, play: tuple[list[str], list[Link]], tmp_path: Path
) -> None:
    play[0].append("finishes")
    start(terms, tmp_path / "run", say)
    found = asdict(read_terms(tmp_path / "run"))
    assert {**found, "protocol": terms.protocol} == asdict(terms)


def test_the_status_says_phase_round_who_took_part_and_seconds(
    terms: Terms, play: tuple[list[str], list[Link]], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    play[0].append("fails")
    with pytest.raises(Failure):
        start(terms, run, say)
    checkpoints = checkpoints_of(terms, PROTOCOL, run)
    began = (run / NETWORK / "terms.json").stat().st_mtime
    found = status(run, began + 40.0)
    assert (found.state, found.phase, found.round, found.rounds) == (
        "stopped",
        "asking the clinics",
        1,
        2,
    )
    assert found.seconds == pytest.approx(40.0, abs=0.1)
    assert found.failure == "1 release" and found.done == ()
    checkpoints.keep_replies(1, {"east": Reply("east", Code.RELEASED, np.ones(3))})
    assert status(run, began).phase == "averaging"
    checkpoints.keep_round(RoundResult(1, ("east",), {"north": "NO_REPLY"}, 5, np.ones(3)))
    found = status(run, began + 40.0)
    assert (found.round, found.done[0].took_part) == (2, ("east",))
    assert found.done[0].refused == {"north": "NO_REPLY"}
    kept = checkpoints.path(1, "round")
    whole = kept.read_bytes()
    kept.write_bytes(whole[:40])
    with pytest.raises(Failure, match=r"0001-round\.safetensors") as broken:
        status(run, began)
    assert broken.value.code is ExitCode.BAD_DATA
    kept.write_bytes(whole)
    (run / "body.safetensors").touch()
    assert status(run, began).phase == "witnessing the last ledgers"
    with told(run):
        pass
    found = status(run, began)
    assert (found.state, found.phase, found.failure) == ("finished", "over", None)
