"""Records of a ledger: one line of JSON each, chained by hash, signed by the clinic.

A record's hash is the SHA-256 of its canonical JSON without `hash` and `signature`; it holds the
hash of the record before (`previous`), so none can be altered, dropped or moved unseen. The
verifier reads the same form with code of its own.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from privacy.canonical import RELEASE
from privacy.gaussian_dp import mu_squared
from privacy.merkle import leaf

Fields = Mapping[str, str | int | float]

FORM = 1
GENESIS = "0" * 64  # what the first record names as the one before
CAP_TOLERANCE = 1e-9  # relative, on mu^2: fifty equal debits may round past their own cap


class LedgerError(ValueError):
    """A ledger that refuses: what was found, what was expected, what did not happen, what to do."""


class LedgerHeld(LedgerError):
    """A ledger that somebody else has open."""


@dataclass
class Account:
    """What the records of a ledger add up to; `debited` says under which name a round leaves."""

    study: str = ""
    public_key: str = ""
    mu_cap: float = math.inf
    mu_squared: float = 0.0
    records: int = 0
    head: str = GENESIS
    debited: dict[tuple[str, int], str] = field(default_factory=dict)
    receipts: dict[tuple[str, int], str] = field(default_factory=dict)
    leaves: list[bytes] = field(default_factory=list)
    at_s: float = -math.inf

    def affords(self, sigma: float) -> bool:
        """Whether one more release with this noise multiplier stays within the cap."""
        spent = self.mu_squared + mu_squared(sigma)
        return spent <= self.mu_cap**2 * (1 + CAP_TOLERANCE)

    def add(self, record: Mapping[str, Any]) -> None:
        """Count one record whose chain and signature hold."""
        self.records, self.head = self.records + 1, record["hash"]
        self.leaves.append(leaf(line(record)))
        self.at_s = record.get("at_s", self.at_s)
        if record["kind"] == "open":
            self.study, self.mu_cap = record["study"], record["mu_cap"]
            self.public_key = record["public_key"]
        elif record["kind"] == "debit":
            self.mu_squared += mu_squared(record["sigma"])
            self._name(record)
        elif record["kind"] == "receipt":
            self.receipts[self.study, record["round"]] = record["sha256"]

    def _name(self, record: Mapping[str, Any]) -> None:
        """A round that is debited again leaves under the name it was first debited for."""
        release, name = (self.study, record["round"]), record.get("name", RELEASE)
        if self.debited.setdefault(release, name) != name:
            raise ValueError(f"round {record['round']} debited for {name}, and for another before")


def sealed(kind: str, fields: Fields, account: Account, key: Ed25519PrivateKey) -> dict[str, Any]:
    """The next record of this account, hashed and signed."""
    body = {"index": account.records, "kind": kind, "previous": account.head, **fields}
    digest = _hash(body)
    return {**body, "hash": digest, "signature": key.sign(bytes.fromhex(digest)).hex()}


def line(record: Mapping[str, Any]) -> bytes:
    """The bytes of one record, newline included."""
    return _canonical(record) + b"\n"


def replayed(data: bytes, key: Ed25519PrivateKey) -> Account:
    """The account of a whole ledger file; refuses the first record that does not hold."""
    account = Account()
    for number, text in enumerate(data.splitlines(keepends=True)):
        try:
            record = json.loads(text)
            _check(record, account, key)
            if line(record) != text.lower():
                raise ValueError("another form of the same record")
            account.add(record)
        except (ValueError, KeyError, TypeError, InvalidSignature) as error:
            raise LedgerError(
                f"found record {number} of the ledger that does not hold ({error!r}); expected an "
                "unbroken chain signed with this folder's key. The ledger was not opened and "
                "nothing may be released. What to do: run `insula privacy verify` and restore the "
                "folder from a copy that verifies."
            ) from error
    return account


def _check(record: object, account: Account, key: Ed25519PrivateKey) -> None:
    if not isinstance(record, dict):
        raise TypeError("not an object")
    body = {name: value for name, value in record.items() if name not in ("hash", "signature")}
    if record["index"] != account.records or record["previous"] != account.head:
        raise ValueError("out of place")
    if record["hash"] != _hash(body):
        raise ValueError("contents and hash differ")
    key.public_key().verify(bytes.fromhex(record["signature"]), bytes.fromhex(record["hash"]))


def _hash(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(body)).hexdigest()


def _canonical(body: Mapping[str, Any]) -> bytes:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")
