"""Recomputes what a clinic's ledger promises, from its records alone.

An auditor needs this file, scipy, cryptography and dp-accounting, and nothing else of Insula where
a mistake could hide. Checked are chain, signatures, terms, caps, order, vectors, epsilon by two
accountants, and what other clinics countersigned: that, or a `witness`, shows a tail cut off.
"""

import hashlib
import io
import json
import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from dp_accounting.pld import privacy_loss_distribution as pld
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr

RECORDS, WITNESSED, OF_THE_RUN = "ledger.jsonl", "witnessed.json", "server/witness.json"
SEAL = {"index", "kind", "previous", "hash", "signature"}
FIELDS = {
    "open": {"form", "study", "unit", "adjacency", "mu_cap", "public_key"},
    "debit": {"round", "sigma", "at_s"},  # and a name, of metrics: else it is a "release"
    "receipt": {"round", "sha256", "at_s"},
    "repair": {"dropped_bytes", "dropped_sha256"},
    "clock": {"at_s", "behind_s"},
}
CAP_TOLERANCE, STATED_TOLERANCE = 1e-9, 1e-6  # relative, on mu^2; on a run's rounded epsilon
PLD_TOLERANCE, LARGEST_EPSILON = 1e-3, 50.0  # absolute; no promise beyond it, and PLD is slow


class VerifierError(ValueError):
    """There is nothing here to verify."""


