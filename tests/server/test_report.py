"""`report.html`: one page that says everything, loads nothing, and cannot be written into."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from server.report import render, unbroken, write_report
from server.run_record import COHORTS, MODELS, RunRecord, write_run_record
from server.score_book import ScoreBook
from study.failure import ExitCode, Failure

pytestmark = pytest.mark.slow

EVIL = "<script>alert('ward')</script>&\"$\\x$"
VOID = {"meta", "path", "use", "br", "rect"}


class Page(HTMLParser):
    """Tags, ids, attributes and the words a reader sees."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words += " " + data

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", self.words.replace("\u00ad", ""))


@pytest.fixture(scope="module")
def html(full_record: RunRecord) -> str:
    return render(full_record)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_every_tag_is_closed_and_every_id_is_unique(page: Page) -> None:
    assert page.open == []
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_every_reference_within_the_page_leads_somewhere(page: Page) -> None:
    ids = {value for name, value in page.attributes if name == "id"}
    links = {value[1:] for name, value in page.attributes if name.endswith("href")}
    clips = {found for _, value in page.attributes for found in re.findall(r"url\(#(.*?)\)", value)}
    assert links | clips and (links | clips) <= ids


def test_the_page_loads_nothing(html: str, page: Page) -> None:
    assert not re.search(r"https?:|//\w|@import|url\((?!#)", html)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert "default-src 'none'" in html


def test_the_page_says_it_is_no_treatment(page: Page) -> None:
    assert page.text.count("Research software, not for treatment") == 2


def test_every_score_is_in_a_table(full_record: RunRecord, html: str) -> None:
    for score in full_record.scores:
        assert f"<b>{score.rmse_mg_dl:.1f}</b><small>{score.mard_pct:.1f}</small>" in html
    cells = re.findall(r"<b>[\d.]+</b><small>", html)
    assert len(cells) == len(full_record.scores)


def test_all_models_have_a_column_in_all_cohorts(
    full_record: RunRecord, html: str, page: Page
) -> None:
    book = ScoreBook.of(full_record)
    tables = sum(len(book.horizons_min(cohort)) for cohort in COHORTS)
    rows = re.findall(r'<table class="errors">.*?</table>', html, re.S)
    assert len(rows) == tables == 9
    for table in rows:
        header = table[: table.index("<tbody>")]
        assert header.count('scope="col"') == len(MODELS) + 1
    for title in ("People who took part", "New people at the same", "A clinic that took no part"):
        assert title in page.text


def test_only_the_lowest_error_of_a_row_is_underlined(html: str) -> None:
    table = re.findall(r'<table class="errors">.*?</table>', html, re.S)[0]
    for row in re.findall(r"<tbody>(.*)</tbody>", table, re.S)[0].split("</tr>")[:-1]:
        values = {float(v) for v in re.findall(r"<b>([\d.]+)</b>", row)}
        (marked,) = re.findall(r'lowest">\s*<b>([\d.]+)</b>', row)
        assert float(marked) == min(values)


def test_the_privacy_spent_is_said_in_numbers_and_in_words(page: Page) -> None:
    for told in ("ε = 8", "1e-5", "1.613", "0.8768", "8.002", "18.81", "12.4", "Releases"):
        assert told in page.text
    # Phi(mu + Phi^-1(0.01)) = Phi(1.6129 - 2.3263) = 0.2378
    assert "at most 23.8 % of the cases" in page.text


def test_epsilons_that_nobody_computed_are_left_out(thin_record: RunRecord) -> None:
    privacy = thin_record.privacy.model_copy(
        update={"pld_epsilon": None, "replace_one_epsilon": None, "two_site_epsilon": None}
    )
    text = render(thin_record.model_copy(update={"privacy": privacy}))
    for label in ("loss distributions", "replaced by another", "two of these clinics", "None"):
        assert label not in text


def test_simulated_noise_is_said_loudly_and_exact_noise_is_not(thin_record: RunRecord) -> None:
    assert "protects nobody" not in render(thin_record)
    loud = render(thin_record.model_copy(update={"noise": "simulated"}))
    assert "Simulated noise." in loud
    assert "this run itself protects nobody" in loud
    assert loud.index("Simulated noise") < loud.index("<main>")


def test_who_took_part_and_what_each_clinic_kept(page: Page) -> None:
    table = page.text[page.text.index("People declared, rounds, and") :]
    assert "manchester-5min 3 2 of 2 none the federated body" in table
    assert "manchester-15min 5 1 of 2 2 the federated body" in table
    assert "madrid 17 2 of 2 none its old body" in table
    assert "leeds 6 0 of 2 took no part not told" in table


def test_an_observer_is_not_counted_among_those_who_took_part(page: Page) -> None:
    assert "Clinics that took part 3 of 4 People they declared 25 Rounds 2" in page.text


