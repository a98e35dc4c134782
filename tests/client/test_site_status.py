"""A site's status is what its folder holds, read while the agent may run, and changes nothing."""

import shutil
import subprocess
from pathlib import Path

import pytest

from client.departure import forget_pseudonym, leave
from client.head_store import HeadStore
from client.site_folder import LOG, SETTINGS
from client.site_status import Refusal, last_refusal, status_of
from models.heads import prior_head
from study.failure import ExitCode, Failure
from study.wire import Code
from tests.client.made_site import made_traces, make_site, net_protocol
from tests.client.test_agent import NOW_S, Clinic, consent, request
from tests.study.small_study import protocol_with

PROTOCOL = net_protocol()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sites") / "east"
    make_site(folder, PROTOCOL, "east", made_traces("east", 2))
    (folder / "node").mkdir()
    (folder / SETTINGS).write_text("clinic: east\nserver: localhost:1\n")
    return folder


@pytest.fixture
def site(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "s")


def test_a_site_that_agreed_and_did_nothing_yet(site: Path) -> None:
    before = sorted(site.rglob("*"))
    found = status_of(site)
    assert (found.clinic, found.study) == ("east", PROTOCOL.study)
    assert (found.policy, found.agreement, found.left) == ("allows", "signed", False)
    assert (found.patients, found.heads, found.forgotten) == (2, 0, 0)
    assert found.spent is not None
    assert (found.spent.epsilon, found.spent.mu, found.spent.rounds) == (0.0, 0.0, ())
    assert found.last_refusal is None
    assert sorted(site.rglob("*")) == before


def test_a_release_and_a_refusal_are_seen_while_the_agent_runs(tmp_path: Path) -> None:
    protocol = protocol_with()
    consent(tmp_path, protocol)
    (tmp_path / "node").mkdir()
    (tmp_path / SETTINGS).write_text("clinic: east\nserver: localhost:1\n")
    (tmp_path / "protocol.yaml").write_text(protocol.canonical())
    clinic = Clinic(tmp_path)
    with clinic.agent() as agent:
        assert agent.train(request(1)).code is Code.RELEASED
        assert agent.train(request(99)).code is Code.NO_SUCH_ROUND
        found = status_of(tmp_path)
    assert found.spent is not None
    assert (found.spent.rounds, found.spent.rounds_agreed) == ((1,), 2)
    assert found.spent.mu == pytest.approx(1 / protocol.sigma)
    assert found.spent.epsilon is not None
    assert 0 < found.spent.epsilon < protocol.privacy.epsilon
    assert found.last_refusal == Refusal(int(NOW_S), "99", "NO_SUCH_ROUND")
    assert found.patients is None


def test_heads_the_forgotten_and_leaving_are_counted(site: Path) -> None:
    HeadStore(site).put("a", prior_head())
    forget_pseudonym(site, "b")
    leave(site, NOW_S)
    found = status_of(site)
    assert (found.heads, found.forgotten, found.left) == (1, 1, True)


@pytest.mark.parametrize(
    ("spoil", "policy", "agreement"),
    [
        ("rm protocol.yaml", "no protocol.yaml yet", "no protocol.yaml yet"),
        ("rm agreement.json", "allows", "no-agreement"),
        ("sed -i 's/epsilon: 8.0/epsilon: 9.0/' protocol.yaml", "nobody", "changed:privacy"),
        ("rm policy.yaml", "no usable policy", "no usable policy"),
        ("rm site.key", "allows", "no key"),
    ],
)
def test_what_is_missing_is_a_word_and_no_failure(
    spoil: str, policy: str, agreement: str, site: Path
) -> None:
    subprocess.run(["sh", "-c", spoil], cwd=site, check=True)
    found = status_of(site)
    assert policy in found.policy
    assert agreement in found.agreement


def test_a_ledger_that_does_not_hold_has_no_epsilon(site: Path) -> None:
    (site / "ledger").mkdir()
    (site / "ledger" / "ledger.jsonl").write_text("{}\n")
    spent = status_of(site).spent
    assert spent is not None
    assert spent.epsilon is None
    assert spent.problem


def test_a_folder_that_is_no_site_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(Failure) as failure:
        status_of(tmp_path)
    assert failure.value.code is ExitCode.MISSING_INPUT


def test_the_last_refusal_is_found_among_traces_and_other_lines(tmp_path: Path) -> None:
    log = tmp_path / LOG
    assert last_refusal(log) is None
    log.write_bytes(
        b"100 open: east answers at s\n"
        b"150 round 1 RELEASED\n"
        b"200 round 2 INTERNAL: Traceback (most recent call last):\n"
        b'  File "x", line 1\n'
        b"round 9 REFUSED: no\n"
        b"\xff\xfe 300 round 4 REFUSED: no\n"
    )
    assert last_refusal(log) == Refusal(200, "2", "INTERNAL")
    with log.open("ab") as more:
        more.write(b"400 round '3; drop' MALFORMED: x\n")
    assert last_refusal(log) == Refusal(200, "2", "INTERNAL")


def test_nothing_of_a_patient_is_in_it(site: Path) -> None:
    found = status_of(site)
    assert "CANARY" not in str(found)
