"""The clinic's write-ahead ledger: spend, wait for the disk, and only then draw noise.

The order of one release is debit, noise, store, receipt, send. A crash after the debit leaves it
spent; a crash after the store leaves a vector that is sent, never drawn again. So at no point can a
budget be passed or refunded. Records name no patient, no true count and no loss.
"""

import hashlib
import io
import math
import os
import re
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from privacy.canonical import RELEASE, canonical_sha256
from privacy.durable import append, storage, sync_folder, write_whole
from privacy.ledger_checkpoint import Checkpoint, Published
from privacy.ledger_folder import RECORDS, locked, signing_key
from privacy.ledger_records import FORM, Account, Fields, LedgerError, line, replayed, sealed
from privacy.merkle import root_of

__all__ = ["Ledger", "LedgerError"]

FloatArray = npt.NDArray[np.float64]

STUDY_NAME = re.compile(r"[a-z0-9-]+")
CLOCK_STEP_S = 60.0  # what a clock that is being set right may go back without a record of it


class Ledger:
    """What a clinic has spent and released. One process at a time; `close()` lets the next one in.

    Across studies the same folder is the lifetime budget of the same patients: a later study may
    lower its cap and never raise it.
    """

    def __init__(self, folder: Path, lock: int, key: Ed25519PrivateKey) -> None:
        self.folder = folder
        self._lock, self._key, self._process = lock, key, os.getpid()
        self._path = folder / RECORDS
        self._usable = True
        with storage(self._path):
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
            self._file = os.open(self._path, flags, 0o600)
        self._account = Account()

    @classmethod
    def open(cls, folder: Path, *, mu_cap: float, study: str) -> Self:
        """The ledger in this folder, made if absent with an Ed25519 key of its own (mode 0600).

        Refuses with LedgerError: a broken chain, a second process, a raised cap, a disk that cannot
        be written. A line torn by a crash is cut off, and a record says so.
        """
        _check_terms(mu_cap, study)
        with storage(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = locked(folder)
        ledger = None
        try:
            ledger = cls(folder, lock, signing_key(folder))
            ledger._resume(mu_cap, study)
        except BaseException:
            os.close(lock)
            if ledger is not None:
                os.close(ledger._file)
            raise
        return ledger

    def close(self) -> None:
        """Let another process open this ledger. Closing twice does nothing."""
        if self._lock >= 0:
            os.close(self._file)
            os.close(self._lock)
            self._lock, self._usable = -1, False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def study(self) -> str:
        """The study whose rounds are being counted."""
        return self._account.study

    @property
    def mu_cap(self) -> float:
        """Largest total mu this ledger will spend."""
        return self._account.mu_cap

    @property
    def head(self) -> str:
        """Hash of the newest record: give it to a witness, and no record before it can vanish."""
        return self._account.head

    @property
    def public_key(self) -> str:
        """The key that signs, as hex: what a verifier outside should be told beforehand."""
        return self._account.public_key

    @property
    def records(self) -> int:
        """How many records it has."""
        return self._account.records

    def published(self) -> Published:
        """This ledger's checkpoint as of now, with what proves it to those who saw an older one."""
        return Published.of(self._account.leaves, self._key)

    def checkpoint(self, size: int) -> Checkpoint | None:
        """The checkpoint of its first `size` records; nothing if there are fewer, or size is 0."""
        leaves = self._account.leaves
        return (
            Published.of(leaves[:size], self._key).checkpoint if 0 < size <= len(leaves) else None
        )

    def holds(self, seen: Checkpoint) -> bool:
        """Whether its first records are those of a checkpoint that was seen before."""
        leaves = self._account.leaves
        return seen.size <= len(leaves) and root_of(leaves[: seen.size]) == seen.root

    def countersign(self, seen: Checkpoint, witness: str) -> bytes:
        """This ledger's signature, as that of the clinic `witness`, below another's checkpoint."""
        return self._key.sign(seen.witness_statement(witness))

    def mu_spent(self) -> float:
        """Total mu of every debit in the ledger, whichever study it was for."""
        return math.sqrt(self._account.mu_squared)

    def debit(self, round_number: int, sigma: float, now_s: float, name: str = RELEASE) -> int:
        """Spend one release of noise multiplier sigma; on the disk when this returns. Its number.

        Call before noise is drawn. Refuses past the cap, and in a round that has its vector. The
        record says the `name` of what is to leave, where it is not a vector of training.
        """
        self.require_affordable(round_number, sigma)
        if self._name_of(round_number, name) != name:
            raise _out_of_order(round_number, f"a debit for {name}", "the name debited before")
        fields: Fields = {"round": round_number, "sigma": sigma, "at_s": self._time(now_s)}
        return self._append("debit", fields if name == RELEASE else {**fields, "name": name})

    def require_affordable(self, round_number: int, sigma: float) -> None:
        """Nothing if this debit would be taken; LedgerError where it would be refused."""
        self._check_usable()
        if self._file_of(round_number).exists():
            raise LedgerError(
                f"found a released vector of round {round_number} of {self.study}; expected none. "
                "Nothing was spent. What to do: send the cached vector again."
            )
        if not self._account.affords(sigma):
            raise LedgerError(
                f"found mu {self.mu_spent():.6g} spent and noise multiplier {sigma:g} asked for; "
                f"expected the total to stay within the cap {self.mu_cap:.6g}. Nothing was spent, "
                "and no noise may be drawn. What to do: end the study; the budget is used up."
            )

    def store(self, round_number: int, values: FloatArray) -> None:
        """Keep the released vector (d,) on disk, so that it is sent again and never drawn again."""
        path = self._file_of(round_number)
        if (self.study, round_number) not in self._account.debited:
            raise _out_of_order(round_number, "no debit", "a debit before the noise")
        if path.exists():
            raise _out_of_order(round_number, "a stored vector", "one vector a round")
        self._check_usable()
        if values.ndim != 1 or values.dtype != np.float64 or not np.isfinite(values).all():
            raise _out_of_order(
                round_number, f"values {values.dtype} {values.shape}", "finite float64 (d,)"
            )
        buffer = io.BytesIO()
        np.save(buffer, values, allow_pickle=False)
        with storage(path):
            path.parent.mkdir(mode=0o700, exist_ok=True)
        write_whole(path, buffer.getvalue())

    def receipt(self, round_number: int, sha256: str, now_s: float) -> int:
        """Bind the stored vector by its hash; the gate lets nothing else out. The record's number.

        The same receipt again (after a crash, before sending again) adds no record.
        """
        values = self._load(round_number)
        if values is None:
            raise _out_of_order(round_number, "no stored vector", "one before its receipt")
        found = self.sha256_of(round_number, values)
        if found != sha256:
            raise _out_of_order(round_number, f"a vector of hash {found}", f"hash {sha256}")
        if self.receipt_sha256(round_number) == sha256:
            return self._account.records - 1
        at_s = self._time(now_s)
        return self._append("receipt", {"round": round_number, "sha256": sha256, "at_s": at_s})

    def receipt_sha256(self, round_number: int) -> str | None:
        """Hash of what may leave in this round, or nothing."""
        return self._account.receipts.get((self.study, round_number))

    def cached(self, round_number: int) -> FloatArray | None:
        """The vector (d,) released in this round, or nothing: then the round needs a new debit."""
        values = self._load(round_number)
        expected = self.receipt_sha256(round_number)
        if expected and (values is None or self.sha256_of(round_number, values) != expected):
            raise _out_of_order(round_number, "another vector", f"hash {expected}")
        return values

    def sha256_of(self, round_number: int, values: FloatArray) -> str:
        """What a receipt of this vector in this round says: its hash under the debited name."""
        return canonical_sha256({self._name_of(round_number): values})

    def _name_of(self, round_number: int, otherwise: str = RELEASE) -> str:
        return self._account.debited.get((self.study, round_number), otherwise)

    def _load(self, round_number: int) -> FloatArray | None:
        path = self._file_of(round_number)
        if not path.exists():
            return None
        if (self.study, round_number) not in self._account.debited:
            raise _out_of_order(round_number, "a vector that was never debited", "none")
        values: FloatArray = np.load(path, allow_pickle=False)
        return values

    def _file_of(self, round_number: int) -> Path:
        if type(round_number) is not int or round_number < 1:
            raise LedgerError(
                f"found round {round_number!r}; expected a whole number from 1. Nothing was done. "
                "What to do: number rounds from 1."
            )
        return self.folder / "releases" / f"{self.study}.{round_number}.npy"

    def _resume(self, mu_cap: float, study: str) -> None:
        torn = self._cut_torn_tail()
        self._account = replayed(self._path.read_bytes(), self._key)
        if mu_cap > self.mu_cap:
            raise LedgerError(
                f"found a cap of mu {self.mu_cap:.6g} and {mu_cap:.6g} asked for; expected no more "
                "than before. The ledger was not opened. What to do: keep the cap; other patients "
                "need a folder of their own."
            )
        if (study, mu_cap) != (self.study, self.mu_cap):
            self._append("open", _terms(mu_cap, study, self._key))
        if torn:
            sha256 = hashlib.sha256(torn).hexdigest()
            self._append("repair", {"dropped_bytes": len(torn), "dropped_sha256": sha256})

    def _cut_torn_tail(self) -> bytes:
        data = self._path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if data[whole:]:
            with storage(self._path):
                os.ftruncate(self._file, whole)
                os.fsync(self._file)
        sync_folder(self.folder)
        return data[whole:]

    def _time(self, now_s: float) -> float:
        """The time to write down: never before the last, unless a record says that the clock was.

        No budget depends on time, so a clock that went back stops nothing; it is written down.
        """
        if not math.isfinite(now_s):
            raise LedgerError(
                f"found a clock at {now_s}; expected seconds since 1970. Nothing was spent. What "
                "to do: set this machine's clock."
            )
        behind_s = self._account.at_s - now_s
        if behind_s > CLOCK_STEP_S:
            self._append("clock", {"at_s": now_s, "behind_s": behind_s})
        return max(now_s, self._account.at_s)

    def _append(self, kind: str, fields: Fields) -> int:
        self._check_usable()
        record = sealed(kind, fields, self._account, self._key)
        self._usable = False  # until the disk has it, nobody may build on it
        append(self._file, line(record), self._path)
        self._usable = True
        self._account.add(record)
        return self._account.records - 1

    def _check_usable(self) -> None:
        if not self._usable or os.getpid() != self._process:
            raise LedgerError(
                f"found the ledger {self._path} closed, failed at its last write, or opened before "
                "a fork; expected it open in this process. Nothing was spent or released. What to "
                "do: open it again."
            )


def _check_terms(mu_cap: float, study: str) -> None:
    if not (math.isfinite(mu_cap) and mu_cap > 0 and STUDY_NAME.fullmatch(study)):
        raise LedgerError(
            f"found study {study!r} with a cap of mu {mu_cap}; expected a name of a-z, 0-9 and "
            "hyphens and a finite cap above 0. No ledger was opened. What to do: take both from "
            "the protocol."
        )


def _terms(mu_cap: float, study: str, key: Ed25519PrivateKey) -> Fields:
    return {
        "form": FORM,
        "study": study,
        "unit": "patient",
        "adjacency": "add_remove",
        "mu_cap": mu_cap,
        "public_key": key.public_key().public_bytes_raw().hex(),
    }


def _out_of_order(round_number: int, found: str, expected: str) -> LedgerError:
    return LedgerError(
        f"found {found} in round {round_number}; expected {expected}. Nothing was released. What "
        "to do: release in the order debit, noise, store, receipt, send."
    )
