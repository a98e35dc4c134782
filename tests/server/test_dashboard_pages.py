"""What each page says, at each moment of a study; names are names, whatever they spell."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from server.app_ending import told
from server.dashboard_pages import (
    PAGES,
    Looked,
    clinic_page,
    duration,
    errors_by_code,
    moment,
    page,
    standing,
)
from server.report import TEMPLATES
from server.run_record import RunRecord, write_run_record
from server.run_view import RunView, read_run
from study.failure import ExitCode, Failure
from study.protocol import parse_protocol
from study.wire import Code
from tests.server.study_folder import BEGAN_S, finished, replied, study_folder, twelve_rounds

PROTOCOL = twelve_rounds()
SOON_S = BEGAN_S + 900.0
LATE_S = BEGAN_S + 8 * 102.0 + 661.0


@pytest.fixture
def half(tmp_path: Path) -> Path:
    return study_folder(tmp_path / "half", PROTOCOL, 8)


@pytest.fixture
def whole(tmp_path: Path, full_record: RunRecord) -> Path:
    return finished(tmp_path / "whole", PROTOCOL, full_record)


def shown(folder: Path, path: str, now_s: float = SOON_S, still: bool = False) -> str:
    return page(path, Looked(read_run(folder), now_s, still))


def words(html: str) -> str:
    """The page's text as it is read out, in one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


