"""The auditor's page, followed literally: every command, in its order."""

import json
from pathlib import Path

import pytest

import insula
from study.agreement import SiteCaps, as_text, countersign, sign
from study.failure import ExitCode
from study.signing_key import make_key
from tests.server.claimed_run import EXACT, run_at
from tests.test_docs import typed

pytestmark = pytest.mark.slow

MINUTES = "insula privacy audit"
"""A minute of attacks; tests/privacy/test_audit.py runs it."""


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to type in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_auditor_follows_the_page(empty: Path, repository: Path) -> None:
    run_at(empty / "RUN")
    (empty / "protocol.yaml").write_text(EXACT.canonical())
    agreement = sign(EXACT, make_key(empty / "coordinator.key"))
    for one in EXACT.members:
        key = make_key(empty / f"{one.name}.key")
        agreement = countersign(agreement, one.name, SiteCaps(8.0, 1), key)
    (empty / "agreement.json").write_text(as_text(agreement))
    ledger = (empty / "RUN/clinics/east/ledger/ledger.jsonl").read_text().splitlines()
    known = json.loads(ledger[0])["public_key"]
    seen = []
    for words in typed(repository / "docs" / "auditor.md"):
        seen.append(" ".join(["insula", *words[:2]]))
        if seen[-1] != MINUTES:
            told = [known if word == "PUBLIC_KEY" else word for word in words]
            assert insula.main(told) == ExitCode.SUCCESS, told
    assert seen.count("insula privacy verify") == 2 and MINUTES in seen
    assert (empty / "RUN" / "claim.html").is_file()


def test_a_key_that_is_not_the_clinics_fails_the_audit(empty: Path) -> None:
    """What the page asks for by another way is really compared."""
    run_at(empty / "RUN")
    words = ["privacy", "verify", "RUN/clinics/east/ledger", "--key", "0" * 64]
    assert insula.main(words) == ExitCode.NOT_VERIFIED
