"""What is erased of one patient, what stays of the others, and that a crash leaves no way back."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from client import forgetting
from client.departure import takes_part
from client.forgetting import Erased, forget
from client.head_store import HeadStore
from client.site_folder import LOG, QUARANTINE, REPORT, SITE_TABLE
from client.site_table import read_site, write_site
from insula import main
from models.heads import prior_head
from study.failure import ExitCode, Failure
from tests.client.ingest.exports import BOLUS, GLUCOSE, clock, readings, write_uom
from tests.models.people import made_up_trace

PEOPLE = ("2301", "2302", "23")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Three patients with readings, heads, a report, pages and a log."""
    folder = tmp_path / "site"
    traces = [replace(made_up_trace(n, days=1), patient=name) for n, name in enumerate(PEOPLE)]
    write_site(folder / SITE_TABLE, traces)
    store = HeadStore(folder)
    for name in PEOPLE:
        store.put(name, prior_head())
    report = {"layout": "uom", "patients": [{"patient": name, "days": 1.0} for name in PEOPLE]}
    (folder / REPORT).write_text(json.dumps(report))
    (folder / QUARANTINE).write_text("file,row,column\nUoMBolus2301.csv,3,bolus_dose\n")
    (folder / "cards").mkdir()
    for number, name in enumerate(PEOPLE):
        (folder / "cards" / f"card-{number}.html").write_text(f"<title>{name}: good</title>")
    (folder / "cards" / "index.html").write_text("<td>2301</td><td>2302</td>")
    (folder / LOG).write_text("1 round 1 INTERNAL: KeyError '2301'\n2 round 2 REFUSED: 23 x\n")
    (folder / "run").mkdir()
    (folder / "run" / "agent.txt").write_text("patient 2301 has 1.0 days\n2301, 2302 left out\n")
    return folder


def bytes_below(site: Path) -> bytes:
    return b"".join(path.read_bytes() for path in site.rglob("*") if path.is_file())


def test_everything_that_names_the_patient_is_gone_but_the_log(site: Path) -> None:
    erased = forget(site, "2301")
    pseudonym = HeadStore(site).pseudonym("2301")
    assert erased == Erased(
        pseudonym=pseudonym,
        files=(
            "cards/card-0.html",
            "cards/index.html",
            f"heads/{pseudonym}.head",
            QUARANTINE,
            REPORT,
            SITE_TABLE,
        ),
        days=1.0,
        named_in={LOG: 1, "run/agent.txt": 2},
    )
    for log in (LOG, "run/agent.txt"):
        (site / log).unlink()
    assert b"2301" not in bytes_below(site)


def test_the_others_stay_as_they_were(site: Path) -> None:
    before = {trace.patient: trace for trace in read_site(site / SITE_TABLE)}
    forget(site, "2301")
    after = read_site(site / SITE_TABLE)
    assert [trace.patient for trace in after] == ["2302", "23"]
    for trace in after:
        assert trace["glucose_mg_dl"].tobytes() == before[trace.patient]["glucose_mg_dl"].tobytes()
    assert HeadStore(site).get("2302") is not None
    assert (site / "cards" / "card-1.html").exists()
    people = json.loads((site / REPORT).read_text())["patients"]
    assert [one["patient"] for one in people] == ["2302", "23"]


def test_a_name_that_is_part_of_another_erases_no_other(site: Path) -> None:
    erased = forget(site, "23")
    assert (site / "cards" / "card-0.html").exists()
    assert not (site / "cards" / "card-2.html").exists()
    assert [trace.patient for trace in read_site(site / SITE_TABLE)] == ["2301", "2302"]
    assert erased.named_in == {LOG: 1}


@pytest.mark.parametrize("name", ["O'Brien & Sön <b>", "a.b*c", "../../2301", "名前"])
def test_hostile_names_are_erased_from_pages_and_table(name: str, site: Path) -> None:
    import html

    write_site(site / SITE_TABLE, [replace(made_up_trace(1, days=1), patient=name)])
    page = site / "cards" / "one.html"
    page.write_text(f"<p>{html.escape(name)}, stop</p>")
    forget(site, name)
    assert not page.exists()
    assert read_site(site / SITE_TABLE) == ()
    assert (site / "cards" / "card-0.html").exists()