@dataclass
class LedgerVerdict:
    """One ledger: what it adds up to, and the first thing that does not hold, if any.

    Epsilon is None, unknown, where something does not hold. `witnesses` (clinic -> its key)
    countersigned the first `witnessed` records, or fewer.
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
    head: str = "0" * 64
    public_key: str = ""
    witnessed: int = 0
    witnesses: dict[str, str] = field(default_factory=dict)
    bad_record: int | None = None
    problem: str | None = None

    @property
    def holds(self) -> bool:
        return self.problem is None


@dataclass(frozen=True)
class Verdict:
    """Every ledger of a folder or a run; epsilon is the largest, or None where one is unknown."""

    delta: float
    ledgers: tuple[LedgerVerdict, ...]

    @property
    def epsilon(self) -> float | None:
        known = [one.epsilon for one in self.ledgers if one.epsilon is not None]
        return max(known) if len(known) == len(self.ledgers) else None

    @property
    def holds(self) -> bool:
        return all(ledger.holds for ledger in self.ledgers)


@dataclass
class _Chain:
    told: LedgerVerdict
    mu_squared: float = 0.0
    at_s: float = -math.inf
    hashes: list[str] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    sigmas: Counter[float] = field(default_factory=Counter)
    debited: dict[tuple[str, int], str] = field(default_factory=dict)
    receipts: dict[tuple[str, int], str] = field(default_factory=dict)


def verify(
    path: Path, *, delta: float = 1e-5, public_key: str | None = None, witness: str | None = None
) -> Verdict:
    """What the ledger in this folder, or every `clinics/*/ledger` of this run, is worth.

    `public_key` (hex) is a clinic's key, `witness` a hash that one of its records must bear: name
    that clinic's own folder with them. A run's epsilon is compared with its run.json.
    """
    ledgers, claims = {}, {"delta": delta, "epsilon": math.inf, **_stated(path)}
    folders = [path] if (path / RECORDS).is_file() else sorted(path.glob("clinics/*/ledger"))
    folders = [folder for folder in folders if (folder / RECORDS).is_file()]
    if not folders:
        raise VerifierError(
            f"found no {RECORDS} in {path} nor in {path}/clinics/*/ledger; expected a ledger's "
            "or a run's folder. Nothing was verified. What to do: name one of them."
        )
    for folder in folders:
        ledgers[folder.parent.name] = told = LedgerVerdict(str(folder))
        try:
            chain = _read(folder, told)
            if public_key and told.public_key != public_key:
                raise ValueError(f"signed by {told.public_key}, not by the key given")
            if witness and witness not in chain.hashes:
                raise ValueError(f"no record bears the hash {witness}: records are missing")
            _check_vectors(folder, chain)
            _check_witnessed(folder / WITNESSED, None, chain)
            _check_witnessed(path / OF_THE_RUN, folder.parent.name, chain)
            _account(chain, claims["delta"], claims["epsilon"])
        except (ValueError, OSError, EOFError) as broken:
            told.problem = str(broken)
    for told in ledgers.values() if len(ledgers) > 1 else ():
        for name, key in told.witnesses.items():
            if told.holds and (name not in ledgers or ledgers[name].public_key != key):
                told.problem = f"countersigned as {name} by a key that is not {name}'s"
                told.epsilon = told.epsilon_pld = None
    return Verdict(claims["delta"], tuple(ledgers.values()))


def _stated(path: Path) -> dict[str, float]:
    """Epsilon and delta that the run claims, if this is a run with its run.json."""
    if not (record := path / "run.json").is_file():
        return {}
    try:
        privacy = json.loads(record.read_bytes())["privacy"]
        return {name: float(privacy[name]) for name in ("epsilon", "delta")}
    except (ValueError, KeyError, TypeError) as error:
        raise VerifierError(
            f"found {record} without a privacy claim ({error!r}); expected epsilon and delta. "
            "Nothing was verified. What to do: restore it, or name the ledgers one by one."
        ) from error


def _read(folder: Path, told: LedgerVerdict) -> _Chain:
    """Every record in order; the verdict bears what was counted up to the first bad one."""
    chain = _Chain(told)
    for number, text in enumerate((folder / RECORDS).read_bytes().splitlines(keepends=True)):
        try:
            _follow(text, chain, told)
        except Exception as error:  # whatever a record does to its reader, it does not hold
            told.bad_record = number
            raise ValueError(f"record {number}: {str(error) or 'wrong signature'}") from error
        told.records, told.head = len(chain.hashes), chain.hashes[-1]
        told.debits, told.receipts = chain.sigmas.total(), len(chain.receipts)
        told.mu = math.sqrt(chain.mu_squared)
    if not told.records:
        raise ValueError("no records")
    return chain


def _follow(text: bytes, chain: _Chain, told: LedgerVerdict) -> None:
    if not text.endswith(b"\n"):
        raise ValueError("torn: the line does not end")
    record = json.loads(text)
    if not isinstance(record, dict) or _canonical(record) + b"\n" != text:
        raise ValueError("not one object in canonical JSON")
    kind = record["kind"]
    named = {"name"} if kind == "debit" else set()
    if kind not in FIELDS or set(record) - named != SEAL | FIELDS[kind]:
        raise ValueError(f"kind {kind!r} with fields {sorted(set(record) - SEAL)}")
    if record["index"] != len(chain.hashes) or record["previous"] != told.head:
        raise ValueError("does not follow the record before")
    body = {name: record[name] for name in record if name not in ("hash", "signature")}
    if hashlib.sha256(_canonical(body)).hexdigest() != record["hash"] or text != text.lower():
        raise ValueError("contents and hash differ")
    key = told.public_key or record.get("public_key", "")
    _check_signature({**record, "public_key": key}, bytes.fromhex(record["hash"]))
    if kind == "open":
        if (record["form"], record["unit"], record["adjacency"]) != (1, "patient", "add_remove"):
            raise ValueError("terms that this verifier does not know")
        if record["public_key"] != key:
            raise ValueError("another key than before")
        if not 0 < record["mu_cap"] <= (told.mu_cap or math.inf):
            raise ValueError(f"cap of mu {record['mu_cap']} raised from {told.mu_cap}")
        told.public_key, told.mu_cap = record["public_key"], record["mu_cap"]
        told.studies += (record["study"],)
    if kind in ("debit", "receipt"):
        _spend(record, chain)
    chain.at_s = record.get("at_s", chain.at_s)
    chain.hashes.append(record["hash"])
    chain.leaves.append(hashlib.sha256(b"\0" + text).digest())


def _spend(record: dict[str, Any], chain: _Chain) -> None:
    """A debit or a receipt of a release (study, round)."""
    release, cap = (chain.told.studies[-1], record["round"]), chain.told.mu_cap or 0.0
    if type(record["round"]) is not int or record["round"] < 1 or not record["at_s"] >= chain.at_s:
        raise ValueError(f"round {record['round']!r} at {record['at_s']}, after {chain.at_s}")
    if record["kind"] == "receipt":
        if release not in chain.debited or release in chain.receipts:
            raise ValueError(f"second receipt of {release}, or one without a debit")
        chain.receipts[release] = record["sha256"]
        return
    if not 0 < (sigma := record["sigma"]) < math.inf:
        raise ValueError(f"noise multiplier {sigma}")
    chain.mu_squared += 1.0 / (sigma * sigma)
    if chain.mu_squared > cap**2 * (1 + CAP_TOLERANCE):
        raise ValueError(f"mu {math.sqrt(chain.mu_squared):.6g} over the cap {cap:.6g}")
    chain.sigmas[float(sigma)] += 1
    if chain.debited.setdefault(release, name := record.get("name", "release")) != name:
        raise ValueError(f"{release} debited for {name!r}, and before for another")


def _canonical(plain: object) -> bytes:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _check_signature(seal: dict[str, Any], said: bytes) -> None:
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(seal["public_key"]))
    key.verify(bytes.fromhex(seal["signature"]), said)


def _check_vectors(folder: Path, chain: _Chain) -> None:
    """Every vector kept on disk was debited and is the one that its receipt binds."""
    names = {f"{study}.{number}.npy": (study, number) for study, number in chain.debited}
    for path in sorted((folder / "releases").glob("*.npy")):
        if path.name not in names:
            raise ValueError(f"{path.name} was never debited")
        data, again = path.read_bytes(), io.BytesIO()
        values = np.frombuffer(data[128 : len(data) // 8 * 8], "<f8")  # behind the npy header
        np.save(again, values, allow_pickle=False)
        header = _canonical([[chain.debited[names[path.name]], "<f8", [len(values)]]]) + b"\n"
        found = hashlib.sha256(header + values.tobytes()).hexdigest()
        if again.getvalue() != data or chain.receipts.get(names[path.name], found) != found:
            raise ValueError(f"{path.name} is not the vector of its receipt")


def _check_witnessed(path: Path, clinic: str | None, chain: _Chain) -> None:
    """What others countersigned: of `clinic` in a run's file, or in the one beside a ledger."""
    told, text = chain.told, path.read_bytes() if path.is_file() else b"[]\n"
    try:
        plain = json.loads(text)
        if text != text.lower() or (clinic is None and _canonical(plain) + b"\n" != text):
            raise ValueError("not canonical JSON")
        for one in plain["clinics"].get(clinic, []) if clinic and plain else plain:
            size, by, key = one["size"], one["by"], one["public_key"]
            said = bytes.fromhex(key) + size.to_bytes(8, "little") + bytes.fromhex(one["root"])
            _check_signature(one, b"insula-checkpoint/1\0" + said)
            for name, seal in by.items():
                _check_signature(seal, b"insula-witness/1\0" + name.encode() + b"\0" + said)
                if told.witnesses.setdefault(name, seal["public_key"]) != seal["public_key"]:
                    raise ValueError(f"{name} countersigned with two keys")
            if key != told.public_key:
                raise ValueError(f"another ledger, with another key, was countersigned by {[*by]}")
            if size > told.records:
                raise ValueError(f"rolled back: {size} records were countersigned by {[*by]}")
            if _root(chain.leaves[:size]).hex() != one["root"]:
                raise ValueError(f"another history: {[*by]} countersigned other {size} records")
            told.witnessed = max(told.witnessed, size)
    except Exception as error:  # as with a record
        raise ValueError(f"{path.name}: {str(error) or 'wrong signature'}") from error


