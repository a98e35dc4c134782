"""`insula privacy claim`: files, words and exit codes."""

import json
import re
from pathlib import Path

import pytest

from insula import main
from server.claim_words import counted
from study.failure import ExitCode
from tests.server.claimed_run import edit, run_at
from tests.study.small_study import protocol_with

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return run_at(tmp_path / "run")


def test_a_claim(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "out"
    words = ["privacy", "claim", str(run), "--out", str(out), "--registry", "--json"]
    assert main(words) == ExitCode.SUCCESS
    said = json.loads(capsys.readouterr().out)
    assert said == json.loads((out / "claim.json").read_text())
    assert said["is_claim"]
    assert said["audit"] == "not run"
    assert said["epsilon"] == pytest.approx(8.0)
    assert [one["ledger"]["holds"] for one in said["clinics"]] == [True] * 3
    assert said["registry"] == json.loads((out / "registry.json").read_text())
    assert said["registry"]["privacy_unit"]["unit"] == "patient"


def test_the_page_is_whole_and_names_what_is_not_covered(run: Path) -> None:
    assert main(["privacy", "claim", str(run)]) == ExitCode.SUCCESS
    page = (run / "claim.html").read_text()
    for words in ("participation", "availability only", "Not run", "25.5 %", "12.26", "19.12"):
        assert words in page
    assert "does not claim that" in page
    assert "complies" in page
    assert 'class="headline"' in page
    assert not re.search(r"(src|href)=\"(?!#)", page)


def test_a_simulated_run_says_so_in_red(tmp_path: Path) -> None:
    run = run_at(tmp_path / "run", protocol_with())
    assert main(["privacy", "claim", str(run)]) == ExitCode.NO_CLAIM
    page = (run / "claim.html").read_text()
    assert 'class="headline red"' in page
    assert "This is not a claim" in page
    assert not json.loads((run / "claim.json").read_text())["is_claim"]


def test_a_tampered_run_writes_the_sheet_and_fails(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(run, ("privacy", "epsilon"), 1.0)
    assert main(["privacy", "claim", str(run)]) == ExitCode.NOT_VERIFIED
    assert "privacy.epsilon: run.json says 1, the ledgers say 8" in capsys.readouterr().err
    assert "Nothing is claimed" in (run / "claim.html").read_text()


def test_a_broken_ledger_still_gives_a_page(run: Path) -> None:
    path = run / "clinics" / "east" / "ledger" / "ledger.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    assert main(["privacy", "claim", str(run)]) == ExitCode.NOT_VERIFIED
    assert "unknown" in (run / "claim.html").read_text()


def test_no_run_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["privacy", "claim", str(tmp_path), "--json"]
    assert main(words) == ExitCode.MISSING_INPUT
    assert "run.json" in json.loads(capsys.readouterr().out)["error"]["found"]


def test_a_name_in_a_ledger_is_text_in_the_page(run: Path) -> None:
    edit(run, ("clinics", 0, "name"), "<script>alert(1)</script>")
    edit(run, ("rounds", 0, "took_part"), ["north"])
    edit(run, ("rounds", 1, "took_part"), ["north"])
    assert main(["privacy", "claim", str(run)]) == ExitCode.NOT_VERIFIED
    assert "<script>" not in (run / "claim.html").read_text()


AUDITED = {
    "passed": True,
    "claimed_epsilon": 4.377,
    "lower_bound_epsilon": 4.184,
    "planted": {"half_noise": {"flagged": True}, "no_noise": {"flagged": False}},
    "inversion": {"bare_error_mg_dl": 0.003, "private_error_mg_dl": 63.0, "guess_mg_dl": 33.7},
    "monitoring": {
        "claimed_epsilon": 8.0,
        "canaries": 1000,
        "bound_epsilon": 1.05,
        "ceiling_epsilon": 2.43,
        "estimate_epsilon": 6.11,
        "can_falsify": False,
    },
}


def test_every_attack_stands_beside_the_claim(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    path.write_text(json.dumps(AUDITED))
    assert main(["privacy", "claim", str(run), "--audit", str(path)]) == ExitCode.SUCCESS
    page = (run / "claim.html").read_text()
    for words in (
        "at least epsilon 4.184 is shown, and the claim stands",
        "planted: half noise</th><td>flagged",
        "planted: no noise</th><td>NOT SEEN",
        "wrong by 0.00 mg/dL without noise, by 63 with it; a guess is wrong by 34",
        "monitoring, no proof",
        "it could show 2.43, so it cannot falsify it",
    ):
        assert words in page


def test_an_audit_of_an_older_version_says_what_it_tried(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    old = {key: AUDITED[key] for key in AUDITED if key not in ("inversion", "monitoring")}
    path.write_text(json.dumps(old | {"lower_bound_epsilon": 4.5}))
    assert main(["privacy", "claim", str(run), "--audit", str(path)]) == ExitCode.SUCCESS
    page = (run / "claim.html").read_text()
    assert "ABOVE THE CLAIM" in page
    assert "gradient inversion" not in page and "canaries" not in page


def test_every_clinic_s_line_is_seen_though_they_lie_on_each_other(run: Path) -> None:
    assert main(["privacy", "claim", str(run)]) == ExitCode.SUCCESS
    page = (run / "claim.html").read_text()
    widths = {float(one) for one in re.findall(r"stroke-width: ([\d.]+)", page)}
    assert {5.0, 3.0} <= widths


def test_one_is_not_said_as_many() -> None:
    assert (counted(1, "release"), counted(2, "vector")) == ("1 release", "2 vectors")
