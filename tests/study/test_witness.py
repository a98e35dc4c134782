"""What crosses about checkpoints has one length for a study's members and one reading."""

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from privacy.ledger_checkpoint import PUBLISHED_BYTES, CheckpointError, Published
from privacy.merkle import leaf
from study.witness import NONE, Seen, Shown, read_seen, read_shown, seen_bytes, shown_bytes

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLISHED = Published.of([leaf(b"a"), leaf(b"b")], KEY)
SEAL = bytes(range(64))
SHOWN = (Shown(PUBLISHED, 2, (NONE, SEAL)), Shown(None, 0, (NONE, NONE)))
SEEN = Seen(PUBLISHED, (SEAL, NONE))


def test_both_come_back_as_they_went() -> None:
    assert read_shown(shown_bytes(SHOWN), 2) == SHOWN
    assert read_seen(seen_bytes(SEEN), 2) == SEEN


def test_lengths_do_not_depend_on_what_is_said() -> None:
    silent = tuple(Shown(None, 0, (NONE, NONE)) for _ in range(2))
    assert len(shown_bytes(SHOWN)) == len(shown_bytes(silent))
    assert len(seen_bytes(SEEN)) == len(seen_bytes(Seen(None, (NONE, NONE))))


def test_nothing_is_as_good_as_zeros() -> None:
    silent = tuple(Shown(None, 0, (NONE,) * 3) for _ in range(3))
    assert read_shown(b"", 3) == read_shown(shown_bytes(silent), 3) == silent


@pytest.mark.parametrize("members", [1, 3])
def test_another_number_of_members_is_another_form(members: int) -> None:
    with pytest.raises(CheckpointError):
        read_shown(shown_bytes(SHOWN), members)
    with pytest.raises(CheckpointError):
        read_seen(seen_bytes(SEEN), members)


@pytest.mark.parametrize("place", [0, 8, 40, 104, PUBLISHED_BYTES - 1])
def test_an_altered_checkpoint_is_refused_in_both_directions(place: int) -> None:
    for data, read in ((shown_bytes(SHOWN), read_shown), (seen_bytes(SEEN), read_seen)):
        altered = bytearray(data)
        altered[place] ^= 1
        with pytest.raises(CheckpointError):
            read(bytes(altered), 2)


def test_an_answer_of_nothing_is_no_answer() -> None:
    with pytest.raises(CheckpointError, match="0 bytes"):
        read_seen(b"", 2)


def test_it_needs_neither_torch_nor_flower(repository: Path) -> None:
    code = "import sys, study.witness; print({'torch', 'flwr', 'pydantic'} & set(sys.modules))"
    seen = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )
    assert seen.stdout.strip() == "set()"
