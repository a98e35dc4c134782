"""Heads at rest are unreadable without the key, carry no name, and can be forgotten one by one."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from client import head_store
from client.head_store import HeadStore
from models.heads import Head
from models.inputs import Background
from study.failure import ExitCode, Failure
from tests.study.small_study import small_person

PATIENT = "MRN-CANARY-east-0"


@pytest.fixture
def head() -> Head:
    return small_person("east", 0).head


def same(one: Head | None, other: Head) -> bool:
    return (
        one is not None
        and np.array_equal(one.theta, other.theta)
        and np.array_equal(one.latent, other.latent)
        and one.residual_phi == other.residual_phi
        and one.residual_sd_mg_dl == other.residual_sd_mg_dl
        and one.background == other.background
        and one.identified == other.identified
    )


def test_a_head_comes_back_bit_for_bit(tmp_path: Path, head: Head) -> None:
    HeadStore(tmp_path).put(PATIENT, head)
    assert same(HeadStore(tmp_path).get(PATIENT), head)


def test_so_does_all_that_belongs_to_it(tmp_path: Path, head: Head) -> None:
    full = replace(head, background=Background(0.9, 0.25), identified=False)
    HeadStore(tmp_path).put(PATIENT, full)
    assert same(HeadStore(tmp_path).get(PATIENT), full)
    assert not same(HeadStore(tmp_path).get(PATIENT), head)


def test_a_later_head_takes_the_place_of_the_earlier(tmp_path: Path, head: Head) -> None:
    store = HeadStore(tmp_path)
    store.put(PATIENT, head)
    later = replace(head, residual_phi=0.5)
    store.put(PATIENT, later)
    assert same(store.get(PATIENT), later)
    assert len(store.pseudonyms()) == 1


def test_nobody_s_head_is_none(tmp_path: Path) -> None:
    assert HeadStore(tmp_path).get(PATIENT) is None


def test_neither_name_nor_number_stands_on_the_disk(tmp_path: Path, head: Head) -> None:
    HeadStore(tmp_path).put(PATIENT, head)
    for path in tmp_path.rglob("*"):
        assert PATIENT not in str(path)
        if path.is_file():
            assert PATIENT.encode() not in path.read_bytes()
            assert head.theta.tobytes()[:16] not in path.read_bytes()


def test_a_plain_file_would_be_seen(tmp_path: Path, head: Head) -> None:
    """The test above goes red when the encryption is planted away."""
    (tmp_path / "plain").write_bytes(head.theta.tobytes())
    with pytest.raises(AssertionError):
        test_neither_name_nor_number_stands_on_the_disk(tmp_path, head)


def test_everything_is_its_owner_s_alone(tmp_path: Path, head: Head) -> None:
    store = HeadStore(tmp_path)
    store.put(PATIENT, head)
    assert stat.S_IMODE((tmp_path / "heads.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    for path in store.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_pseudonyms_stay_and_differ_between_patients_and_clinics(tmp_path: Path) -> None:
    east, again, west = HeadStore(tmp_path), HeadStore(tmp_path), HeadStore(tmp_path / "west")
    assert east.pseudonym(PATIENT) == again.pseudonym(PATIENT)
    assert east.pseudonym(PATIENT) != east.pseudonym("MRN-CANARY-east-1")
    assert east.pseudonym(PATIENT) != west.pseudonym(PATIENT)
    assert len(east.pseudonym(PATIENT)) == 32


def test_one_patient_is_forgotten_and_the_others_are_not(tmp_path: Path, head: Head) -> None:
    store = HeadStore(tmp_path)
    for name in ("a", "b", "c"):
        store.put(name, head)
    assert store.erase("b")
    assert not store.erase("b")
    assert store.get("b") is None
    assert store.pseudonyms() == tuple(sorted(map(store.pseudonym, ("a", "c"))))
    assert same(store.get("a"), head)


def test_a_head_put_in_another_patient_s_place_does_not_open(tmp_path: Path, head: Head) -> None:
    store = HeadStore(tmp_path)
    store.put("a", head)
    store.put("b", head)
    places = [store.folder / f"{store.pseudonym(name)}.head" for name in ("a", "b")]
    places[1].write_bytes(places[0].read_bytes())
    with pytest.raises(Failure, match="does not open"):
        store.get("b")


@pytest.mark.parametrize("place", [0, 12, 40, -1])
def test_a_changed_bit_is_seen(place: int, tmp_path: Path, head: Head) -> None:
    store = HeadStore(tmp_path)
    store.put(PATIENT, head)
    path = store.folder / f"{store.pseudonym(PATIENT)}.head"
    sealed = bytearray(path.read_bytes())
    sealed[place] ^= 1
    path.write_bytes(sealed)
    with pytest.raises(Failure, match="does not open") as failure:
        store.get(PATIENT)
    assert failure.value.code is ExitCode.BAD_DATA


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    HeadStore(tmp_path)
    os.chmod(tmp_path / "heads.key", 0o640)
    with pytest.raises(Failure, match="0600"):
        HeadStore(tmp_path)


def test_a_key_that_is_none_is_refused(tmp_path: Path) -> None:
    HeadStore(tmp_path)
    (tmp_path / "heads.key").write_bytes(b"short")
    with pytest.raises(Failure, match="no key"):
        HeadStore(tmp_path)


def test_a_write_that_fails_leaves_the_earlier_head(
    tmp_path: Path, head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = HeadStore(tmp_path)
    store.put(PATIENT, head)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space"):
            store.put(PATIENT, replace(head, residual_phi=0.1))
    assert same(store.get(PATIENT), head)
    assert len(list(store.folder.iterdir())) == 1


def test_a_fit_comes_back_for_the_readings_it_was_made_of_and_no_others(
    tmp_path: Path, head: Head
) -> None:
    doubt = np.arange(9.0).reshape(3, 3)
    HeadStore(tmp_path).put(PATIENT, head, doubt, b"a" * 32)
    kept = HeadStore(tmp_path).fit(PATIENT, b"a" * 32)
    assert kept is not None and same(kept[0], head)
    assert kept[1] is not None and np.array_equal(kept[1], doubt)
    assert HeadStore(tmp_path).fit(PATIENT, b"b" * 32) is None
    assert HeadStore(tmp_path).fit("another", b"a" * 32) is None


def test_a_head_without_a_source_is_no_fit(tmp_path: Path, head: Head) -> None:
    HeadStore(tmp_path).put(PATIENT, head)
    assert HeadStore(tmp_path).fit(PATIENT, b"a" * 32) is None
    assert same(HeadStore(tmp_path).get(PATIENT), head)


def test_meals_delays_come_back_and_an_older_file_has_none(
    tmp_path: Path, head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, late = HeadStore(tmp_path), np.array([12.5, -8.0, 0.0, 30.0])
    store.put(PATIENT, replace(head, meal_delay_min=late))
    kept = store.get(PATIENT)
    assert kept is not None and np.array_equal(kept.meal_delay_min, late)

    def as_before(tensors: dict[str, np.ndarray]) -> bytes:
        return save({name: each for name, each in tensors.items() if name != "meal_delay_min"})

    monkeypatch.setattr(head_store, "save", as_before)
    store.put(PATIENT, replace(head, meal_delay_min=late))
    older = store.get(PATIENT)
    assert older is not None and same(older, head)
    assert np.array_equal(older.meal_delay_min, np.zeros(4))
