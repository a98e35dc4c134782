"""A clinic signs others' checkpoints only where they go on, and notices a ledger put back."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from client.witness import BOOK, RolledBack, Witness
from privacy.ledger import Ledger, LedgerError
from privacy.ledger_checkpoint import CheckpointError, Published, signed
from privacy.witnessed import WITNESSED, read_witnessed
from study.witness import NONE, Seen, Shown, read_seen, shown_bytes

MEMBERS = ("east", "north", "west")


class Site:
    """One clinic's ledger and witness, opened anew with each use as a restarted agent would."""

    def __init__(self, home: Path, name: str) -> None:
        self.home, self.name = home / name, name
        self.home.mkdir()

    def ledger(self) -> Ledger:
        return Ledger.open(self.home / "ledger", mu_cap=10.0, study="trial")

    def witness(self, ledger: Ledger) -> Witness:
        return Witness(self.home, "trial", self.name, MEMBERS, ledger)

    def spend(self, round_number: int) -> Published:
        with self.ledger() as ledger:
            ledger.debit(round_number, 9.0, 1.0)
            return ledger.published()

    def published(self) -> Published:
        with self.ledger() as ledger:
            return ledger.published()

    def hear(self, shown: Mapping[str, Shown | Published]) -> tuple[Seen, list[str]]:
        with self.ledger() as ledger:
            witness = self.witness(ledger)
            doubts = witness.hear(told(shown))
            return read_seen(witness.answer(), len(MEMBERS)), doubts

    def copied(self, folder: Path) -> Path:
        shutil.copytree(self.home / "ledger", folder)
        return folder

    def put_back(self, folder: Path) -> None:
        shutil.rmtree(self.home / "ledger")
        shutil.copytree(folder, self.home / "ledger")


def told(shown: Mapping[str, Shown | Published]) -> bytes:
    nothing = Shown(None, 0, (NONE,) * 3)
    entries = [shown.get(name, nothing) for name in MEMBERS]
    return shown_bytes(
        [one if isinstance(one, Shown) else Shown(one, 0, (NONE,) * 3) for one in entries]
    )


@pytest.fixture
def east(tmp_path: Path) -> Site:
    return Site(tmp_path, "east")


@pytest.fixture
def north(tmp_path: Path) -> Site:
    return Site(tmp_path, "north")


def has_signed(witness: Site, seen: Seen, about: Published) -> bool:
    assert seen.published is not None
    key, statement = (
        seen.published.checkpoint.public_key,
        about.checkpoint.witness_statement(witness.name),
    )
    return signed(key, seen.signatures[MEMBERS.index("north")], statement)


def test_a_first_checkpoint_is_signed_and_one_that_goes_on(east: Site, north: Site) -> None:
    for number in (1, 2, 3):
        published = north.spend(number)
        seen, doubts = east.hear({"north": published})
        assert doubts == []
        assert has_signed(east, seen, published)
        assert seen.signatures[0] == seen.signatures[2] == NONE
    assert seen.published == east.published()


def test_the_same_again_is_signed_again(east: Site, north: Site) -> None:
    published = north.spend(1)
    first, again = east.hear({"north": published}), east.hear({"north": published})
    assert first == again


def test_what_is_not_shown_is_not_signed(east: Site, north: Site) -> None:
    east.hear({"north": north.spend(1)})
    seen, doubts = east.hear({})
    assert (set(seen.signatures), doubts) == ({NONE}, [])


def test_an_older_checkpoint_is_not_signed(east: Site, north: Site) -> None:
    older, newer = north.spend(1), north.spend(2)
    east.hear({"north": newer})
    seen, doubts = east.hear({"north": older})
    assert set(seen.signatures) == {NONE}
    assert doubts == ["checkpoint of north not signed: it has 2 records, and had 3: rolled back"]


def test_another_history_is_not_signed(east: Site, north: Site, tmp_path: Path) -> None:
    north.published()
    copy = north.copied(tmp_path / "copy")
    north.spend(1)
    east.hear({"north": north.spend(2)})
    north.put_back(copy)
    for number in (7, 8, 9):
        forked = north.spend(number)
    seen, doubts = east.hear({"north": forked})
    assert set(seen.signatures) == {NONE}
    assert "first 3 records are not, or not shown to be, those seen before" in doubts[0]


def test_another_key_is_another_ledger(east: Site, north: Site) -> None:
    east.hear({"north": north.spend(1)})
    shutil.rmtree(north.home / "ledger")
    seen, doubts = east.hear({"north": north.spend(1)})
    assert set(seen.signatures) == {NONE}
    assert "another key" in doubts[0]


