"""The sheet says who countersigned, for which ledger; a signature that does not fit refutes it."""

import json
from pathlib import Path

import pytest

from privacy.ledger_folder import public_key
from server.claim_agreements import FOR_NO_LEDGER, FOR_THIS_LEDGER, NONE_HERE
from server.claim_page import as_plain, page
from server.claim_sheet import sheet_of
from study.agreement import SiteCaps, as_text, countersign, sign
from study.signing_key import make_key
from tests.server.claimed_run import EXACT, run_at

pytestmark = pytest.mark.slow

MEMBERS = [one.name for one in EXACT.members]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return run_at(tmp_path / "run")


def agree(run: Path, keys: dict[str, str | None], where: str = "agreement.json") -> None:
    """An agreement in the run folder; each clinic of `keys` signs, for its ledger of that key."""
    agreement = sign(EXACT, make_key(run / f"{len(list(run.iterdir()))}.key"))
    for name, key in keys.items():
        own = make_key(run / f"{name}-{len(list(run.iterdir()))}.key")
        agreement = countersign(agreement, name, SiteCaps(8.0, 3, key), own)
    (run / where).write_text(as_text(agreement))


def ledger_key(run: Path, name: str) -> str | None:
    return public_key(run / "clinics" / name / "ledger")


def test_every_clinic_s_signature_is_listed_with_its_ledger(run: Path) -> None:
    agree(run, {name: ledger_key(run, name) for name in MEMBERS})
    sheet = sheet_of(run)
    assert sheet.standing == "claim"
    assert dict(sheet.agreed) == dict.fromkeys(MEMBERS, FOR_THIS_LEDGER)
    assert json.loads(json.dumps(as_plain(sheet)))["agreed"] == dict(sheet.agreed)
    assert FOR_THIS_LEDGER in page(sheet)


def test_signatures_for_no_ledger_and_none_at_all_are_said(run: Path) -> None:
    assert dict(sheet_of(run).agreed) == dict.fromkeys(MEMBERS, NONE_HERE)
    agree(run, {"east": None})
    sheet = sheet_of(run)
    assert sheet.agreed["east"] == FOR_NO_LEDGER and sheet.agreed["north"] == NONE_HERE
    assert sheet.standing == "claim"


def test_a_clinic_s_own_copy_counts_as_well(run: Path) -> None:
    agree(run, {"west": ledger_key(run, "west")}, "clinics/west/agreement.json")
    assert sheet_of(run).agreed["west"] == FOR_THIS_LEDGER


def test_a_ledger_that_was_not_signed_for_refutes_the_sheet(run: Path) -> None:
    """A second folder, and so a second budget, in the place of the one that was agreed."""
    agree(run, {"east": ledger_key(run, "north")})
    sheet = sheet_of(run)
    assert sheet.standing == "refuted"
    assert any("changed:terms.ledger_key" in one for one in sheet.disagreements)


@pytest.mark.parametrize("planted", ["forged", "another protocol", "no json"])
def test_an_agreement_that_does_not_fit_refutes_the_sheet(planted: str, run: Path) -> None:
    agree(run, {"east": ledger_key(run, "east")})
    text = (run / "agreement.json").read_text()
    changed = {
        "forged": text.replace('"minimum_patients": 3', '"minimum_patients": 2'),
        "another protocol": text.replace("small-study", "other-study"),
        "no json": "{",
    }[planted]
    assert changed != text
    (run / "agreement.json").write_text(changed)
    assert sheet_of(run).standing == "refuted"