def _root(leaves: list[bytes]) -> bytes:
    """The Merkle root of RFC 6962, section 2.1."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + _root(leaves[:split]) + _root(leaves[split:])).digest()


def _account(chain: _Chain, delta: float, stated: float) -> None:
    epsilon = _closed_form(chain.told.mu, delta)
    if epsilon > LARGEST_EPSILON * (1.0 + 1e-9):
        raise ValueError(f"epsilon {epsilon:.1f}, which protects nobody")
    if epsilon > stated + STATED_TOLERANCE:
        raise ValueError(f"epsilon {epsilon:.6g}, but run.json states {stated:.6g}")
    composed = pld.identity()
    for sigma, count in chain.sigmas.items():
        composed = composed.compose(pld.from_gaussian_mechanism(sigma).self_compose(count))
    if abs((by_pld := float(composed.get_epsilon_for_delta(delta))) - epsilon) > PLD_TOLERANCE:
        raise ValueError(f"epsilon {epsilon} by closed form, {by_pld} by PLD")
    chain.told.epsilon, chain.told.epsilon_pld = epsilon, by_pld


def _closed_form(mu: float, delta: float) -> float:
    """Epsilon at delta of mu-GDP (Dong, Roth, Su 2022, Corollary 1)."""

    def excess(e: float) -> float:
        return float(ndtr(-e / mu + mu / 2) - math.exp(e + log_ndtr(-e / mu - mu / 2)) - delta)

    none = mu == 0 or excess(0.0) <= 0
    return 0.0 if none else float(brentq(excess, 0.0, mu * (mu / 2 + 40), xtol=1e-12))
