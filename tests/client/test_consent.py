"""The agent releases nothing without both signatures under exactly what lies on its disk."""

import os
from functools import lru_cache
from pathlib import Path

import pytest
import yaml

import client.agent
import client.consent
from client.agent import Agent
from client.consent import AGREEMENT, SITE_KEY
from client.policy import POLICY
from privacy.ledger_folder import signing_key
from study.agreement import (
    NotAgreed,
    SiteCaps,
    as_text,
    countersign,
    read_agreement,
    sign,
)
from study.failure import Failure
from study.signing_key import make_key, public_hex, read_key
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


def changed_between_rounds(path: Path, before: str, after: str) -> list[Code]:
    """Answers to a request before a paper changed, after, and with the old words put back.

    The changed file has the length and the times of the first: only its content tells.
    """
    codes = []
    with Clinic(path.parent).agent() as agent:
        first, times = path.read_text(), path.stat()
        for text in (first, first.replace(before, after, 1), first):
            path.write_text(text)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
            codes.append(agent.train(request(1)).code)
    return codes


CHANGES = [
    (POLICY, "epsilon_cap: 8.0", "epsilon_cap: 7.0"),
    (POLICY, "minimum_patients: 3", "minimum_patients: 9"),
    (POLICY, PROTOCOL.digest()[:8], "0" * 8),
    (AGREEMENT, "clip_norm: 0.5", "clip_norm: 0.4"),
    (AGREEMENT, '"epsilon_cap": 8.0', '"epsilon_cap": 9.0'),
]


@pytest.mark.parametrize(("name", "before", "after"), CHANGES)
def test_a_changed_paper_is_seen_and_so_is_the_old_one_put_back(
    name: str, before: str, after: str, home: Path
) -> None:
    assert before in (home / name).read_text()
    codes = changed_between_rounds(home / name, before, after)
    assert codes == [Code.RELEASED, Code.REFUSED, Code.RELEASED]


def test_papers_known_by_their_place_would_not_be_looked_at(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: what was read is kept by the file's path, and a changed paper is passed over."""
    monkeypatch.setattr(client.consent, "read_agreement", lru_cache(read_agreement))
    name, before, after = CHANGES[3]
    assert changed_between_rounds(home / name, before, after) == [Code.RELEASED] * 3


def test_papers_that_did_not_change_are_parsed_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Clinic(home).agent() as agent:
        agent.train(request(1))
        parsed: list[object] = []
        monkeypatch.setattr(yaml, "load", lambda *words, **more: parsed.append(words))
        assert agent.train(request(2)).code is Code.RELEASED
    assert parsed == []


def with_ledger(home: Path, folder: Path) -> None:
    """The clinic's agreement countersigned again, for the ledger of this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    caps = SiteCaps(8.0, 3, public_hex(signing_key(folder)))
    signed = sign(PROTOCOL, read_key(home / "coordinator.key"))
    agreement = countersign(signed, "east", caps, read_key(home / SITE_KEY))
    (home / AGREEMENT).write_text(as_text(agreement))


def test_the_ledger_that_was_signed_for_pays(tmp_path: Path) -> None:
    consent(tmp_path, PROTOCOL)
    with_ledger(tmp_path, tmp_path / "ledger")
    assert Clinic(tmp_path).ask(request()).code is Code.RELEASED


@pytest.mark.parametrize("moved", ["before the start", "between rounds"])
def test_a_fresh_ledger_in_its_place_releases_nothing(moved: str, tmp_path: Path) -> None:
    """A second folder would be a second budget."""
    consent(tmp_path, PROTOCOL)
    with_ledger(tmp_path, tmp_path / "ledger")
    clinic = Clinic(tmp_path)
    if moved == "between rounds":
        assert clinic.ask(request(1)).code is Code.RELEASED
    (tmp_path / "ledger").rename(tmp_path / "elsewhere")
    with pytest.raises(Failure, match="changed:terms"):
        clinic.agent()
    (tmp_path / "ledger").mkdir()
    signing_key(tmp_path / "ledger")
    with pytest.raises(Failure, match="changed:terms"):
        clinic.agent()


def test_terms_that_name_no_ledger_leave_it_open(tmp_path: Path) -> None:
    consent(tmp_path, PROTOCOL)
    assert "ledger_key" not in (tmp_path / AGREEMENT).read_text()
    assert Clinic(tmp_path).ask(request()).code is Code.RELEASED
