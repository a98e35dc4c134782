"""Lock and key of a ledger's folder."""

import os
import stat
from pathlib import Path

import pytest

from privacy.ledger_folder import KEY, RECORDS, locked, signing_key
from privacy.ledger_records import LedgerError


def test_a_lock_has_one_holder_until_it_is_closed(tmp_path: Path) -> None:
    first = locked(tmp_path)
    with pytest.raises(LedgerError, match="stop the other agent"):
        locked(tmp_path)
    os.close(first)
    os.close(locked(tmp_path))


def test_a_process_that_dies_lets_go(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        locked(tmp_path)
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    os.close(locked(tmp_path))


def test_a_key_is_made_once_and_kept(tmp_path: Path) -> None:
    first = signing_key(tmp_path).private_bytes_raw()
    assert signing_key(tmp_path).private_bytes_raw() == first
    assert stat.S_IMODE((tmp_path / KEY).stat().st_mode) == 0o600


def test_keys_of_two_folders_differ(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    here, there = signing_key(tmp_path), signing_key(tmp_path / "other")
    assert here.private_bytes_raw() != there.private_bytes_raw()


def test_a_key_others_can_read_is_refused(tmp_path: Path) -> None:
    signing_key(tmp_path)
    (tmp_path / KEY).chmod(0o604)
    with pytest.raises(LedgerError, match="expected mode 0600"):
        signing_key(tmp_path)


def test_a_lost_key_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / RECORDS).write_text("{}\n")
    with pytest.raises(LedgerError, match="restore the key"):
        signing_key(tmp_path)
    assert not (tmp_path / KEY).exists()
