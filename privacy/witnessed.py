"""Checkpoints with the signatures of those who saw them, as they are kept: the evidence.

A clinic keeps them beside its ledger, the centre in the run's folder. Whoever holds one can show
that a ledger once had so many records, and which.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from privacy.ledger_checkpoint import Checkpoint, CheckpointError

WITNESSED = "witnessed.json"  # beside a ledger


@dataclass(frozen=True)
class Witnessed:
    """A checkpoint and who signed below it: clinic -> (its ledger's public key, signature)."""

    checkpoint: Checkpoint
    by: Mapping[str, tuple[bytes, bytes]]


def added(kept: Sequence[Witnessed], new: Witnessed) -> tuple[Witnessed, ...]:
    """All of it by size; of each witness only its newest signature stays, and no empty one."""
    known = {one.checkpoint: dict(one.by) for one in kept}
    known.setdefault(new.checkpoint, {}).update(new.by)
    left, later = [], set[str]()
    for checkpoint in sorted(known, key=lambda one: -one.size):
        by = {name: seal for name, seal in known[checkpoint].items() if name not in later}
        later |= set(by)
        if by:
            left.append(Witnessed(checkpoint, dict(sorted(by.items()))))
    return tuple(reversed(left))


def as_plain(kept: Iterable[Witnessed]) -> list[dict[str, Any]]:
    """The same as numbers and hex."""
    return [
        {
            "public_key": one.checkpoint.public_key.hex(),
            "size": one.checkpoint.size,
            "root": one.checkpoint.root.hex(),
            "signature": one.checkpoint.signature.hex(),
            "by": {
                name: {"public_key": key.hex(), "signature": signature.hex()}
                for name, (key, signature) in one.by.items()
            },
        }
        for one in kept
    ]


def from_plain(plain: Any) -> tuple[Witnessed, ...]:
    """What `as_plain` wrote; CheckpointError for anything else. Signatures are not checked."""
    try:
        kept = tuple(_one(each) for each in plain)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"found no list of witnessed checkpoints: {error!r}") from error
    if as_plain(kept) != plain:
        raise CheckpointError("found more than witnessed checkpoints; expected nothing beside them")
    return kept


def as_bytes(kept: Iterable[Witnessed]) -> bytes:
    """The file beside a ledger."""
    return json.dumps(as_plain(kept), sort_keys=True, separators=(",", ":")).encode() + b"\n"


def read_witnessed(folder: Path) -> tuple[Witnessed, ...]:
    """What lies beside the ledger of this folder; nothing where no other clinic has signed yet."""
    path = folder / WITNESSED
    try:
        return from_plain(json.loads(path.read_bytes())) if path.exists() else ()
    except ValueError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _one(plain: Mapping[str, Any]) -> Witnessed:
    key, root, signature = (bytes.fromhex(plain[n]) for n in ("public_key", "root", "signature"))
    by = {
        name: (bytes.fromhex(seal["public_key"]), bytes.fromhex(seal["signature"]))
        for name, seal in plain["by"].items()
    }
    return Witnessed(Checkpoint(key, plain["size"], root, signature), by)
