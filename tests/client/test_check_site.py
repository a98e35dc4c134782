"""The site folder, looked at for real: each fault of disk, consent, ledger and patients."""

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from client import check_site
from client.check_site import Home, site_items
from client.departure import forget_pseudonym
from client.enrolment import enrol
from client.head_store import HeadStore
from client.policy import LifetimeBudget, read_policy, write_policy
from client.preflight import Finding, Outcome, look_at
from client.site_folder import SETTINGS
from models.sharing import PatientData
from models.trace import FloatArray
from privacy.gaussian_dp import mu_of_epsilon
from privacy.ledger import Ledger
from study.wire import Code, Reply
from tests.client.made_site import made_traces, make_site, net_protocol
from tests.client.test_serve import doubled, listening
from tests.study.small_study import PlantedVector, RidgeVector

pytestmark = pytest.mark.slow

PROTOCOL = net_protocol()
TRACES = made_traces("east", 2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site that agreed, whose heads are fitted."""
    folder = make_site(tmp_path_factory.mktemp("sites") / "east", PROTOCOL, "east", TRACES)
    (folder / "node").mkdir()
    (folder / "run").mkdir()
    (folder / SETTINGS).write_text("clinic: east\nserver: localhost:1\n")
    enrol(PROTOCOL, "east", TRACES, HeadStore(folder))
    return folder


@pytest.fixture
def site(made: Path, tmp_path: Path) -> Path:
    copy = shutil.copytree(made, tmp_path / "s")
    copy.chmod(0o700)
    return copy


@pytest.fixture
def agent(site: Path) -> Iterator[Path]:
    with listening(doubled, site / "run" / "agent.sock") as path:
        yield path


def looked(site: Path) -> dict[str, Finding]:
    home = Home(site, site / "start.safetensors")
    return {one.item: one for one in look_at(site_items(home), lambda name: None)}


def codes(site: Path) -> dict[str, str]:
    return {name: one.code for name, one in looked(site).items() if one.code}


def contents(site: Path) -> dict[str, bytes]:
    files = (path for path in site.rglob("*") if path.is_file())
    return {path.relative_to(site).as_posix(): path.read_bytes() for path in files}


@pytest.mark.usefixtures("agent")
def test_a_site_in_order_is_ok_throughout_and_nothing_of_it_changes(site: Path) -> None:
    before = contents(site)
    found = looked(site)
    assert {one.outcome for one in found.values()} == {Outcome.OK}
    assert found["ledger"].words == "none yet: nothing was spent"
    assert found["patients"].words == "2 enrolled, 0 held out, 0 left out"
    assert found["dry round"].words.startswith("2 rows in ")
    assert found["dry round"].words.endswith("; nothing spent")
    assert contents(site) == before
    assert not (site / "ledger").exists()


def test_the_dry_round_leaves_a_ledger_as_it_was(site: Path) -> None:
    with Ledger.open(site / "ledger", mu_cap=PROTOCOL.mu, study=PROTOCOL.study) as ledger:
        ledger.debit(1, PROTOCOL.sigma, 1.0)
    before = contents(site / "ledger")
    found = looked(site)
    assert found["ledger"].words == (
        f"0 releases, mu {1 / PROTOCOL.sigma:.4f} of {PROTOCOL.mu:.4f} spent; every record holds"
    )
    assert found["dry round"].outcome is Outcome.OK
    assert contents(site / "ledger") == before


def test_no_name_of_a_patient_is_told(site: Path) -> None:
    assert "CANARY" not in str(looked(site))


SPOILED = [
    ("rm node/site.yaml", {"site folder": "site-settings"}),
    ("chmod 755 .", {"site folder": "site-permissions"}),
    ("chmod 644 site.key", {"site folder": "site-permissions"}),
    ("chmod 622 policy.yaml", {"site folder": "site-permissions"}),
    ("echo > left.json", {"taking part": "site-left"}),
    ("echo '[]' > forgotten.json", {"forgotten": "forgotten-list"}),
    ("rm policy.yaml", {"policy": "policy"}),
    ("echo 'epsilon_cap: many' > policy.yaml", {"policy": "policy"}),
    ("rm protocol.yaml", {"protocol": "protocol"}),
    ("echo 'study: [' > protocol.yaml", {"protocol": "protocol"}),
    ("sed -i s/epsilon_cap:.*/'epsilon_cap: 1.0'/ policy.yaml", {"allowed": "policy-forbids"}),
    ("sed -i s/'rehearsal: true'/'rehearsal: false'/ policy.yaml", {"allowed": "policy-forbids"}),
    ("rm agreement.json", {"agreement": "agreement"}),
    ("head -c 31 /dev/zero > site.key", {"agreement": "agreement"}),
    ("mkdir ledger; echo '{}' > ledger/ledger.jsonl", {"ledger": "ledger-broken"}),
    ("mkdir ledger; printf '{\"torn' > ledger/ledger.jsonl", {"ledger": "ledger-torn"}),
    ("mkdir ledger; : > ledger/ledger.jsonl", {}),
    ("rm site.parquet", {"readings": "site-table"}),
    ("head -c 900 site.parquet > t; mv t site.parquet", {"readings": "site-table"}),
    ("for f in heads/*.head; do echo x >> $f; done", {"heads": "heads"}),
    (
        "rm -r heads heads.key; head -c 3 /dev/zero > heads.key; chmod 600 heads.key",
        {"heads": "heads"},
    ),
    (
        "sed -i s/'clinic: east'/'clinic: west'/ node/site.yaml",
        {"agreement": "clinic-name"},
    ),
    (
        "sed -i s/'clinic: east'/'clinic: island'/ node/site.yaml",
        {"agreement": "clinic-name", "patients": "clinic-name"},
    ),
]


@pytest.mark.parametrize(("spoil", "expected"), SPOILED)
@pytest.mark.usefixtures("agent")
def test_each_fault_has_its_code_and_no_other(
    spoil: str, expected: dict[str, str], site: Path
) -> None:
    subprocess.run(["sh", "-c", spoil], cwd=site, check=True)
    assert codes(site) == expected


@pytest.mark.usefixtures("agent")
def test_a_budget_that_is_used_up_is_told(site: Path) -> None:
    with Ledger.open(site / "ledger", mu_cap=PROTOCOL.mu, study=PROTOCOL.study) as ledger:
        for number in range(1, PROTOCOL.release.rounds + 1):
            ledger.debit(number, PROTOCOL.sigma, 1.0)
    assert codes(site) == {"ledger": "budget-spent"}


@pytest.mark.usefixtures("agent")
def test_an_earlier_lower_cap_of_the_same_patients_counts(site: Path) -> None:
    with Ledger.open(site / "ledger", mu_cap=0.3, study="earlier") as ledger:
        ledger.debit(1, 1 / 0.3, 1.0)
    assert codes(site) == {"ledger": "budget-spent"}


def with_cohort(site: Path, folder: Path, epsilon: float) -> Path:
    """Name a cohort in the policy; where its ledger is."""
    budget = LifetimeBudget(cohort="adults", epsilon=epsilon, delta=1e-5, folder=str(folder))
    write_policy(site, read_policy(site).model_copy(update={"lifetime": budget}))
    return folder / "adults"


@pytest.mark.usefixtures("agent")
def test_a_cohort_s_budget_that_other_studies_used_up_is_told(site: Path, tmp_path: Path) -> None:
    epsilon = PROTOCOL.privacy.epsilon
    folder = with_cohort(site, tmp_path / "cohorts", epsilon)
    assert codes(site) == {} and not folder.exists()
    mu_cap = mu_of_epsilon(epsilon, 1e-5)
    with Ledger.open(folder, mu_cap=mu_cap, study="earlier") as ledger:
        ledger.debit(1, 1.0 / mu_cap, 1.0)
    assert codes(site) == {"cohort": "cohort-budget-spent"}
    (folder / "ledger.jsonl").write_text("{}\n")
    assert codes(site) == {"cohort": "cohort-ledger"}


@pytest.mark.usefixtures("agent")
def test_a_cohort_s_folder_that_cannot_be_written_is_told(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container without the mount. Root may write anywhere, so the kernel's no is played
    where a test runs as root."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with_cohort(site, closed / "cohorts", 8.0)
    if os.geteuid() == 0:
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != closed)
    assert codes(site) == {"cohort": "cohort-ledger"}


@pytest.mark.usefixtures("agent")
def test_too_few_patients_are_told_with_how_many_it_takes(site: Path) -> None:
    write_policy(site, read_policy(site).model_copy(update={"minimum_patients": 3}))
    found = looked(site)["patients"]
    assert found.code == "patients-too-few"
    assert found.words == "2 enrolled, 0 held out, 0 left out; at least 3 are needed"


def test_who_is_forgotten_is_not_enrolled(site: Path) -> None:
    forget_pseudonym(site, TRACES[0].patient)
    found = looked(site)
    assert found["forgotten"].words == "1 patients"
    assert found["patients"].words.startswith("1 enrolled")


class Crowd(RidgeVector):
    """The planted mistake: everybody's row depends on how many others there are."""

    def rows(self, shared: FloatArray, patients: Sequence[PatientData]) -> FloatArray:
        return np.full((len(patients), self.dimension), (-1.0) ** len(patients))


@pytest.mark.parametrize(
    ("vector", "code"),
    [
        (Crowd(), "dry-round-sensitivity"),
        (PlantedVector(error=RuntimeError("no memory")), "dry-round"),
        (PlantedVector(error=ZeroDivisionError("x")), "dry-round"),
    ],
)
def test_a_dry_round_that_fails_is_told(
    vector: RidgeVector, code: str, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Start:
        def shared_vector(self, protocol: object) -> RidgeVector:
            return vector

    monkeypatch.setattr(check_site, "read_public_start", lambda path: Start())
    assert codes(site)["dry round"] == code


def test_rows_slower_than_a_round_are_told(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tick = iter([0.0, 500.0])
    monkeypatch.setattr("client.dry_round.time.monotonic", lambda: next(tick, 500.0))
    assert codes(site)["dry round"] == "dry-round-slow"


def test_a_public_start_that_is_absent_is_told(site: Path) -> None:
    (site / "start.safetensors").unlink()
    assert codes(site)["dry round"] == "dry-round"


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert codes(tmp_path / "absent")["disk"] == "disk-write"


def agent_code(site: Path) -> str:
    items = [item for item in site_items(Home(site)) if item.name in ("site folder", "agent")]
    return look_at(items, lambda name: None)[-1].code


def test_no_socket_and_a_socket_left_by_a_killed_agent_are_told(site: Path) -> None:
    assert agent_code(site) == "agent-absent"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(site / "run" / "agent.sock"))
    assert agent_code(site) == "agent-absent"


def test_a_socket_that_this_user_may_not_open_is_told(
    site: Path, agent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid():
        agent.chmod(0)
    else:  # the superuser may open everything, so the kernel's answer stands in

        def refused(line: socket.socket, place: str) -> None:
            raise PermissionError(13, "Permission denied", place)

        monkeypatch.setattr(socket.socket, "connect", refused, raising=False)
    assert agent_code(site) == "agent-denied"


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", None])
def test_something_else_on_the_socket_is_told(
    reply: bytes | None, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_site, "PATIENCE_S", 0.2)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(site / "run" / "agent.sock"))
        door.listen()
        if reply is not None:

            def serve() -> None:
                call, _ = door.accept()
                with call:
                    call.recv(4096)
                    call.sendall(reply)

            thread = threading.Thread(target=serve)
            thread.start()
            assert agent_code(site) == "agent-silent"
            thread.join()
        else:
            assert agent_code(site) == "agent-silent"


def test_asking_the_agent_costs_no_round_and_no_line_of_its_log(site: Path) -> None:
    asked: list[object] = []

    def answer(request: object) -> Reply:
        asked.append(request)
        return Reply("east", Code.INTERNAL)

    with listening(answer, site / "run" / "agent.sock"):
        assert agent_code(site) == ""
    assert asked == []
