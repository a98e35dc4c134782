"""The agent releases nothing without both signatures under exactly what lies on its disk."""

from pathlib import Path

import pytest

import client.agent
from client.agent import Agent
from client.consent import AGREEMENT, SITE_KEY
from client.policy import POLICY
from study.agreement import NotAgreed
from study.failure import Failure
from study.signing_key import make_key
from study.wire import Code
from tests.client.test_agent import PROTOCOL, Clinic, consent, kinds, request
from tests.study.small_study import protocol_with


@pytest.fixture
def home(tmp_path: Path) -> Path:
    consent(tmp_path, PROTOCOL)
    return tmp_path


@pytest.mark.parametrize("lost", [AGREEMENT, SITE_KEY, POLICY])
def test_no_agent_without_its_papers(home: Path, lost: str) -> None:
    (home / lost).unlink()
    with pytest.raises(Failure):
        Clinic(home).agent()
    assert not (home / "ledger").exists()


@pytest.mark.parametrize("lost", [AGREEMENT, SITE_KEY])
def test_papers_lost_between_rounds_stop_the_next_release(home: Path, lost: str) -> None:
    with Clinic(home).agent() as agent:
        assert agent.train(request(1)).code is Code.RELEASED
        (home / lost).unlink()
        assert agent.train(request(2)).code is Code.REFUSED
    assert kinds(home) == ["open", "debit", "receipt"]


def test_a_new_site_key_is_not_the_one_that_signed(home: Path) -> None:
    (home / SITE_KEY).unlink()
    make_key(home / SITE_KEY)
    with pytest.raises(NotAgreed, match="other-site-key"):
        Clinic(home).agent()


def test_a_cap_raised_after_signing(home: Path) -> None:
    path = home / POLICY
    path.write_text(path.read_text().replace("epsilon_cap: 8.0", "epsilon_cap: 20.0"))
    with pytest.raises(NotAgreed, match=r"changed:terms\.epsilon_cap"):
        Clinic(home).agent()


def test_a_protocol_changed_on_disk_after_signing(home: Path) -> None:
    other = protocol_with(("clip_norm: 0.5", "clip_norm: 5.0"))
    path = home / POLICY
    path.write_text(path.read_text().replace(PROTOCOL.digest(), other.digest()))
    with pytest.raises(NotAgreed, match=r"changed:release\.clip_norm"):
        Clinic(home, protocol=other).agent()


def test_an_agent_that_forgot_to_look_would_release(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: the check is left out, and a clinic that signed nothing releases."""
    (home / AGREEMENT).unlink()
    monkeypatch.setattr(client.agent, "require_agreement", lambda *papers: None)
    with Clinic(home).agent() as agent:
        assert isinstance(agent, Agent)
        assert agent.train(request(1)).code is Code.RELEASED
