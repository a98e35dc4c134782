"""The sheet believes ledgers only: whatever else is changed, it says which, and claims nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

import server.claim_sheet
from server.claim_sheet import read_audit, sheet_of
from study.failure import ExitCode, Failure
from tests.server.claimed_run import EXACT, edit, ledger_at, run_at
from tests.study.small_study import protocol_with

pytestmark = pytest.mark.slow

AUDIT = {
    "passed": True,
    "claimed_epsilon": 4.377,
    "lower_bound_epsilon": 4.1,
    "planted": {"half noise": {"flagged": True}},
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return run_at(tmp_path / "run")


def test_an_honest_run_is_a_claim(run: Path) -> None:
    sheet = sheet_of(run)
    assert sheet.disagreements == ()
    assert (sheet.standing, sheet.exit_code) == ("claim", ExitCode.SUCCESS)
    assert sheet.claim.epsilon == pytest.approx(8.0, abs=1e-9)


def test_simulated_noise_is_no_claim(tmp_path: Path) -> None:
    sheet = sheet_of(run_at(tmp_path / "run", protocol_with()))
    assert (sheet.standing, sheet.exit_code) == ("simulated", ExitCode.NO_CLAIM)
    assert sheet.disagreements == ()


TAMPERED: list[tuple[tuple[str | int, ...], Any]] = [
    (("study",), "another"),
    (("protocol_sha256",), "1" * 64),
    (("noise",), "simulated"),
    (("clinics", 0, "declared_patients"), 500),
    (("privacy", "adjacency"), "replace_one"),
    (("privacy", "delta"), 1e-4),
    (("privacy", "epsilon"), 4.0),
    (("privacy", "epsilon"), 8.01),
    (("privacy", "mu"), 0.9),
    (("privacy", "sigma"), 3.0),
    (("privacy", "releases"), 1),
    (("privacy", "replace_one_epsilon"), 8.0),
    (("privacy", "two_site_epsilon"), 8.0),
    (("privacy", "pld_epsilon"), 7.9),
    (("rounds", 1, "round"), 3),
]


@pytest.mark.parametrize(("place", "value"), TAMPERED)
def test_every_changed_figure_is_named(run: Path, place: tuple[str | int, ...], value: Any) -> None:
    edit(run, place, value)
    sheet = sheet_of(run)
    assert sheet.exit_code == ExitCode.NOT_VERIFIED
    names = [
        part for part in map(str, place) if part not in ("declared_patients", "round", "privacy")
    ]
    assert any(names[-1 if not names[-1].isdigit() else 0] in one for one in sheet.disagreements)


def test_a_sheet_that_compared_nothing_would_claim_tampered_figures(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(run, ("privacy", "epsilon"), 4.0)
    monkeypatch.setattr(server.claim_sheet, "_figures_disagree", lambda *said: iter(()))
    assert sheet_of(run).standing == "claim"


def test_noise_called_exact_in_both_places_breaks_the_digest(tmp_path: Path) -> None:
    run = run_at(tmp_path / "run", protocol_with())
    edit(run, ("noise",), "exact")
    path = run / "protocol.yaml"
    path.write_text(path.read_text().replace("noise: simulated", "noise: exact"))
    assert any("protocol_sha256" in one for one in sheet_of(run).disagreements)


def test_a_protocol_promising_more_than_the_ledgers_cap(run: Path) -> None:
    smaller = protocol_with(("noise: simulated", "noise: exact"), ("epsilon: 8.0", "epsilon: 4.0"))
    (run / "protocol.yaml").write_text(smaller.canonical())
    edit(run, ("protocol_sha256",), smaller.digest())
    found = " ".join(sheet_of(run).disagreements)
    assert "cap of mu" in found
    assert "sigma: protocol.yaml gives" in found


@pytest.mark.parametrize("change", ["flip", "drop", "swap", "empty"])
def test_a_broken_ledger_leaves_epsilon_unknown(run: Path, change: str) -> None:
    path = run / "clinics" / "north" / "ledger" / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    broken = {
        "flip": [lines[0], lines[1].replace(b"0.8", b"9.8", 1), *lines[2:]],
        "drop": [lines[0], *lines[2:]],
        "swap": [lines[0], lines[2], lines[1], *lines[3:]],
        "empty": [],
    }[change]
    path.write_bytes(b"".join(broken))
    sheet = sheet_of(run)
    assert sheet.exit_code == ExitCode.NOT_VERIFIED
    assert sheet.claim.epsilon is None
    assert "ledger of north" in sheet.disagreements[0]


def test_a_ledger_of_fewer_rounds_than_the_run_says(run: Path) -> None:
    folder = run / "clinics" / "west" / "ledger"
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    ledger_at(folder, EXACT, rounds=(1,))
    assert any("west took part in [2]" in one for one in sheet_of(run).disagreements)


def test_a_debit_that_was_wasted_counts_against_the_run(run: Path) -> None:
    """A clinic that spent on another study has less left than run.json says."""
    path = run / "clinics" / "west" / "ledger"
    for file in sorted(path.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    ledger_at(
        path, protocol_with(("study: small-study", "study: other"), ("rounds: 2", "rounds: 9"))
    )
    assert any("of other" in one for one in sheet_of(run).disagreements)


def test_a_missing_ledger_is_a_failure_that_names_the_clinic(run: Path) -> None:
    (run / "clinics" / "east" / "ledger" / "ledger.jsonl").unlink()
    with pytest.raises(Failure, match="east") as failed:
        sheet_of(run)
    assert failed.value.code == ExitCode.MISSING_INPUT


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("run.json", None, ExitCode.MISSING_INPUT),
        ("run.json", "{}", ExitCode.BAD_DATA),
        ("protocol.yaml", None, ExitCode.MISSING_INPUT),
        ("protocol.yaml", "study: [", ExitCode.BAD_PROTOCOL),
    ],
)
def test_no_run_folder(run: Path, name: str, text: str | None, code: ExitCode) -> None:
    (run / name).unlink() if text is None else (run / name).write_text(text)
    with pytest.raises(Failure) as failed:
        sheet_of(run)
    assert failed.value.code == code


def test_an_audit_that_failed_refutes(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    path.write_text(json.dumps(AUDIT))
    assert sheet_of(run, path).standing == "claim"
    path.write_text(json.dumps({**AUDIT, "passed": False}))
    assert sheet_of(run, path).exit_code == ExitCode.NOT_VERIFIED


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"passed": true}', json.dumps({**AUDIT, "planted": {"x": {}}})]
)
def test_a_file_that_is_no_audit(tmp_path: Path, text: str) -> None:
    path = tmp_path / "audit.json"
    path.write_text(text)
    with pytest.raises(Failure) as failed:
        read_audit(path)
    assert failed.value.code == ExitCode.BAD_DATA


def test_an_audit_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Failure) as failed:
        read_audit(tmp_path / "none.json")
    assert failed.value.code == ExitCode.MISSING_INPUT
