"""The centre's part in witnessing: it passes checkpoints on, and keeps who signed which.

It is trusted with nothing: a checkpoint it alters fits no signature, and one it holds back is not
signed by others, which the run's folder then shows.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from privacy.ledger_checkpoint import CheckpointError, Published, signed
from privacy.witnessed import Witnessed, added, as_plain, from_plain
from server.checkpoint import replace_whole
from study.failure import ExitCode, Failure
from study.protocol import Protocol
from study.wire import Code, Reply
from study.witness import NONE, Seen, Shown, read_seen, shown_bytes

WITNESS = "witness.json"
EXCHANGES_AT_THE_END = 2
"""The last checkpoints go out to be signed, and then the signatures come home."""


class Witnessing:
    """Every member's newest checkpoint, and the signatures of the others, in one file."""

    def __init__(self, folder: Path, protocol: Protocol) -> None:
        self._path = folder / WITNESS
        self._members = tuple(one.name for one in protocol.members)
        self._newest: dict[str, Published] = {}
        self._kept: dict[str, tuple[Witnessed, ...]] = {name: () for name in self._members}
        self.exchanges_at_the_end = 0
        if self._path.is_file():
            self._read()

    def shown(self) -> bytes:
        """What every clinic is shown with the next request."""
        return shown_bytes([self._shown(name) for name in self._members])

    def keep(self, replies: Mapping[str, Reply], *, at_the_end: bool = False) -> None:
        """Take in what the members answered to what they were shown; on disk when it returns."""
        before = (dict(self._newest), dict(self._kept))
        answers = {name: self._seen(reply) for name, reply in replies.items()}
        for name, seen in answers.items():
            if seen is not None and seen.published is not None:
                self._keep_signatures(name, seen, seen.published)
        for name, seen in answers.items():
            if seen is not None and seen.published is not None:
                self._keep_newest(name, seen.published)
        self.exchanges_at_the_end += at_the_end
        if at_the_end or before != (self._newest, self._kept):
            self._write()

    def _seen(self, reply: Reply) -> Seen | None:
        if reply.code not in (Code.RELEASED, Code.WITNESSED):
            return None
        try:
            return read_seen(reply.witness, len(self._members))
        except CheckpointError:  # as if it had said nothing
            return None

    def _keep_signatures(self, witness: str, seen: Seen, own: Published) -> None:
        key = own.checkpoint.public_key
        for name, signature in zip(self._members, seen.signatures, strict=True):
            shown = self._newest.get(name)
            if shown is None or name == witness or signature == NONE:
                continue
            if signed(key, signature, shown.checkpoint.witness_statement(witness)):
                new = Witnessed(shown.checkpoint, {witness: (key, signature)})
                self._kept[name] = added(self._kept[name], new)

    def _keep_newest(self, name: str, published: Published) -> None:
        """An older one, or one of another key, does not replace it: the clinic will be shown it."""
        known, now = self._newest.get(name), published.checkpoint
        if known is None or (
            now.public_key == known.checkpoint.public_key and now.size >= known.checkpoint.size
        ):
            self._newest[name] = published

    def _shown(self, name: str) -> Shown:
        last = self._kept[name][-1] if self._kept[name] else None
        by = last.by if last else {}
        signatures = tuple(by[one][1] if one in by else NONE for one in self._members)
        return Shown(self._newest.get(name), last.checkpoint.size if last else 0, signatures)

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        plain = {
            "newest": {name: one.packed().hex() for name, one in self._newest.items()},
            "clinics": {name: as_plain(kept) for name, kept in self._kept.items()},
            "exchanges_at_the_end": self.exchanges_at_the_end,
        }
        replace_whole(self._path, json.dumps(plain, sort_keys=True, indent=1).encode() + b"\n")

    def _read(self) -> None:
        try:
            plain: dict[str, Any] = json.loads(self._path.read_bytes())
            for name, packed in plain["newest"].items():
                if (one := Published.unpacked(bytes.fromhex(packed))) is not None:
                    self._newest[name] = one
            self._kept = {name: from_plain(plain["clinics"][name]) for name in self._members}
            self.exchanges_at_the_end = int(plain["exchanges_at_the_end"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Failure(
                found=f"{self._path}, which cannot be read: {error!r}",
                expected="the checkpoints that this study's members signed",
                consequence="The study was not continued.",
                remedy="restore the file, or give a new folder with --out",
                code=ExitCode.BAD_DATA,
            ) from error
