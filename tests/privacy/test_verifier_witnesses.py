"""What other clinics countersigned binds a ledger: the verifier names what went missing, and who
had seen it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from privacy.ledger import Ledger
from privacy.ledger_checkpoint import Checkpoint
from privacy.verifier import verify
from privacy.witnessed import WITNESSED, Witnessed, as_bytes, as_plain
from tests.privacy.test_verifier import CAP, write_ledger

pytestmark = pytest.mark.slow

NAMES = ("east", "north", "west")


def opened(folder: Path) -> Ledger:
    return Ledger.open(folder, mu_cap=CAP, study="trial")


def witnessed(run: Path, clinic: str, size: int) -> Witnessed:
    """The first `size` records of this clinic, countersigned by the other two."""
    with opened(run / "clinics" / clinic / "ledger") as ledger:
        checkpoint = ledger.checkpoint(size)
    assert checkpoint is not None
    by = {}
    for name in set(NAMES) - {clinic}:
        with opened(run / "clinics" / name / "ledger") as other:
            key = bytes.fromhex(other.public_key)
            by[name] = key, other.countersign(checkpoint, name)
    return Witnessed(checkpoint, by)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of three clinics whose five records were countersigned; both places hold that."""
    for name in NAMES:
        write_ledger(tmp_path / "clinics" / name / "ledger")
    kept = {name: (witnessed(tmp_path, name, 5),) for name in NAMES}
    for name in NAMES:
        (tmp_path / "clinics" / name / "ledger" / WITNESSED).write_bytes(as_bytes(kept[name]))
    (tmp_path / "server").mkdir()
    plain = {"clinics": {name: as_plain(one) for name, one in kept.items()}}
    (tmp_path / "server" / "witness.json").write_text(json.dumps(plain, indent=1))
    return tmp_path


def home(run: Path) -> Path:
    return run / "clinics" / "east" / "ledger"


def problems(path: Path) -> dict[str, str]:
    """What was found wrong, by clinic."""
    verdict = verify(path)
    found = {Path(one.folder).parent.name: one.problem for one in verdict.ledgers}
    assert verdict.holds is not any(found.values())
    assert all(one.epsilon is None for one in verdict.ledgers if one.problem)
    return {name: problem for name, problem in found.items() if problem}


def test_what_was_countersigned_and_is_there_holds(run: Path) -> None:
    assert problems(run) == {}
    for one in verify(run).ledgers:
        name = Path(one.folder).parent.name
        assert (one.witnessed, set(one.witnesses)) == (5, set(NAMES) - {name})


def cut_to(count: int, folder: Path) -> None:
    path = folder / "ledger.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:count]))
    for vector in list((folder / "releases").glob("*.npy"))[count // 2 :]:
        vector.unlink()


def test_a_tail_cut_off_is_told_by_what_lies_beside_it(run: Path) -> None:
    for vector in (home(run) / "releases").glob("trial.2.npy"):
        vector.unlink()
    cut_to(3, home(run))
    (home(run) / "releases").mkdir(exist_ok=True)
    (one,) = verify(home(run)).ledgers
    assert one.problem is not None
    assert one.problem.startswith("witnessed.json: rolled back: 5 records were countersigned by")
    assert "north" in one.problem


def rolled_back(run: Path) -> None:
    """The whole folder of yesterday, signatures and all."""
    for name in ("ledger.jsonl", WITNESSED):
        (home(run) / name).unlink()
    shutil.rmtree(home(run) / "releases")
    opened(home(run)).close() if (home(run) / "ledger.key").exists() else None


def test_a_folder_put_back_whole_is_told_by_the_run(run: Path) -> None:
    rolled_back(run)
    assert verify(home(run)).holds  # alone it cannot know
    assert set(problems(run)) == {"east"}
    assert problems(run)["east"].startswith("witness.json: rolled back: 5 records")


def grown_again(run: Path) -> None:
    rolled_back(run)
    with opened(home(run)) as ledger:
        for number in range(1, 3):
            ledger.debit(number, 99.0, 1.0)
            ledger.store(number, np.zeros(2))
        for number in range(3, 6):
            ledger.debit(number, 99.0, 1.0)


def test_another_history_of_the_same_length_is_told(run: Path) -> None:
    grown_again(run)
    assert problems(run)["east"].startswith("witness.json: another history: ")


def test_another_ledger_is_told_by_its_key(run: Path) -> None:
    shutil.rmtree(home(run))
    write_ledger(home(run))
    assert "another ledger, with another key" in problems(run)["east"]


def forged(change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
    def forge(run: Path) -> None:
        path = home(run) / WITNESSED
        plain = json.loads(path.read_bytes())
        change(plain[0])
        path.write_text(json.dumps(plain, sort_keys=True, separators=(",", ":")) + "\n")

    return forge


def as_another(run: Path) -> None:
    """Somebody with a key of his own signs as north."""
    with opened(home(run)) as ledger, opened(run / "stranger") as stranger:
        checkpoint = ledger.checkpoint(5)
        assert checkpoint is not None
        by = {
            "north": (bytes.fromhex(stranger.public_key), stranger.countersign(checkpoint, "north"))
        }
    (home(run) / WITNESSED).write_bytes(as_bytes([Witnessed(checkpoint, by)]))


def as_another_everywhere(run: Path) -> None:
    as_another(run)
    (run / "server" / "witness.json").unlink()


FORGED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a size that nobody signed": (forged(lambda one: one.update(size=4)), "wrong signature"),
    "a root that nobody signed": (
        forged(lambda one: one.update(root="00" * 32)),
        "wrong signature",
    ),
    "another owner": (forged(lambda one: one.update(public_key="11" * 32)), "witnessed.json: "),
    "a name exchanged": (
        forged(lambda one: one.update(by={"south": next(iter(one["by"].values()))})),  # type: ignore[attr-defined]
        "wrong signature",
    ),
    "no size": (forged(lambda one: one.pop("size")), "'size'"),
    "a size of words": (forged(lambda one: one.update(size="five")), "witnessed.json: "),
    "a negative size": (forged(lambda one: one.update(size=-1)), "witnessed.json: "),
    "a signature by a stranger": (as_another, "north countersigned with two keys"),
    "signatures by a stranger alone": (
        as_another_everywhere,
        "countersigned as north by a key that is not north's",
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_signature_is_told(name: str, run: Path) -> None:
    plant, found = FORGED[name]
    plant(run)
    assert found in problems(run)["east"]


@pytest.mark.parametrize("text", ["{", "5", "[5]", "[] ", "null\n"])
def test_a_file_of_another_form_is_told(text: str, run: Path) -> None:
    (home(run) / WITNESSED).write_text(text)
    assert problems(run)["east"].startswith("witnessed.json: ")


def test_what_nothing_countersigned_is_no_fault(run: Path) -> None:
    """A ledger of one clinic alone, or a study of the time before witnesses."""
    (home(run) / WITNESSED).unlink()
    (run / "server" / "witness.json").unlink()
    assert problems(run) == {}


def test_a_checkpoint_of_nothing_is_none(run: Path) -> None:
    with opened(home(run)) as ledger:
        assert ledger.checkpoint(0) is ledger.checkpoint(6) is None
        good = ledger.checkpoint(5)
        assert good is not None
        assert ledger.holds(good)
        assert not ledger.holds(Checkpoint(good.public_key, 6, good.root, good.signature))
