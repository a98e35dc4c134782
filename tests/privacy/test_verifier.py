"""The verifier: it holds for what the ledger writes, and names the first record that does not."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from privacy import verifier
from privacy.canonical import RELEASE, canonical_sha256
from privacy.gaussian_dp import epsilon_of_mu, mu_of_epsilon, sigma_for
from privacy.ledger import Ledger
from privacy.ledger_records import Account, line, sealed
from privacy.verifier import VerifierError, verify

pytestmark = pytest.mark.slow

DELTA = 1e-5
CAP = mu_of_epsilon(8.0, DELTA)
SIGMA = sigma_for(8.0, DELTA, releases=3)
VALUES = np.array([1.5, -2.0, 0.25])
Record = dict[str, Any]


def write_ledger(folder: Path, rounds: int = 2, study: str = "trial") -> None:
    with Ledger.open(folder, mu_cap=CAP, study=study) as ledger:
        for number in range(1, rounds + 1):
            ledger.debit(number, SIGMA, now_s=0.0)
            ledger.store(number, VALUES * number)
            sha256 = canonical_sha256({RELEASE: VALUES * number})
            ledger.receipt(number, sha256, now_s=0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A ledger of two rounds: open, debit, receipt, debit, receipt."""
    write_ledger(tmp_path / "ledger")
    return tmp_path / "ledger"


def test_what_the_ledger_writes_holds(folder: Path) -> None:
    verdict = verify(folder)
    (one,) = verdict.ledgers
    assert verdict.holds
    assert (one.records, one.debits, one.receipts, one.studies) == (5, 2, 2, ("trial",))
    assert one.mu == pytest.approx(math.sqrt(2) / SIGMA)
    assert one.mu_cap == CAP
    assert one.epsilon == pytest.approx(epsilon_of_mu(one.mu, DELTA), abs=1e-9)
    assert one.epsilon_pld == pytest.approx(one.epsilon, abs=1e-4)
    assert verdict.epsilon == one.epsilon


def test_mu_is_the_ledgers_to_the_last_bit(folder: Path) -> None:
    with Ledger.open(folder, mu_cap=CAP, study="trial") as ledger:
        assert verify(folder).ledgers[0].mu == ledger.mu_spent()


@given(st.floats(0.01, 12.0), st.sampled_from([1e-3, 1e-5, 1e-7]))
def test_its_own_closed_form_agrees(mu: float, delta: float) -> None:
    assert verifier._closed_form(mu, delta) == pytest.approx(
        epsilon_of_mu(mu, delta), abs=1e-8, rel=1e-8
    )


def test_a_ledger_that_released_nothing_holds_at_zero(tmp_path: Path) -> None:
    write_ledger(tmp_path, rounds=0)
    assert verify(tmp_path).holds
    assert verify(tmp_path).epsilon == 0.0


def test_two_studies_add_up(folder: Path) -> None:
    write_ledger(folder, rounds=1, study="second")
    (one,) = verify(folder).ledgers
    assert one.holds
    assert one.studies == ("trial", "second")
    assert one.mu == pytest.approx(CAP)


def test_a_repaired_ledger_holds_and_a_torn_one_does_not(folder: Path) -> None:
    with (folder / "ledger.jsonl").open("ab") as file:
        file.write(b'{"index":5')
    assert bad(folder) == (5, "record 5: torn: the line does not end")
    Ledger.open(folder, mu_cap=CAP, study="trial").close()
    assert verify(folder).holds


def bad(folder: Path) -> tuple[int | None, str]:
    """The first bad record and the problem, of a ledger that must not hold."""
    verdict = verify(folder)
    (one,) = verdict.ledgers
    assert not verdict.holds
    assert one.problem is not None
    assert one.epsilon is verdict.epsilon is None
    return one.bad_record, one.problem


