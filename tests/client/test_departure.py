"""A clinic that left, and patients who are forgotten: durable, and honoured before each release."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from client import departure
from client.agent import Agent, AgentSite
from client.departure import (
    FORGOTTEN,
    LEFT,
    forget_pseudonym,
    forgotten,
    has_left,
    leave,
    require_present,
    takes_part,
)
from client.head_store import HeadStore
from models.sharing import PatientData
from models.trace import FloatArray
from privacy.noise import SimulatedNoise
from privacy.release import release_sum
from study.failure import ExitCode, Failure
from study.wire import Code, Reply
from tests.client.test_agent import NOW_S, PROTOCOL, Clinic, consent, kinds, released, request
from tests.study.small_study import RidgeVector


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    consent(tmp_path, PROTOCOL)
    return Clinic(tmp_path)


def test_nobody_left_and_nobody_is_forgotten_at_first(tmp_path: Path) -> None:
    require_present(tmp_path)
    assert not has_left(tmp_path)
    assert forgotten(tmp_path) == frozenset()
    assert takes_part(tmp_path)("anybody")
    assert list(tmp_path.iterdir()) == []


def test_a_clinic_leaves_once_and_for_good(tmp_path: Path) -> None:
    assert leave(tmp_path, NOW_S)
    assert not leave(tmp_path, NOW_S + 1)
    assert json.loads((tmp_path / LEFT).read_text()) == {"left_at": "2023-11-14T22:13:20+00:00"}
    with pytest.raises(Failure, match="this clinic left"):
        require_present(tmp_path)


@pytest.mark.parametrize("content", ["", "{}", "not json", '{"left_at": null}'])
def test_a_damaged_mark_still_means_that_it_left(content: str, tmp_path: Path) -> None:
    (tmp_path / LEFT).write_text(content)
    assert has_left(tmp_path)


def test_a_mark_that_leads_nowhere_still_means_that_it_left(tmp_path: Path) -> None:
    (tmp_path / LEFT).symlink_to(tmp_path / "nowhere")
    assert has_left(tmp_path)


def test_a_clinic_that_left_releases_nothing_more_not_even_the_same_again(clinic: Clinic) -> None:
    with clinic.agent() as agent:
        released(agent.train(request(1)))
        leave(clinic.home, NOW_S)
        assert agent.train(request(2)) == Reply("east", Code.REFUSED)
        assert agent.train(request(1)) == Reply("east", Code.REFUSED)
    assert kinds(clinic.home) == ["open", "debit", "receipt"]
    with pytest.raises(Failure, match="this clinic left"):
        clinic.agent()


class Meanwhile(RidgeVector):
    """Something that a person does while rows are being computed."""

    def __init__(self, home: Path, forget: str = "") -> None:
        super().__init__()
        object.__setattr__(self, "home", home)
        object.__setattr__(self, "forget", forget)

    def rows(self, shared: FloatArray, patients: Sequence[PatientData]) -> FloatArray:
        rows = super().rows(shared, patients)
        home, forget = self.__dict__["home"], self.__dict__["forget"]
        if forget:
            forget_pseudonym(home, forget)
        else:
            leave(home, NOW_S)
        return rows


def test_leaving_while_rows_are_computed_stops_the_release_before_its_debit(
    clinic: Clinic,
) -> None:
    clinic.vector = Meanwhile(clinic.home)
    assert clinic.ask(request()) == Reply("east", Code.REFUSED)
    assert kinds(clinic.home) == ["open"]


def test_without_the_second_look_that_release_would_have_left(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted mistake: an agent that asks for consent at the beginning only."""
    clinic.vector = Meanwhile(clinic.home)
    asked: list[int] = []
    look = Agent._require_consent

    def first_only(agent: Agent) -> None:
        if not asked:
            look(agent)
        asked.append(1)

    monkeypatch.setattr(Agent, "_require_consent", first_only)
    assert clinic.ask(request()).code is Code.RELEASED


def test_a_patient_forgotten_while_rows_are_computed_is_in_no_release(clinic: Clinic) -> None:
    name = clinic.patients[1].patient
    clinic.vector = Meanwhile(clinic.home, name)
    assert clinic.ask(request()) == Reply("east", Code.REFUSED)
    assert kinds(clinic.home) == ["open"]
    clinic.vector = RidgeVector()
    expected = expected_release([one for one in clinic.patients if one.patient != name])
    assert released(clinic.ask(request())).tolist() == expected


