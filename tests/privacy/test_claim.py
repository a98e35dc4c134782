"""A claim's figures by hand: two releases at sigma 2 spend mu = sqrt(2)/2 under a cap of 1."""

from pathlib import Path

import numpy as np
import pytest

from privacy.canonical import RELEASE, canonical_sha256
from privacy.claim import claim_of
from privacy.gaussian_dp import epsilon_of_mu
from privacy.ledger import Ledger
from privacy.verifier import VerifierError


def ledger(folder: Path, debits: int, receipts: int) -> Path:
    with Ledger.open(folder, mu_cap=1.0, study="one") as book:
        for number in range(1, debits + 1):
            book.debit(number, 2.0, float(number))
            if number <= receipts:
                values = np.array([float(number)])
                book.store(number, values)
                book.receipt(number, canonical_sha256({RELEASE: values}), float(number))
    return folder


def test_figures_of_two_debits(tmp_path: Path) -> None:
    claim = claim_of({"east": ledger(tmp_path / "l", 2, 2)}, 1e-5)
    assert claim.mu == pytest.approx(0.5**0.5)
    assert claim.epsilon == pytest.approx(epsilon_of_mu(0.5**0.5, 1e-5))
    assert claim.epsilon_pld == pytest.approx(claim.epsilon, abs=1e-3)
    assert (claim.sigmas, claim.releases) == ((2.0,), 2)
    (east,) = claim.clinics
    assert [step.mu for step in east.curve] == pytest.approx([0.5, 0.5**0.5])
    assert east.mu_left == pytest.approx(0.5**0.5)
    assert claim.meaning is not None
    assert claim.meaning.epsilon_two_sites == pytest.approx(epsilon_of_mu(1.0, 1e-5))
    assert claim.meaning.epsilon_replace_one == pytest.approx(epsilon_of_mu(2**0.5, 1e-5))


def test_the_worst_clinic_is_the_claim(tmp_path: Path) -> None:
    folders = {"a": ledger(tmp_path / "a", 1, 1), "b": ledger(tmp_path / "b", 3, 3)}
    claim = claim_of(folders, 1e-5)
    assert claim.mu == pytest.approx(0.75**0.5)
    assert claim.releases == 3


def test_a_debit_without_receipt_is_spent_and_said(tmp_path: Path) -> None:
    (one,) = claim_of({"a": ledger(tmp_path / "a", 2, 1)}, 1e-5).clinics
    assert [step.released for step in one.curve] == [True, False]
    assert one.ledger.mu == pytest.approx(0.5**0.5)


def test_a_full_ledger_has_nothing_left(tmp_path: Path) -> None:
    (one,) = claim_of({"a": ledger(tmp_path / "a", 4, 4)}, 1e-5).clinics
    assert (one.mu_left, one.epsilon_left) == (0.0, 0.0)


def test_an_empty_ledger_claims_nothing_was_spent(tmp_path: Path) -> None:
    claim = claim_of({"a": ledger(tmp_path / "a", 0, 0)}, 1e-5)
    assert (claim.epsilon, claim.releases) == (0.0, 0)
    assert claim.meaning is not None
    assert claim.meaning.true_positive_rate == 0.01


def test_one_broken_ledger_takes_every_figure(tmp_path: Path) -> None:
    good, bad = ledger(tmp_path / "a", 1, 1), ledger(tmp_path / "b", 1, 1)
    path = bad / "ledger.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"sigma":2.0', b'"sigma":9.0'))
    claim = claim_of({"a": good, "b": bad}, 1e-5)
    assert not claim.holds
    assert (claim.epsilon, claim.mu, claim.meaning) == (None, None, None)
    assert claim.clinics[1].curve == ()


def test_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(VerifierError):
        claim_of({"a": tmp_path}, 1e-5)
