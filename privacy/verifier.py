"""Recomputes what a clinic's ledger promises, from its records alone.

An auditor needs this file, scipy, cryptography and dp-accounting, nothing else of Insula, so that
a mistake elsewhere cannot hide itself here. Checked are chain, signatures, terms, caps, order, the
vectors on disk, and epsilon by two accountants. A tail cut off cannot be seen from inside: keep the
hash of the newest record (`head`) elsewhere and give it as `witness`.
"""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from dp_accounting.pld import privacy_loss_distribution as pld
from scipy.special import log_ndtr, ndtr

RECORDS = "ledger.jsonl"
FIRST_PREVIOUS = "0" * 64
SEAL = {"index", "kind", "previous", "hash", "signature"}
FIELDS = {
    "open": {"form", "study", "unit", "adjacency", "mu_cap", "public_key"},
    "debit": {"round", "sigma", "at_s"},
    "receipt": {"round", "sha256", "at_s"},
    "repair": {"dropped_bytes", "dropped_sha256"},
}
CAP_TOLERANCE = 1e-9  # relative, on mu^2
EPSILON_TOLERANCE = 1e-3  # PLD against the closed form
STATED_TOLERANCE = 1e-6  # a run's epsilon, rounded for reading
LARGEST_EPSILON = 50.0  # no promise beyond it, and PLD becomes slow


class VerifierError(ValueError):
    """There is nothing here to verify."""


class _Broken(ValueError):
    """One record that does not hold."""