def expected_release(patients: Sequence[PatientData]) -> list[float]:
    rows = RidgeVector().rows(RidgeVector().start(), patients)
    noise = SimulatedNoise(5, "east", 1)
    values = release_sum(rows, PROTOCOL.release.clip_norm, PROTOCOL.sigma, noise).values
    return list(values.tolist())


@pytest.mark.parametrize("when", ["before the agent starts", "while it runs"])
def test_the_release_after_is_that_of_the_others(when: str, clinic: Clinic) -> None:
    name = clinic.patients[2].patient
    others = [one for one in clinic.patients if one.patient != name]
    if when == "while it runs":
        with clinic.agent() as agent:
            forget_pseudonym(clinic.home, name)
            reply = agent.train(request())
            assert [one.patient for one in agent.patients] == [one.patient for one in others]
    else:
        forget_pseudonym(clinic.home, name)
        reply = clinic.ask(request())
    assert released(reply).tolist() == expected_release(others)
    assert expected_release(others) != expected_release(clinic.patients)


def test_forgetting_below_the_minimum_ends_the_clinic_s_part(clinic: Clinic) -> None:
    for one in clinic.patients[:2]:
        forget_pseudonym(clinic.home, one.patient)
    assert clinic.ask(request()) == Reply("east", Code.REFUSED)
    assert "2 enrolled patients" in clinic.log()


def test_the_list_names_nobody(tmp_path: Path) -> None:
    for name in ("MRN-CANARY-1", "Ø. Patient", "../../etc/passwd"):
        forget_pseudonym(tmp_path, name)
        assert not takes_part(tmp_path)(name)
    text = (tmp_path / FORGOTTEN).read_text()
    assert "CANARY" not in text and "Patient" not in text and "passwd" not in text
    assert takes_part(tmp_path)("MRN-CANARY-2")
    assert len(forgotten(tmp_path)) == 3


def test_forgetting_twice_lists_once(tmp_path: Path) -> None:
    forget_pseudonym(tmp_path, "a")
    before = (tmp_path / FORGOTTEN).read_bytes()
    forget_pseudonym(tmp_path, "a")
    assert (tmp_path / FORGOTTEN).read_bytes() == before


def test_a_lost_key_would_bring_the_forgotten_back_so_it_is_refused(tmp_path: Path) -> None:
    forget_pseudonym(tmp_path, "a")
    (tmp_path / "heads.key").unlink()
    HeadStore(tmp_path)  # a new key, under which "a" has another pseudonym
    with pytest.raises(Failure, match=r"another key than heads\.key") as refusal:
        takes_part(tmp_path)
    assert refusal.value.code is ExitCode.REFUSED


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"check": 1}', '{"check": "x", "pseudonyms": 3}', "\ufeff{}"]
)
def test_a_damaged_list_stops_the_clinic(content: str, clinic: Clinic) -> None:
    (clinic.home / FORGOTTEN).write_text(content)
    with pytest.raises(Failure, match="cannot be read"):
        clinic.agent()


def test_a_list_that_is_damaged_while_the_agent_runs_stops_the_next_release(
    clinic: Clinic,
) -> None:
    with clinic.agent() as agent:
        (clinic.home / FORGOTTEN).write_text("[]")
        assert agent.train(request()) == Reply("east", Code.REFUSED)
    assert kinds(clinic.home) == ["open"]


def test_a_mark_that_cannot_be_written_is_a_failure_and_no_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(departure, "write_whole", full)
    with pytest.raises(Failure, match="No space left") as refusal:
        leave(tmp_path, NOW_S)
    assert refusal.value.code is ExitCode.NOT_WRITTEN
    assert not has_left(tmp_path)


KILLED = """
import os, sys
from pathlib import Path
from client.departure import leave, forget_pseudonym
leave(Path(sys.argv[1]), 0.0)
forget_pseudonym(Path(sys.argv[1]), "a")
os.kill(os.getpid(), 9)
"""


@pytest.mark.slow
def test_both_outlive_the_process_that_wrote_them(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=root, check=False)
    assert ran.returncode == -9
    assert has_left(tmp_path)
    assert not takes_part(tmp_path)("a")


def test_the_agent_s_site_is_the_folder_of_the_marks(clinic: Clinic) -> None:
    """What `insula site leave SITE` writes is read by the agent whose home is SITE."""
    assert AgentSite(clinic.home, "east", lambda: NOW_S).log.parent / LEFT == clinic.home / LEFT
