"""Records: their bytes, their chain, and what they add up to."""

import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from privacy.gaussian_dp import AccountingError
from privacy.ledger_records import GENESIS, Account, Fields, LedgerError, line, replayed, sealed

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TERMS: Fields = {
    "study": "trial",
    "mu_cap": 1.0,
    "public_key": KEY.public_key().public_bytes_raw().hex(),
}


def chain(*debits: float) -> tuple[bytes, Account]:
    """The file of a ledger with these debits, and its account."""
    account, data = Account(), b""
    steps: list[tuple[str, Fields]] = [("open", TERMS)]
    steps += [("debit", {"round": 1, "sigma": sigma}) for sigma in debits]
    for kind, fields in steps:
        record = sealed(kind, fields, account, KEY)
        account.add(record)
        data += line(record)
    return data, account


def test_a_record_by_hand() -> None:
    record = sealed("debit", {"round": 1, "sigma": 2.0}, Account(), KEY)
    body = f'{{"index":0,"kind":"debit","previous":"{GENESIS}","round":1,"sigma":2.0}}'
    digest = hashlib.sha256(body.encode()).digest()
    assert record["hash"] == digest.hex()
    KEY.public_key().verify(bytes.fromhex(record["signature"]), digest)


def test_a_line_is_canonical_json() -> None:
    data, _ = chain(2.0)
    for text in data.splitlines():
        assert json.dumps(json.loads(text), sort_keys=True, separators=(",", ":")).encode() == text


def test_reading_gives_what_writing_counted() -> None:
    data, account = chain(2.0, 4.0)
    assert replayed(data, KEY) == account
    assert account.mu_squared == 1 / 4 + 1 / 16
    assert account.debited == {("trial", 1): "release"}
    assert account.records == 3


def test_nothing_written_is_an_empty_account() -> None:
    assert replayed(b"", KEY) == Account()


def test_each_record_holds_the_hash_of_the_one_before() -> None:
    data, account = chain(2.0, 4.0)
    records = [json.loads(text) for text in data.splitlines()]
    hashes = [record["hash"] for record in records]
    assert [record["previous"] for record in records] == [GENESIS, *hashes[:-1]]
    assert account.head == hashes[-1]


def test_the_last_release_may_use_up_the_cap_and_not_a_hair_more() -> None:
    _, account = chain(2.0, 2.0, 2.0)
    assert account.affords(2.0)
    assert not account.affords(1.999)


def test_another_key_does_not_read_it() -> None:
    data, _ = chain(2.0)
    with pytest.raises(LedgerError, match="record 0 of the ledger"):
        replayed(data, Ed25519PrivateKey.generate())


def test_the_first_bad_record_is_named() -> None:
    data, _ = chain(2.0, 4.0)
    lines = data.splitlines(keepends=True)
    with pytest.raises(LedgerError, match="record 1 of the ledger"):
        replayed(lines[0] + lines[2] + lines[1], KEY)
    with pytest.raises(LedgerError, match="record 2 of the ledger"):
        replayed(data.replace(b'"sigma":4.0', b'"sigma":9.0'), KEY)


def test_impossible_noise_is_not_affordable() -> None:
    with pytest.raises(AccountingError, match="found sigma"):
        Account().affords(0.0)