class Reader(HTMLParser):
    """Notes tags that are left open, ids given twice, and links."""

    EMPTY = frozenset({"meta", "link", "rect", "line", "circle", "path"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.ids += [str(told["id"])] if "id" in told else []
        self.links += [str(told["href"])] if tag == "a" else []
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self.open.pop() == tag


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("folder", ["half", "whole", "empty"])
def test_every_page_is_whole_html(
    path: str, folder: str, tmp_path: Path, full_record: RunRecord
) -> None:
    place = tmp_path / folder
    place.mkdir()
    if folder == "half":
        study_folder(place, PROTOCOL, 8)
    if folder == "whole":
        finished(place, PROTOCOL, full_record)
    html = shown(place, path)
    reader = Reader(html)
    assert reader.open == []
    assert len(set(reader.ids)) == len(reader.ids)
    assert 'lang="en"' in html and html.count("<h1") == 1 and html.count("<main") == 1
    assert f'href="{path}" aria-current="page"' in html
    assert "Research software, not for treatment" in html
    assert not re.search(r'style="|onclick|javascript:|https?://', html)


def test_the_overview_says_who_took_part(half: Path) -> None:
    said = words(shown(half, "/"))
    assert "8 of 12" in said and "quorum 2" in said and "ε = 8 δ = 1e-5" in said
    assert "round 12 , not asked yet" in said
    assert said.count("released") == 1 + 4 * 8 - 5  # once in the caption
    assert "headland" not in said  # an observer is asked nothing


def test_the_overview_of_a_long_study_shows_its_end(tmp_path: Path) -> None:
    many = twelve_rounds().canonical().replace("rounds: 12", "rounds: 30")
    study_folder(tmp_path / "run", parse_protocol(many), 26)
    html = shown(tmp_path / "run", "/")
    assert "All 27 rounds" in html and "</span>4</th>" in html and "</span>3</th>" not in html
    assert "</span>1</th>" in shown(tmp_path / "run", "/rounds")


def test_the_pages_say_when_noise_protects_nobody(tmp_path: Path) -> None:
    study_folder(tmp_path / "run", twelve_rounds("simulated"), 1, {})
    assert "this run protects nobody" in shown(tmp_path / "run", "/")


def test_rounds_tell_phase_people_and_seconds(half: Path) -> None:
    said = words(shown(half, "/rounds"))
    assert "9 waiting for clinics" in said
    assert "3 over 2 of 4 lagoon REFUSED , estuary NO_REPLY 39 1 min 40 s 2.0 s" in said


def test_errors_tell_where_why_and_what_to_do(half: Path) -> None:
    assert errors_by_code(read_run(half)) == {
        "NO_REPLY": [("estuary", [2, 3])],
        "NO_AGENT": [("lighthouse", [5])],
        "OTHER_PROTOCOL": [("estuary", [7])],
        "REFUSED": [("lagoon", [3])],
    }
    said = words(shown(half, "/errors"))
    assert "NO_REPLY 2 estuary , rounds 2, 3 Nothing came from the clinic" in said
    assert "Errors 5 to read" in said


def test_every_error_that_is_linked_to_has_its_place(half: Path) -> None:
    linked = {
        link.partition("#")[2]
        for path in ("/", "/rounds")
        for link in Reader(shown(half, path)).links
        if link.startswith("/errors#")
    }
    assert linked and linked <= set(Reader(shown(half, "/errors")).ids)


def test_budgets_tell_spent_most_and_cap(half: Path) -> None:
    said = words(shown(half, "/budgets"))
    assert "harbour 8 6.28 6.73 8.00" in said
    assert "estuary 5 4.76 6.28 8.00" in said  # one refusal of its eight answers was free
    assert "Releases 1 2 3 4 5 6 7 8 9 10 11 12" in said


def test_forecasts_hold_the_numbers_of_the_record(whole: Path, full_record: RunRecord) -> None:
    said = words(shown(whole, "/forecasts"))
    for one in full_record.scores:
        assert f"{one.rmse_mg_dl:.1f}" in said
    assert "lighthouse forecasts worse" in said


def test_a_clinics_page_holds_its_own_alone(half: Path, whole: Path) -> None:
    said = words(clinic_page("estuary", Looked(read_run(half), SOON_S)))
    assert "5 of 8 rounds" in said and "OTHER_PROTOCOL" in said
    assert "lagoon" not in said
    kept = words(clinic_page("lighthouse", Looked(read_run(whole), SOON_S)))
    assert "its old body" in kept and "120 minutes ahead" in kept
    assert "harbour" not in kept and "lagoon" not in kept


def test_a_pages_words_change_only_with_the_study(half: Path) -> None:
    """A page is its reader's until something happened: no clock ticks in it."""
    assert shown(half, "/", SOON_S) == shown(half, "/", SOON_S + 100)
    before = shown(half, "/")
    replied(half, PROTOCOL, 9, {})
    assert shown(half, "/") != before


def at(view: RunView, now_s: float = SOON_S) -> tuple[str, str]:
    found = standing(view, now_s)
    return found.tone, found.words


def test_where_the_study_stands(half: Path, whole: Path, tmp_path: Path) -> None:
    since = "since 28 Nov 2025, 15:13:36"
    assert at(read_run(half)) == ("waiting", f"Round 9 of 12: waiting for the clinics {since}.")
    assert at(read_run(half), LATE_S - 2.0)[0] == "waiting"
    tone, said = at(read_run(half), LATE_S)
    assert tone == "late" and since in said and "deadline of 10 min 00 s has passed" in said
    replied(half, PROTOCOL, 9, {})
    assert at(read_run(half), LATE_S)[1] == (
        "Round 9 of 12: the replies are in; the centre adds them up."
    )
    assert at(read_run(whole)) == ("done", "All 12 rounds are over.")
    assert at(read_run(tmp_path / "nothing"))[0] == "waiting"


def test_a_server_that_stopped_says_why(half: Path) -> None:
    refusal = Failure(
        found="1 release",
        expected="2",
        consequence="It stopped.",
        remedy="start them",
        code=ExitCode.TOO_FEW_REPLIES,
    )
    with pytest.raises(Failure), told(half):
        raise refusal
    said = "The study stopped: found 1 release. What to do: start them"
    assert at(read_run(half)) == ("late", said)
    (half / "server" / "failure.json").write_text("{")
    assert [one.name for one in read_run(half).broken] == ["server/failure.json"]


def test_a_run_without_its_protocol_still_stands_somewhere(half: Path) -> None:
    (half / "protocol.yaml").unlink()
    assert at(read_run(half)) == ("waiting", "Round 8 is over.")
    for path in PAGES:
        assert "four-waters" not in shown(half, path)


def test_broken_files_are_named_on_every_page(half: Path) -> None:
    (half / "run.json").write_text("{")
    (half / "server" / "0003-round.safetensors").write_bytes(b"half")
    for path in PAGES:
        html = shown(half, path)
        assert "Files that cannot be shown" in html
        assert "<code>run.json</code>" in html
        assert "<code>server/0003-round.safetensors</code>" in html


def test_a_clinic_may_be_called_anything(half: Path, full_record: RunRecord) -> None:
    (half / "protocol.yaml").unlink()
    evil = '<script>alert(1)</script>"/../'
    text = full_record.model_dump(mode="json")
    text["clinics"][3]["name"] = evil
    text["scores"] = [one for one in text["scores"] if one["clinic"] != "leeds"]
    write_run_record(half, RunRecord.model_validate(text))
    view = read_run(half)
    assert evil in view.clinics
    for html in [shown(half, path) for path in PAGES] + [clinic_page(evil, Looked(view, SOON_S))]:
        assert "<script>alert" not in html and '"/../' not in html
        assert Reader(html).open == []
    assert "/clinics/%3Cscript%3E" in shown(half, "/clinics")


def test_a_page_held_still_renews_itself_by_nothing(half: Path, whole: Path) -> None:
    following, still = shown(half, "/"), shown(half, "/", still=True)
    assert "live.js" in following and "http-equiv" in following
    assert "live.js" not in still and "http-equiv" not in still
    assert 'href="/rounds?still"' in still  # and so do the pages it leads to
    assert "http-equiv" not in shown(whole, "/")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "·"), (2.04, "2.0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_seconds_for_people(seconds: float | None, said: str) -> None:
    assert duration(seconds) == said


def test_moments_for_people() -> None:
    assert moment(BEGAN_S) == "28 Nov 2025, 15:00:00"
    assert moment(1e30) == "a time nobody can read"


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Of two colours, as WCAG 2 has it: 1 for the same, 21 for black on white."""
    low, high = sorted([_luminance(one), _luminance(other)])
    return (high + 0.05) / (low + 0.05)


def palettes() -> dict[str, dict[str, str]]:
    """The colours by name, light and dark."""
    report = (TEMPLATES / "report.css").read_text()
    light, dark = (TEMPLATES / "dashboard" / "dashboard.css").read_text().split("@media (prefers-c")
    colour = re.compile(r"--(\w+): (#[0-9a-f]{6})")
    bright = dict(colour.findall(report)) | dict(colour.findall(light))
    return {"light": bright, "dark": bright | dict(colour.findall(dark))}


@pytest.mark.parametrize("side", ["light", "dark"])
@pytest.mark.parametrize("ink", ["ink", "soft", "teal", "rust", "plum"])
@pytest.mark.parametrize("ground", ["paper", "tint", "warm"])
def test_words_stand_out_from_their_ground(side: str, ink: str, ground: str) -> None:
    """WCAG 2, level AA: 4.5 to 1."""
    colours = palettes()[side]
    assert contrast(colours[ink], colours[ground]) >= 4.5


def test_a_pale_ink_is_seen() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#9aa4ad", "#fdfdfb") < 4.5


def test_every_code_of_the_wire_can_be_shown(half: Path) -> None:
    replied(half, PROTOCOL, 9, dict(zip(["harbour", "lagoon"], list(Code)[1:3], strict=True)))
    said = words(shown(half, "/errors"))
    assert "INTERNAL" in said and "MALFORMED" in said