def test_what_was_seen_is_on_the_disk_before_it_is_signed(
    east: Site, north: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in between, the agent has signed nothing that it does not remember."""
    published = north.spend(1)
    with east.ledger() as ledger:
        witness = east.witness(ledger)
        monkeypatch.setattr(Ledger, "countersign", lambda *_: pytest.fail("signed too early"))
        witness.hear(told({"north": published}))
    book = json.loads((east.home / BOOK).read_text())
    assert book["trial"]["north"]["size"] == 2


def test_studies_have_clinics_of_their_own(east: Site, north: Site) -> None:
    """Another study's north may be another clinic."""
    east.hear({"north": north.spend(1)})
    shutil.rmtree(north.home / "ledger")
    with east.ledger() as ledger:
        witness = Witness(east.home, "second", "east", MEMBERS, ledger)
        assert witness.hear(told({"north": north.spend(1)})) == []
        assert set(json.loads((east.home / BOOK).read_text())) == {"trial", "second"}


def signed_by_north(east: Site, north: Site) -> Shown:
    """What the centre shows of east once north has signed its checkpoint."""
    published = east.published()
    seen, _ = north.hear({"east": published})
    seals = (NONE, seen.signatures[0], NONE)
    return Shown(published, published.checkpoint.size, seals)


def test_what_others_signed_is_kept_beside_the_ledger(east: Site, north: Site) -> None:
    east.spend(1)
    shown = signed_by_north(east, north)
    east.hear({"east": shown, "north": north.published()})
    (kept,) = read_witnessed(east.home / "ledger")
    assert kept.checkpoint == east.published().checkpoint
    key, seal = kept.by["north"]
    assert key == north.published().checkpoint.public_key
    assert signed(key, seal, kept.checkpoint.witness_statement("north"))


@pytest.mark.parametrize("planted", ["seal", "size", "stranger"])
def test_a_signature_that_does_not_fit_is_not_kept(
    planted: str, east: Site, north: Site, tmp_path: Path
) -> None:
    east.spend(1)
    shown = signed_by_north(east, north)
    if planted == "seal":
        shown = Shown(shown.published, shown.signed_size, (NONE, bytes(64), NONE))
    if planted == "size":
        shown = Shown(shown.published, 1, shown.signatures)
    if planted == "stranger":  # west was never seen, so whose signature it is cannot be known
        shown = Shown(shown.published, shown.signed_size, (NONE, NONE, shown.signatures[1]))
    east.hear({"east": shown, "north": north.published()})
    assert read_witnessed(east.home / "ledger") == ()


def test_a_ledger_put_back_alone_does_not_start(east: Site, north: Site, tmp_path: Path) -> None:
    """Somebody restored yesterday's ledger.jsonl beside today's signatures."""
    old = (east.home / "ledger" / "ledger.jsonl") if east.published() else tmp_path
    before = old.read_bytes()
    east.spend(1)
    east.hear({"east": signed_by_north(east, north), "north": north.published()})
    old.write_bytes(before)
    with east.ledger() as ledger, pytest.raises(RolledBack) as refused:
        east.witness(ledger)
    text = str(refused.value)
    assert "found a ledger of 1 records" in text
    assert "expected the 2 that it once signed" in text
    assert "witnessed.json, countersigned by north" in text
    assert "older day" in text


def test_a_folder_put_back_whole_is_told_by_what_the_centre_shows(
    east: Site, north: Site, tmp_path: Path
) -> None:
    east.published()
    copy = east.copied(tmp_path / "copy")
    shown = signed_by_north(east, north)
    newer = east.spend(1)
    east.put_back(copy)
    assert east.hear({"east": shown})[1] == []  # what it still has
    with pytest.raises(RolledBack, match="expected the 2 that it once signed"):
        east.hear({"east": newer})


def test_a_folder_put_back_and_grown_again_is_told_too(east: Site, tmp_path: Path) -> None:
    """As many records as before, but others."""
    east.published()
    copy = east.copied(tmp_path / "copy")
    newer = east.spend(1)
    east.put_back(copy)
    east.spend(2)
    with pytest.raises(RolledBack, match="found a ledger of 2 records"):
        east.hear({"east": newer})


def test_a_new_ledger_in_the_place_of_a_lost_one_is_told(east: Site) -> None:
    newer = east.spend(1)
    shutil.rmtree(east.home / "ledger")
    with pytest.raises(RolledBack, match="found a ledger with the key"):
        east.hear({"east": newer})


def test_nobody_who_knows_no_key_can_make_a_clinic_think_so(east: Site, north: Site) -> None:
    """Bytes that east did not sign are no checkpoint of east."""
    data = bytearray(told({"east": east.spend(1)}))
    data[0] += 1
    with east.ledger() as ledger, pytest.raises(CheckpointError):
        east.witness(ledger).hear(bytes(data))


@pytest.mark.parametrize("name", [BOOK, f"ledger/{WITNESSED}"])
@pytest.mark.parametrize("text", ["{", "[1]", '{"trial": {"north": {}}}', "5"])
def test_a_file_that_cannot_be_read_stops_the_agent(name: str, text: str, east: Site) -> None:
    """To take it for empty would be to forget."""
    with east.ledger() as ledger:
        (east.home / name).write_text(text)
        with pytest.raises(LedgerError, match="do not delete it"):
            east.witness(ledger)


def test_a_witness_who_missed_thirty_rounds_still_signs(east: Site, north: Site) -> None:
    east.hear({"north": north.published()})
    with north.ledger() as ledger:
        for number in range(1, 64):
            ledger.debit(number, 99.0, 1.0)
        published = ledger.published()
    assert east.hear({"north": published})[1] == []
    with north.ledger() as ledger:
        for number in range(64, 130):
            ledger.debit(number, 99.0, 1.0)
        published = ledger.published()
    assert "not, or not shown to be" in east.hear({"north": published})[1][0]