def test_forecasts_are_drawn_beside_the_sensor(page: Page) -> None:
    assert "Forecasts beside the sensor" in page.text
    assert "Person A, openly published, manchester-5min." in page.text


def renamed(record: RunRecord, name: str) -> RunRecord:
    text = record.model_dump_json()
    data = RunRecord.model_validate_json(text).model_dump()
    swap = {"madrid": name}
    data["clinics"] = [c | {"name": swap.get(c["name"], c["name"])} for c in data["clinics"]]
    data["scores"] = [s | {"clinic": swap.get(s["clinic"], s["clinic"])} for s in data["scores"]]
    data["rounds"] = [{"round": 1, "took_part": [name]}]
    data["adoption"] = {name: "old"}
    data["forecasts"] = [f | {"clinic": name, "label": name} for f in data["forecasts"]]
    data["notes"] = [name]
    return RunRecord.model_validate(data)


def test_a_name_with_markup_does_no_harm(full_record: RunRecord) -> None:
    text = render(renamed(full_record, EVIL))
    page = Page(text)
    assert "script" not in page.tags and "<script" not in text
    assert page.open == []
    assert page.text.count("<script>alert('ward')</script>&\"$\\x$") >= 6
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_without_escaping_the_same_name_would_do_harm(thin_record: RunRecord) -> None:
    """The planted bug: markup taken from a name makes a script tag, which the test above sees."""
    planted = render(thin_record).replace("madrid", EVIL)
    assert "script" in Page_without_checks(planted).tags


class Page_without_checks(Page):  # noqa: N801
    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            self.open.remove(tag)


def test_a_run_without_scores_still_has_a_page(thin_record: RunRecord) -> None:
    page = Page(render(thin_record.model_copy(update={"scores": (), "forecasts": ()})))
    assert "This run was not scored" in page.text
    assert "cannot say who gained" in page.text
    assert "Privacy spent" in page.text and page.open == []


@pytest.mark.parametrize("model", ["persistence", "mean", "federated_dp", "pretrained"])
def test_a_run_with_some_scores_still_has_a_page(model: str, full_record: RunRecord) -> None:
    """One model alone at one clinic: every rival, and every other cohort, is missing."""
    some = tuple(
        score
        for score in full_record.scores
        if score.model == model and score.clinic == "madrid" and score.cohort == "same_patients"
    )
    page = Page(render(full_record.model_copy(update={"scores": some[:1]})))
    assert "People who took part" in page.text and "New people" not in page.text
    assert page.open == []


def test_a_run_without_rounds_still_has_a_page(thin_record: RunRecord) -> None:
    assert "0 of 0" in Page(render(thin_record.model_copy(update={"rounds": ()}))).text


def test_a_number_and_its_unit_stay_on_one_line(html: str) -> None:
    assert unbroken("0.2 mg/dL, under 1 % so") == "0.2\u00a0mg/dL, under\u00a01\u00a0% so"
    assert "0.4\u00a0mg/dL, 2\u00a0%" in html


def test_equal_runs_have_equal_pages(thin_record: RunRecord) -> None:
    assert render(thin_record) == render(thin_record)


def test_the_page_is_written_beside_its_record(thin_record: RunRecord, tmp_path: Path) -> None:
    write_run_record(tmp_path, thin_record)
    path = write_report(tmp_path)
    assert path == tmp_path / "report.html"
    assert path.read_text(encoding="utf-8") == render(thin_record)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["report.html", "run.json"]


@pytest.mark.parametrize(
    ("content", "code"), [(None, ExitCode.MISSING_INPUT), ("{", ExitCode.BAD_DATA)]
)
def test_without_a_good_record_there_is_no_page(
    content: str | None, code: ExitCode, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(Failure) as raised:
        write_report(tmp_path)
    assert raised.value.code is code and raised.value.remedy
    assert not (tmp_path / "report.html").exists()


def test_a_study_of_many_clinics_has_a_line_for_each(thin_record: RunRecord) -> None:
    names = [f"clinic-{number:02d}" for number in range(20)]
    data = thin_record.model_dump()
    of_one = [score for score in data["scores"] if score["clinic"] == "madrid"]
    data |= {
        "clinics": [{"name": name, "declared_patients": 20} for name in names],
        "rounds": [{"round": number, "took_part": names} for number in range(1, 41)],
        "scores": [score | {"clinic": name} for name in names for score in of_one],
        "adoption": dict.fromkeys(names, "new"),
    }
    page = Page(render(RunRecord.model_validate(data)))
    assert page.open == []
    for name in names:
        assert f"{name} 20 40 of 40 none the federated body" in page.text
    assert "No clinic forecasts better" in page.text
