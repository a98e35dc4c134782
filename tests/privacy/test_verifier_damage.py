"""A thousand damaged copies of a demo's ledger folder: each is named, and none slips through.

A flipped bit in the newline at the end of the file tears the last record; one in a newline between
two makes one line of both, and the first is named. A bit in a vector, in the header of its file or
in the padding there, names the vector. One in `witnessed.json` names that file.
"""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from privacy.verifier import verify
from privacy.witnessed import WITNESSED
from simulations.federation import agents_of, noise_of, run_federation
from tests.study.small_study import RidgeVector, protocol_with, small_people

pytestmark = pytest.mark.slow

COPIES = 1000
PROTOCOL = protocol_with(("rounds: 2", "rounds: 6"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of three clinics through real agents: ledgers of 13 records, vectors, signatures."""
    folder = tmp_path_factory.mktemp("demo")
    people, noise = small_people(), noise_of(PROTOCOL, 7)
    clinics = folder / "clinics"
    with agents_of(PROTOCOL, people, RidgeVector(), clinics, noise, lambda: 1.0) as agents:
        run_federation(PROTOCOL, agents, folder, RidgeVector())
    assert verify(folder).holds
    return folder


@pytest.fixture
def ledger(run: Path, tmp_path: Path) -> Path:
    """A copy of one clinic's ledger, to be damaged."""
    shutil.copytree(run / "clinics" / "north" / "ledger", tmp_path / "ledger")
    assert len((tmp_path / "ledger" / "ledger.jsonl").read_bytes().splitlines()) == 13
    return tmp_path / "ledger"


def flipped(data: bytes, place: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1 << bit
    return bytes(changed)


def line_of(data: bytes, place: int) -> int:
    return data[:place].count(b"\n")


def named(ledger: Path) -> tuple[int | None, str]:
    """What the verifier says of a damaged ledger; the test fails if it says nothing."""
    (one,) = verify(ledger).ledgers
    assert one.problem is not None, "a damaged ledger was found to hold"
    assert one.epsilon is None
    return one.bad_record, one.problem


def test_a_thousand_damaged_copies_of_the_records_are_each_named(ledger: Path) -> None:
    path = ledger / "ledger.jsonl"
    whole, rng = path.read_bytes(), np.random.default_rng(1000)
    lines = whole.splitlines(keepends=True)
    for copy in range(COPIES):
        place = int(rng.integers(len(whole)))
        if copy % 2 == 0:
            damaged, expected = flipped(whole, place, int(rng.integers(8))), line_of(whole, place)
        elif copy % 4 == 1:
            expected = int(rng.integers(len(lines) - 1))
            damaged = b"".join(lines[:expected] + lines[expected + 1 :])
        else:
            one, other = sorted(int(n) for n in rng.choice(len(lines), 2, replace=False))
            exchanged = [*lines]
            exchanged[one], exchanged[other] = lines[other], lines[one]
            damaged, expected = b"".join(exchanged), one
        path.write_bytes(damaged)
        assert named(ledger)[0] == expected, f"copy {copy}"


def test_the_last_record_dropped_is_named_by_who_countersigned_it(ledger: Path) -> None:
    """No chain can show that: only the witnesses' signatures do."""
    path = ledger / "ledger.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    record, problem = named(ledger)
    assert record is None
    assert "rolled back: 13 records were countersigned by ['east', 'west']" in problem
    (ledger / WITNESSED).unlink()
    assert verify(ledger).holds


@pytest.mark.parametrize(("place", "expected"), [(-1, 12), (0, 0)])
def test_where_a_bit_in_a_newline_goes(place: int, expected: int, ledger: Path) -> None:
    path = ledger / "ledger.jsonl"
    whole = path.read_bytes()
    at = len(whole) - 1 if place else whole.index(b"\n")
    for bit in range(8):
        path.write_bytes(flipped(whole, at, bit))
        assert named(ledger)[0] == expected


@pytest.mark.parametrize("name", ["releases/small-study.3.npy", WITNESSED])
def test_every_damaged_byte_of_the_other_files_is_named(name: str, ledger: Path) -> None:
    """Every byte of the first 400, and every seventh after, one bit each."""
    path = ledger / name
    whole = path.read_bytes()
    for place in [*range(min(400, len(whole))), *range(400, len(whole), 7)]:
        path.write_bytes(flipped(whole, place, place % 8))
        _, problem = named(ledger)
        assert path.name in problem, f"byte {place}: {problem}"


def test_a_release_exchanged_with_another_is_named(ledger: Path) -> None:
    one, other = (ledger / f"releases/small-study.{n}.npy" for n in (2, 5))
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    assert re.match(r"small-study\.[25]\.npy is not the vector", named(ledger)[1])


def test_a_release_under_another_spelling_of_its_number_is_named(ledger: Path) -> None:
    (ledger / "releases/small-study.3.npy").rename(ledger / "releases/small-study.03.npy")
    assert "small-study.03.npy was never debited" in named(ledger)[1]