@dataclass
class LedgerVerdict:
    """One ledger: what it adds up to, and the first thing that does not hold, if any.

    Epsilon is None, unknown, where something does not hold.
    """

    folder: str
    records: int = 0
    studies: tuple[str, ...] = ()
    debits: int = 0
    receipts: int = 0
    mu: float = 0.0
    mu_cap: float | None = None
    epsilon: float | None = None
    epsilon_pld: float | None = None
    head: str = FIRST_PREVIOUS
    public_key: str = ""
    bad_record: int | None = None
    problem: str | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing was found wrong."""
        return self.problem is None


@dataclass(frozen=True)
class Verdict:
    """Every ledger of a folder or a run."""

    delta: float
    ledgers: tuple[LedgerVerdict, ...]

    @property
    def epsilon(self) -> float | None:
        """The largest of any clinic at `delta`, or None where one is unknown."""
        known = [one.epsilon for one in self.ledgers if one.epsilon is not None]
        return max(known) if len(known) == len(self.ledgers) else None

    @property
    def holds(self) -> bool:
        """Whether every record of every ledger holds."""
        return all(ledger.holds for ledger in self.ledgers)


@dataclass
class _Chain:
    """What the records read so far add up to."""

    public_key: str = ""
    key: Ed25519PublicKey | None = None
    mu_cap: float = math.inf
    mu_squared: float = 0.0
    hashes: list[str] = field(default_factory=list)
    studies: list[str] = field(default_factory=list)
    sigmas: list[float] = field(default_factory=list)
    debited: set[tuple[str, int]] = field(default_factory=set)
    receipts: dict[tuple[str, int], str] = field(default_factory=dict)


def verify(
    path: Path, *, delta: float = 1e-5, public_key: str | None = None, witness: str | None = None
) -> Verdict:
    """What the ledger in this folder, or every `clinics/*/ledger` of this run, is worth.

    `public_key` (hex) is the key the clinic is known by and `witness` a hash that one of its
    records must bear: each belongs to one clinic, so name that clinic's folder with it. A run's
    epsilon is compared with its run.json.
    """
    claims, ledgers = _stated(path), []
    for folder in _ledgers(path):
        verdict = LedgerVerdict(str(folder))
        try:
            chain = _read(folder, verdict)
            _expect_key_and_witness(chain, public_key, witness)
            _check_vectors(folder, chain)
            _account(chain, verdict, claims.get("delta", delta), claims.get("epsilon", math.inf))
        except (ValueError, OSError, EOFError) as broken:
            verdict.problem = str(broken)
        ledgers.append(verdict)
    return Verdict(claims.get("delta", delta), tuple(ledgers))


def _ledgers(path: Path) -> list[Path]:
    if (path / RECORDS).is_file():
        return [path]
    found = sorted(records.parent for records in path.glob(f"clinics/*/ledger/{RECORDS}"))
    if not found:
        raise VerifierError(
            f"found no {RECORDS} in {path} nor in {path}/clinics/*/ledger; expected a ledger "
            "folder or a run folder. Nothing was verified. What to do: name one of them."
        )
    return found


def _stated(path: Path) -> dict[str, float]:
    """Epsilon and delta that the run claims, if this is a run with its run.json."""
    record = path / "run.json"
    if not record.is_file():
        return {}
    try:
        privacy = json.loads(record.read_bytes())["privacy"]
        return {name: float(privacy[name]) for name in ("epsilon", "delta")}
    except (ValueError, KeyError, TypeError) as error:
        raise VerifierError(
            f"found {record} without a privacy claim ({error!r}); expected epsilon and delta. "
            "Nothing was verified. What to do: restore it, or name the ledgers one by one."
        ) from error


def _read(folder: Path, verdict: LedgerVerdict) -> _Chain:
    """Every record in order; the verdict bears what was counted up to the first bad one."""
    chain = _Chain()
    data = (folder / RECORDS).read_bytes()
    if not data:
        raise _Broken("no records")
    for number, text in enumerate(data.splitlines(keepends=True)):
        try:
            _follow(text, chain)
        except Exception as error:  # whatever a record does to its reader, it does not hold
            verdict.bad_record = number
            raise _Broken(f"record {number}: {str(error) or 'wrong signature'}") from error
        verdict.records, verdict.head = len(chain.hashes), chain.hashes[-1]
        verdict.debits, verdict.receipts = len(chain.sigmas), len(chain.receipts)
        verdict.mu, verdict.mu_cap = math.sqrt(chain.mu_squared), chain.mu_cap
        verdict.studies, verdict.public_key = tuple(chain.studies), chain.public_key
    return chain


def _follow(text: bytes, chain: _Chain) -> None:
    if not text.endswith(b"\n"):
        raise _Broken("torn: the line does not end")
    record = json.loads(text)
    if not isinstance(record, dict) or _canonical(record) + b"\n" != text:
        raise _Broken("not one object in canonical JSON")
    kind = record["kind"]
    if kind not in FIELDS or set(record) != SEAL | FIELDS[kind]:
        raise _Broken(f"kind {kind!r} with fields {sorted(set(record) - SEAL)}")
    if kind == "open":
        _open(record, chain)
    _check_seal(record, chain)
    if kind == "debit":
        _debit(record, chain)
    if kind == "receipt":
        _receipt(record, chain)
    chain.hashes.append(record["hash"])


def _check_seal(record: Mapping[str, Any], chain: _Chain) -> None:
    expected = chain.hashes[-1] if chain.hashes else FIRST_PREVIOUS
    if record["index"] != len(chain.hashes) or record["previous"] != expected:
        raise _Broken("does not follow the record before")
    body = {name: record[name] for name in record if name not in ("hash", "signature")}
    if hashlib.sha256(_canonical(body)).hexdigest() != record["hash"]:
        raise _Broken("contents and hash differ")
    if chain.key is None:
        raise _Broken("comes before the terms of the ledger")
    chain.key.verify(bytes.fromhex(record["signature"]), bytes.fromhex(record["hash"]))


def _open(record: Mapping[str, Any], chain: _Chain) -> None:
    if (record["form"], record["unit"], record["adjacency"]) != (1, "patient", "add_remove"):
        raise _Broken("terms that this verifier does not know")
    if chain.key is not None and record["public_key"] != chain.public_key:
        raise _Broken("another key than before")
    if not 0 < record["mu_cap"] <= chain.mu_cap:
        raise _Broken(f"cap of mu {record['mu_cap']} raised from {chain.mu_cap}")
    chain.public_key = record["public_key"]
    chain.key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(chain.public_key))
    chain.mu_cap = record["mu_cap"]
    chain.studies.append(record["study"])


def _debit(record: Mapping[str, Any], chain: _Chain) -> None:
    sigma = record["sigma"]
    if not (math.isfinite(sigma) and sigma > 0):
        raise _Broken(f"noise multiplier {sigma}")
    chain.mu_squared += 1.0 / (sigma * sigma)
    if chain.mu_squared > chain.mu_cap**2 * (1 + CAP_TOLERANCE):
        raise _Broken(f"mu {math.sqrt(chain.mu_squared):.6g} over the cap {chain.mu_cap:.6g}")
    chain.sigmas.append(float(sigma))
    chain.debited.add(_release(record, chain))


def _receipt(record: Mapping[str, Any], chain: _Chain) -> None:
    release = _release(record, chain)
    if release not in chain.debited:
        raise _Broken(f"receipt of {release} without a debit")
    if release in chain.receipts:
        raise _Broken(f"second receipt of {release}")
    chain.receipts[release] = record["sha256"]


def _release(record: Mapping[str, Any], chain: _Chain) -> tuple[str, int]:
    if type(record["round"]) is not int or record["round"] < 1:
        raise _Broken(f"round {record['round']!r}")
    return chain.studies[-1], record["round"]


def _canonical(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _expect_key_and_witness(chain: _Chain, public_key: str | None, witness: str | None) -> None:
    if public_key and chain.public_key != public_key:
        raise _Broken(f"signed by {chain.public_key}, not by the key given")
    if witness and witness not in chain.hashes:
        raise _Broken(f"no record bears the witnessed hash {witness}: records are missing")


def _check_vectors(folder: Path, chain: _Chain) -> None:
    """Every vector kept on disk was debited and is the one that its receipt binds."""
    for path in sorted((folder / "releases").glob("*.npy")):
        study, _, number = path.stem.rpartition(".")
        release = (study, int(number) if number.isdigit() else 0)
        if release not in chain.debited:
            raise _Broken(f"{path.name} was never debited")
        values = np.load(path, allow_pickle=False)
        header = f'[["release","{values.dtype.str}",{list(values.shape)}]]\n'
        found = hashlib.sha256(header.encode() + values.tobytes()).hexdigest()
        if chain.receipts.get(release, found) != found:
            raise _Broken(f"{path.name} is not the vector of its receipt")


def _account(chain: _Chain, verdict: LedgerVerdict, delta: float, stated: float) -> None:
    epsilon = _closed_form(verdict.mu, delta)
    if epsilon > LARGEST_EPSILON * (1.0 + 1e-9):
        raise _Broken(f"epsilon {epsilon:.1f}, which protects nobody")
    if epsilon > stated + STATED_TOLERANCE:
        raise _Broken(f"epsilon {epsilon:.6g}, but run.json states {stated:.6g}")
    composed = pld.identity()
    for sigma, count in Counter(chain.sigmas).items():
        composed = composed.compose(pld.from_gaussian_mechanism(sigma).self_compose(count))
    by_pld = float(composed.get_epsilon_for_delta(delta))
    if abs(by_pld - epsilon) > EPSILON_TOLERANCE:
        raise _Broken(f"epsilon {epsilon} by closed form, {by_pld} by PLD")
    verdict.epsilon, verdict.epsilon_pld = epsilon, by_pld


def _closed_form(mu: float, delta: float) -> float:
    """Epsilon at delta of mu-GDP (Dong, Roth, Su 2022, Corollary 1), by bisection."""

    def excess(epsilon: float) -> float:
        below = math.exp(epsilon + log_ndtr(-epsilon / mu - mu / 2))
        return float(ndtr(-epsilon / mu + mu / 2) - below - delta)

    low, high = 0.0, mu * (mu / 2 + 40)
    if mu == 0 or excess(low) <= 0:
        return 0.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return high
