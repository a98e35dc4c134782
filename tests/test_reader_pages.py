"""The pages for a coordinator and an auditor, followed literally: every command, in their order."""

import json
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import insula
from study.agreement import SiteCaps, as_text, countersign, sign
from study.failure import ExitCode
from study.signing_key import make_key
from tests.server.claimed_run import EXACT, run_at
from tests.test_docs import FENCE

MINUTES = "insula privacy audit"
"""A minute of attacks; tests/privacy/test_audit.py runs it."""


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to type in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(page: Path) -> Iterator[list[str]]:
    """The words of every command of a page after `insula`, in their order."""
    for block in FENCE.findall(page.read_text(encoding="utf-8")):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            assert words[0] == "insula", line
            yield words[1:]


def watched(words: list[str]) -> int:
    """A dashboard, looked at once and interrupted."""
    command = [sys.executable, "-m", "insula", *words, "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        url = json.loads(running.stdout.readline())["url"]
        with urllib.request.urlopen(url) as answer:
            assert b"islands" in answer.read()
        running.send_signal(signal.SIGINT)
        return running.wait(30)


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


@pytest.mark.slow
def test_a_coordinator_follows_the_page(empty: Path, repository: Path) -> None:
    seen = []
    for words in typed(repository / "docs" / "coordinator.md"):
        seen.append(" ".join(words[:2]))
        if seen[-1] == "study dashboard":
            assert watched(words) == insula.INTERRUPTED
        else:
            assert insula.main(words) == ExitCode.SUCCESS, words
    assert seen[0] == "study new" and seen[-1] == "privacy claim"
    told = json.loads((empty / "runs/islands-rehearsal/rehearsal.json").read_text())
    assert told["worth_it"] in ("no", "open", "yes") and told["repeats"] == 2
    assert (empty / "runs/islands/report.html").is_file()