def edited(change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "ledger.jsonl"
        lines = change(path.read_text().splitlines())
        path.write_text("".join(each + "\n" for each in lines))

    return edit


def rewritten(change: Callable[[list[Record]], list[Record]]) -> Callable[[Path], None]:
    """Planted by somebody with the clinic's own key: every record sealed anew after a change."""

    def rewrite(folder: Path) -> None:
        path = folder / "ledger.jsonl"
        records = change([json.loads(each) for each in path.read_text().splitlines()])
        key = Ed25519PrivateKey.from_private_bytes((folder / "ledger.key").read_bytes())
        account, data = Account(), b""
        for record in records:
            kind, seal = record["kind"], ("index", "kind", "previous", "hash", "signature")
            fields = {name: record[name] for name in record if name not in seal}
            new = sealed(kind, fields, account, key)
            account.records, account.head = account.records + 1, new["hash"]
            data += line(new)
        path.write_bytes(data)

    return rewrite


def with_field(place: int, **fields: Any) -> Callable[[Path], None]:
    return rewritten(
        lambda all: [{**each, **fields} if i == place else each for i, each in enumerate(all)]
    )


PLANTED: dict[str, tuple[Callable[[Path], object], int | None, str]] = {
    "weaker noise written over": (
        edited(lambda all: [all[0], all[1].replace(f'"sigma":{SIGMA}', '"sigma":9.5'), *all[2:]]),
        1,
        "contents and hash differ",
    ),
    "a debit taken out": (edited(lambda all: [*all[:3], *all[4:]]), 3, "does not follow"),
    "records swapped": (
        edited(lambda all: [all[0], all[3], all[2], all[1], all[4]]),
        1,
        "does not follow",
    ),
    "the first record taken out": (edited(lambda all: all[1:]), 0, "does not follow"),
    "not JSON": (edited(lambda all: [*all[:2], "{", *all[3:]]), 2, "Expecting property name"),
    "blanks that could carry words": (
        edited(lambda all: [all[0], all[1].replace(":", ": "), *all[2:]]),
        1,
        "canonical JSON",
    ),
    "a key given twice": (
        edited(lambda all: [all[0], '{"at_s":0.0,' + all[1][1:], *all[2:]]),
        1,
        "canonical JSON",
    ),
    "another signature": (
        edited(
            lambda all: [
                *all[:4],
                json.dumps(
                    {**json.loads(all[4]), "signature": "00" * 64},
                    sort_keys=True,
                    separators=(",", ":"),
                ),
            ]
        ),
        4,
        "wrong signature",
    ),
    "an empty file": (edited(lambda all: []), None, "no records"),
    "a patient in a record": (with_field(1, patient="MRN-CANARY"), 1, "kind 'debit' with fields"),
    "another kind": (with_field(4, kind="refund"), 4, "kind 'refund'"),
    "another unit": (with_field(0, unit="window"), 0, "terms that this verifier"),
    "another key halfway": (
        rewritten(lambda all: [*all, {**all[0], "public_key": "00" * 32}]),
        5,
        "another key than before",
    ),
    "a cap raised": (
        rewritten(lambda all: [*all, {**all[0], "mu_cap": 2 * CAP}]),
        5,
        "raised from",
    ),
    "a debit over the cap": (with_field(3, sigma=0.5), 3, "over the cap"),
    "noise too small to square": (with_field(1, sigma=1e-200), 1, "division by zero"),
    "brackets without end": (edited(lambda all: [all[0], "[" * 100_000, *all[1:]]), 1, "recursion"),
    "a vector that is no file of numbers": (
        lambda folder: (folder / "releases" / "trial.1.npy").write_bytes(b""),
        None,
        "trial.1.npy is not the vector of its receipt",
    ),
    "no noise": (with_field(1, sigma=0.0), 1, "noise multiplier 0.0"),
    "a round that is no number": (with_field(1, round=True), 1, "round True"),
    "a receipt without a debit": (with_field(2, round=7), 2, "without a debit"),
    "two receipts of a round": (rewritten(lambda all: [*all, all[2]]), 5, "second receipt"),
    "a vector never debited": (
        lambda folder: np.save(folder / "releases" / "trial.9.npy", VALUES),
        None,
        "trial.9.npy was never debited",
    ),
    "a vector under no number": (
        lambda folder: np.save(folder / "releases" / "raw.npy", VALUES),
        None,
        "raw.npy was never debited",
    ),
    "another vector": (
        lambda folder: np.save(folder / "releases" / "trial.1.npy", VALUES + 1),
        None,
        "not the vector of its receipt",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_the_first_bad_record_is_named(folder: Path, name: str) -> None:
    plant, record, problem = PLANTED[name]
    assert verify(folder).holds
    plant(folder)
    found, said = bad(folder)
    assert found == record
    assert problem in said


def test_resealing_without_a_change_holds(folder: Path) -> None:
    """So the plants above are found by their contents and not by their sealing."""
    rewritten(lambda all: all)(folder)
    assert verify(folder).holds


def test_a_tail_cut_off_is_seen_with_a_witness_only(folder: Path) -> None:
    head = verify(folder).ledgers[0].head
    assert verify(folder, witness=head).holds
    edited(lambda all: all[:3])(folder)
    (folder / "releases" / "trial.2.npy").unlink()
    assert verify(folder).holds
    (one,) = verify(folder, witness=head).ledgers
    assert one.problem is not None
    assert "records are missing" in one.problem


def test_a_ledger_of_another_key_is_seen(folder: Path) -> None:
    key = verify(folder).ledgers[0].public_key
    assert verify(folder, public_key=key).holds
    assert not verify(folder, public_key="00" * 32).holds


def test_a_budget_that_protects_nobody_does_not_hold(tmp_path: Path) -> None:
    with Ledger.open(tmp_path, mu_cap=20.0, study="loud") as ledger:
        ledger.debit(1, 0.1, now_s=0.0)
    (one,) = verify(tmp_path).ledgers
    assert one.problem is not None
    assert "protects nobody" in one.problem


def write_run(run: Path, epsilon: float) -> None:
    for name in ("north", "south"):
        write_ledger(run / "clinics" / name / "ledger")
    claim = {"privacy": {"epsilon": epsilon, "delta": 1e-6}}
    (run / "run.json").write_text(json.dumps(claim))


def test_a_run_is_verified_clinic_by_clinic_at_its_own_delta(tmp_path: Path) -> None:
    epsilon = epsilon_of_mu(math.sqrt(2) / SIGMA, 1e-6)
    write_run(tmp_path, epsilon)
    verdict = verify(tmp_path)
    assert verdict.holds
    assert verdict.delta == 1e-6
    assert verdict.epsilon == pytest.approx(epsilon)
    PLANTED["a debit taken out"][0](tmp_path / "clinics" / "south" / "ledger")
    verdict = verify(tmp_path)
    assert [one.holds for one in verdict.ledgers] == [True, False]
    assert verdict.epsilon is None


def test_a_run_that_states_less_than_it_spent_does_not_hold(tmp_path: Path) -> None:
    write_run(tmp_path, epsilon=2.0)
    problems = [one.problem or "" for one in verify(tmp_path).ledgers]
    assert all("run.json states 2" in problem for problem in problems)


@pytest.mark.parametrize("text", ["{", "[]", '{"privacy": {}}'])
def test_a_run_without_a_claim_is_refused(tmp_path: Path, text: str) -> None:
    write_run(tmp_path, 8.0)
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(VerifierError, match="without a privacy claim"):
        verify(tmp_path)


def test_nothing_to_verify_is_said(tmp_path: Path) -> None:
    with pytest.raises(VerifierError, match=r"found no ledger\.jsonl"):
        verify(tmp_path)


def test_it_stands_alone(repository: Path) -> None:
    """Short enough to read, and loads nothing of Insula, torch or Flower."""
    assert len((repository / "privacy" / "verifier.py").read_text().splitlines()) < 300
    script = (
        "import sys, privacy.verifier;"
        "print([m for m in sys.modules if m.split('.')[0] in ('torch', 'flwr', 'opacus', 'study')"
        " or m.startswith('privacy.') and m != 'privacy.verifier'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