def test_somebody_unknown_is_told_and_nothing_is_erased(site: Path) -> None:
    before = bytes_below(site)
    with pytest.raises(Failure, match="nobody of this name") as refusal:
        forget(site, "2310")
    assert refusal.value.code is ExitCode.MISSING_INPUT
    assert bytes_below(site) == before


def test_a_second_time_finishes_and_fails_nothing(site: Path) -> None:
    forget(site, "2301")
    again = forget(site, "2301")
    assert again.files == (QUARANTINE,)
    assert again.days == 0.0


@pytest.mark.parametrize("at", ["write_site", "_erased_pages", "_erased_lists", "sync_folder"])
def test_a_crash_after_the_list_leaves_nobody_taking_part(
    at: str, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(forgetting, at, crash)
        forget(site, "2301")
    assert not takes_part(site)("2301")
    forget(site, "2301")
    for log in (LOG, "run/agent.txt"):
        (site / log).unlink()
    assert b"2301" not in bytes_below(site)


def test_what_a_killed_import_left_behind_goes_too(site: Path) -> None:
    for name in (f".{SITE_TABLE}.x3k", "heads/tmp12ab"):
        (site / name).write_bytes(b"2301 and others")
    assert {f".{SITE_TABLE}.x3k", "heads/tmp12ab"} <= set(forget(site, "2301").files)


def test_a_report_that_is_none_is_told_after_the_patient_is_out(site: Path) -> None:
    (site / REPORT).write_text("[]")
    with pytest.raises(Failure, match="no report of an import"):
        forget(site, "2301")
    assert not takes_part(site)("2301")


def test_a_table_that_cannot_be_read_does_not_keep_the_patient_in(site: Path) -> None:
    (site / SITE_TABLE).write_bytes(b"PAR1 and no more")
    with pytest.raises(Failure, match="does not read as parquet"):
        forget(site, "2301")
    assert not takes_part(site)("2301")


def test_a_site_without_table_forgets_a_patient_with_a_head(site: Path) -> None:
    (site / SITE_TABLE).unlink()
    forget(site, "2302")
    assert HeadStore(site).get("2302") is None


def exported(tmp_path: Path) -> Path:
    folder = tmp_path / "exports"
    for name in ("a", "b"):
        write_uom(folder, GLUCOSE, readings(), name)
        write_uom(folder, BOLUS, [f"{clock(60)},3"], name)
    return folder


def imported(exports: Path, site: Path) -> int:
    words = ["site", "import", str(exports), "--layout", "uom", "--time-zone", "Europe/London"]
    return main([*words, "--out", str(site)])


def test_an_import_does_not_bring_them_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exports, site = exported(tmp_path), tmp_path / "site"
    assert imported(exports, site) == ExitCode.SUCCESS
    assert [trace.patient for trace in read_site(site / SITE_TABLE)] == ["a", "b"]
    forget(site, "a")
    assert imported(exports, site) == ExitCode.SUCCESS
    assert [trace.patient for trace in read_site(site / SITE_TABLE)] == ["b"]
    report = json.loads((site / REPORT).read_text())
    assert [one["patient"] for one in report["patients"]] == ["b"]
    assert "to be forgotten here were not read" in " ".join(capsys.readouterr().err.split())


def full(*arguments: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("place", ["client.departure.write_whole", "client.forgetting.write_site"])
def test_a_full_disk_is_told_and_the_second_time_finishes(
    place: str, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as disk, pytest.raises(Failure, match="No space left") as failure:
        disk.setattr(place, full)
        forget(site, "2301")
    assert failure.value.code is ExitCode.NOT_WRITTEN
    listed = place.startswith("client.forgetting")
    assert takes_part(site)("2301") != listed
    assert "2301" in [one.patient for one in read_site(site / SITE_TABLE)]
    forget(site, "2301")
    assert [one.patient for one in read_site(site / SITE_TABLE)] == ["2302", "23"]
