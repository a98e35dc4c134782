"""A clinic as witness of the others' ledgers, and its own ledger before them.

The centre shows each clinic the newest checkpoint of every member. Of the others' this clinic signs
those that go on from what it saw before: same key, nothing before changed, none missing. Of its own
it checks that its ledger still holds all of it: a folder put back to an older day does not, and
then nothing is released. What the others signed is kept beside the ledger.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from privacy.durable import write_whole
from privacy.ledger import Ledger
from privacy.ledger_checkpoint import Checkpoint, CheckpointError, Published, signed
from privacy.ledger_records import LedgerError
from privacy.witnessed import WITNESSED, Witnessed, added, as_bytes, read_witnessed
from study.witness import NONE, Seen, Shown, read_shown, seen_bytes

BOOK = "witness.json"


class RolledBack(LedgerError):
    """This clinic's ledger is older than, or another than, one that was already seen."""


class Witness:
    """What one clinic saw of the others, and the others of it; on its disk before it is signed."""

    def __init__(self, home: Path, study: str, clinic: str, members: Sequence[str], ledger: Ledger):
        self._path, self._study, self._clinic = home / BOOK, study, clinic
        self._members, self._ledger = tuple(members), ledger
        self._book = _read_book(self._path)
        self._kept = _read_own(ledger)
        self._accepted: dict[str, Checkpoint] = {}

    def hear(self, data: bytes) -> list[str]:
        """Take in what the centre shows; why other clinics' checkpoints are not signed, in words.

        Raises RolledBack for a ledger of this clinic that lacks what was shown of it, and
        CheckpointError for bytes of another form.
        """
        self._accepted = {}
        shown = dict(zip(self._members, read_shown(data, len(self._members)), strict=True))
        own = shown.pop(self._clinic)
        if own.published is not None:
            _require_held(self._ledger, own.published.checkpoint, "the centre")
        doubts = []
        seen = self._book.setdefault(self._study, {})
        before = dict(seen)
        for name, one in shown.items():
            if one.published is None:
                continue
            if doubt := _doubt(seen.get(name), one.published):
                doubts.append(f"checkpoint of {name} not signed: {doubt}")
            else:
                self._accepted[name] = seen[name] = one.published.checkpoint
        if seen != before:
            write_whole(self._path, _book_bytes(self._book))
        self._keep(own)
        return doubts

    def answer(self) -> bytes:
        """This clinic's own checkpoint as of now, and its signatures under what it just heard."""
        signatures = tuple(
            self._ledger.countersign(self._accepted[name], self._clinic)
            if name in self._accepted
            else NONE
            for name in self._members
        )
        return seen_bytes(Seen(self._ledger.published(), signatures))

    def _keep(self, own: Shown) -> None:
        """Store what others signed of this ledger, if it is true and new."""
        checkpoint = self._ledger.checkpoint(own.signed_size)
        if checkpoint is None:
            return
        by = {
            name: (known.public_key, seal)
            for name, seal in zip(self._members, own.signatures, strict=True)
            if (known := self._book[self._study].get(name)) is not None
            if signed(known.public_key, seal, checkpoint.witness_statement(name))
        }
        kept = added(self._kept, Witnessed(checkpoint, by))
        if kept != self._kept:
            write_whole(self._ledger.folder / WITNESSED, as_bytes(kept))
            self._kept = kept


def _doubt(seen: Checkpoint | None, published: Published) -> str:
    """Why this checkpoint does not go on from the one that was seen before, or nothing."""
    now = published.checkpoint
    if seen is None:
        return ""
    if now.public_key != seen.public_key:
        return "it is another ledger, signed by another key"
    if now.size < seen.size:
        return f"it has {now.size} records, and had {seen.size}: rolled back"
    if not published.extends(seen.size, seen.root):
        return f"its first {seen.size} records are not, or not shown to be, those seen before"
    return ""


def _require_held(ledger: Ledger, seen: Checkpoint, where: str) -> None:
    if seen.public_key.hex() != ledger.public_key:
        found = f"a ledger with the key {ledger.public_key}"
        expected = f"the one with the key {seen.public_key.hex()} that {where} holds a signature of"
    elif not ledger.holds(seen):
        found = f"a ledger of {ledger.records} records"
        expected = f"the {seen.size} that it once signed, root {seen.root.hex()} ({where})"
    else:
        return
    raise RolledBack(
        f"found {found} in {ledger.folder}; expected {expected}. It was put back to an older day, "
        "or is another one: it may have spent more than it shows. Nothing was spent or released. "
        "What to do: restore the newest copy of the folder, which `insula privacy verify` accepts."
    )


def _read_own(ledger: Ledger) -> tuple[Witnessed, ...]:
    """What others signed of this ledger, all of which it must still hold."""
    try:
        kept = read_witnessed(ledger.folder)
    except CheckpointError as error:
        raise _unreadable(ledger.folder / WITNESSED, error) from error
    for one in kept:
        witnesses = f"{WITNESSED}, countersigned by {', '.join(one.by)}"
        _require_held(ledger, one.checkpoint, witnesses)
    return kept


def _read_book(path: Path) -> dict[str, dict[str, Checkpoint]]:
    """Study -> clinic -> the newest of its checkpoints that was signed here."""
    try:
        plain = json.loads(path.read_bytes()) if path.exists() else {}
        return {
            study: {name: _seen(one) for name, one in clinics.items()}
            for study, clinics in plain.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(path, error) from error


def _seen(plain: Mapping[str, str]) -> Checkpoint:
    key, root, signature = (bytes.fromhex(plain[n]) for n in ("public_key", "root", "signature"))
    return Checkpoint(key, int(plain["size"]), root, signature)


def _book_bytes(book: Mapping[str, Mapping[str, Checkpoint]]) -> bytes:
    plain = {
        study: {
            name: {
                "public_key": one.public_key.hex(),
                "size": one.size,
                "root": one.root.hex(),
                "signature": one.signature.hex(),
            }
            for name, one in clinics.items()
        }
        for study, clinics in book.items()
    }
    return json.dumps(plain, sort_keys=True, indent=1).encode() + b"\n"


def _unreadable(path: Path, error: Exception) -> LedgerError:
    return LedgerError(
        f"found {path}, which cannot be read ({error}); expected what this agent wrote there. "
        "Nothing was released. What to do: restore it from a copy; do not delete it."
    )
