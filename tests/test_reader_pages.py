"""Pages followed literally: their commands as they stand, in their order."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

import insula
from client.policy import Policy, write_policy
from client.site_table import write_site
from study.agreement import SiteCaps, as_text, countersign, read_agreement, sign
from study.failure import ExitCode
from study.protocol import read_protocol
from study.signing_key import make_key
from tests.client.judged_person import judged_person, month
from tests.documented import AUDITOR, PROTOCOL_PAGES, RUN_PAGES, TWIN_PAGES, typed_by
from tests.server.claimed_run import EXACT, run_at

pytestmark = pytest.mark.slow


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to type in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def type_page(test: str, page: str, **told: str) -> list[str]:
    """Type what this test runs of a page, each word of `told` exchanged for its value."""
    lines = [line for block in typed_by(test, page) for line in block]
    for line in lines:
        words = [told.get(word, word) for word in shlex.split(line)]
        assert words[0] == "insula" and insula.main(words[1:]) == ExitCode.SUCCESS, line
    return lines


def test_an_auditor_follows_the_page(empty: Path) -> None:
    run_at(empty / "RUN")
    (empty / "protocol.yaml").write_text(EXACT.canonical())
    agreement = sign(EXACT, make_key(empty / "coordinator.key"))
    for one in EXACT.members:
        key = make_key(empty / f"{one.name}.key")
        agreement = countersign(agreement, one.name, SiteCaps(8.0, 1), key)
    (empty / "agreement.json").write_text(as_text(agreement))
    ledger = (empty / "RUN/clinics/east/ledger/ledger.jsonl").read_text().splitlines()
    known = json.loads(ledger[0])["public_key"]
    assert len(type_page(AUDITOR, "docs/auditor.md", PUBLIC_KEY=known)) == 5
    assert (empty / "RUN" / "claim.html").is_file()


def test_commands_on_a_run_are_typed(empty: Path) -> None:
    run_at(empty / "runs" / "demo")
    assert type_page(RUN_PAGES, "docs/claim.md") and type_page(RUN_PAGES, "docs/privacy.md")
    assert (empty / "runs" / "demo" / "claim.html").is_file()


def test_signatures_and_plans_are_typed(
    empty: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (empty / "study").symlink_to(repository / "study")
    demo = read_protocol(empty / "study" / "protocols" / "demo.yaml")
    write_policy(
        empty, Policy(approved_protocols=(demo.digest(),), epsilon_cap=8.0, minimum_patients=3)
    )
    make_key(empty / "site.key")
    blocks = typed_by(PROTOCOL_PAGES, "docs/claim.md")
    assert [line.split()[2] for block in blocks for line in block] == [
        *("keygen", "sign", "countersign", "check")
    ]
    capsys.readouterr()
    coordinator = ""
    for line in blocks[0]:
        words = [coordinator if word == "KEY" else word for word in shlex.split(line)]
        assert insula.main(words[1:]) == ExitCode.SUCCESS, line
        coordinator = coordinator or capsys.readouterr().out.split()[0]
    assert read_agreement(empty / "agreement.json").sites.keys() == {"harbour"}
    (empty / "coordinator.key").unlink()
    for page in ("docs/deployment.md", "docs/privacy.md", "docs/researcher.md"):
        assert type_page(PROTOCOL_PAGES, page)
    assert (empty / "tls" / "ca.pem").is_file()
    assert [one.name for one in read_protocol(empty / "mine.yaml").members] == ["north", "south"]


def test_a_clinicians_pages_are_typed(empty: Path, repository: Path) -> None:
    """Three made-up people under the names of the pages, one with four weeks of record."""
    (empty / "docs").symlink_to(repository / "docs")
    records = {"2301": judged_person(), "2307": month(), "2403": judged_person()}
    everybody = [replace(one, patient=name, weight_kg=70.0) for name, one in records.items()]
    write_site(empty / "sites" / "manchester" / "site.parquet", everybody)
    for page in ("docs/twin.md", "docs/scenarios.md", "docs/streaming.md"):
        assert type_page(TWIN_PAGES, page)
    assert {"card.html", "cards", "answer.html"} <= {path.name for path in empty.iterdir()}


def test_a_key_that_is_not_the_clinics_fails_the_audit(empty: Path) -> None:
    """What the page asks for by another way is really compared."""
    run_at(empty / "RUN")
    words = ["privacy", "verify", "RUN/clinics/east/ledger", "--key", "0" * 64]
    assert insula.main(words) == ExitCode.NOT_VERIFIED
