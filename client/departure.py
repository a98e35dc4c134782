"""Who no longer takes part: a clinic that left, and patients who are to be forgotten.

Two small files in the site folder, which the agent reads before each release. The first says that
the clinic left. The second lists forgotten patients by pseudonym; the entry `check` is made with
the same key, so that a list whose key was lost or exchanged is refused and never passed over.
"""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from client.head_store import HeadStore
from client.policy import refused
from client.site_folder import disk
from client.site_table import write_whole
from study.failure import ExitCode, Failure

LEFT, FORGOTTEN = "left.json", "forgotten.json"
CHECK_NAME = "insula\0forgotten patients"
"""No patient's name: it holds a character that no name in an export can have."""


def leave(site: Path, now_s: float) -> bool:
    """Mark that this clinic left, on the disk when this returns; False if it had left before."""
    if has_left(site):
        return False
    at = datetime.fromtimestamp(now_s, UTC).isoformat(timespec="seconds")
    with disk(site):
        write_whole(site / LEFT, json.dumps({"left_at": at}).encode())
    return True


def has_left(site: Path) -> bool:
    """Whether the mark is there, whatever it holds."""
    return os.path.lexists(site / LEFT)


def require_present(site: Path) -> None:
    """Nothing while the clinic takes part; a Failure once it left."""
    if has_left(site):
        raise refused(f"{site / LEFT}: this clinic left", "a clinic that takes part")


def forget_pseudonym(site: Path, patient: str) -> None:
    """Put a patient on the list; on the disk when this returns."""
    store = HeadStore(site)
    listed = forgotten(site) | {store.pseudonym(patient)}
    plain = {"check": store.pseudonym(CHECK_NAME), "pseudonyms": sorted(listed)}
    with disk(site):
        write_whole(site / FORGOTTEN, json.dumps(plain, indent=1).encode())


def forgotten(site: Path) -> frozenset[str]:
    """Pseudonyms of everybody on the list; a Failure if the list is not of this clinic's key."""
    path = site / FORGOTTEN
    if not os.path.lexists(path):
        return frozenset()
    try:
        plain = json.loads(path.read_bytes())
        check, names = plain["check"], frozenset(plain["pseudonyms"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unusable(f"{path}, which cannot be read: {error!r}") from error
    if check != HeadStore(site).pseudonym(CHECK_NAME):
        raise _unusable(f"{path}, made with another key than heads.key")
    return names


def takes_part(site: Path) -> Callable[[str], bool]:
    """Whether a patient, by name, may still take part: as the list lies there now."""
    listed = forgotten(site)
    if not listed:
        return lambda patient: True
    store = HeadStore(site)
    return lambda patient: store.pseudonym(patient) not in listed


def _unusable(found: str) -> Failure:
    return Failure(
        found=found,
        expected="the list of forgotten patients as `insula site forget` wrote it",
        consequence="Nothing left the clinic, and nobody was read.",
        remedy=f"restore {FORGOTTEN} and heads.key from one backup; do not delete the list",
        code=ExitCode.REFUSED,
    )
