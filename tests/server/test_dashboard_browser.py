"""The dashboard in a real browser: keys alone, a screen reader's tree, both colours, live.

Pictures are left in runs/test-artefacts/dashboard.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server.dashboard_pages import PAGES
from server.run_record import RunRecord
from tests.browser import Browser, browsing, require_chromium
from tests.server.study_folder import finished, one_round, study_folder, twelve_rounds

pytestmark = pytest.mark.slow
PROTOCOL = twelve_rounds()
WIDE, NARROW = (1200, 900), (390, 800)
FOCUS = "(e => e.id || e.getAttribute('href') || e.tagName)(document.activeElement)"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Address of the dashboard of a folder, a process of its own."""
    command = [sys.executable, "-m", "insula", "study", "dashboard", str(folder)]
    command += ["--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            yield json.loads(running.stdout.readline())["url"]
        finally:
            running.terminate()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(require_chromium(), tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A study on the way, and where it is shown."""
    folder = study_folder(tmp_path_factory.mktemp("half") / "run", PROTOCOL, 7)
    with served(folder) as url:
        yield folder, url


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory, full_record: RunRecord
) -> Iterator[tuple[Path, str]]:
    """A study that is over, with a report and a broken file, and where it is shown."""
    folder = finished(tmp_path_factory.mktemp("whole") / "run", PROTOCOL, full_record)
    (folder / "server" / "0003-replies.safetensors").write_bytes(b"half")
    with served(folder) as url:
        yield folder, url


@pytest.fixture
def artefacts(repository: Path) -> Path:
    return repository / "runs" / "test-artefacts" / "dashboard"


def tab_until(browser: Browser, wanted: str, most: int = 80) -> list[str]:
    """Everything that has the focus on the way there, one Tab after another."""
    seen: list[str] = []
    for _ in range(most):
        browser.press("Tab")
        seen.append(browser.value(FOCUS))
        if seen[-1] == wanted:
            return seen
    raise AssertionError(f"{wanted} is never reached: {seen}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("study", ["half", "whole"])
def test_every_page_in_both_colours(
    browser: Browser, artefacts: Path, study: str, scheme: str, request: pytest.FixtureRequest
) -> None:
    """No page scrolls sideways, wide or narrow; nothing is refused by the page's own policy."""
    _, url = request.getfixturevalue(study)
    browser.said.clear()
    for path in [*PAGES, "/clinics/estuary"]:
        browser.look(*NARROW, scheme)
        browser.open(url.rstrip("/") + path + "?still")
        assert browser.value("document.documentElement.scrollWidth") <= NARROW[0], path
        browser.look(*WIDE, scheme)
        assert browser.value("document.documentElement.scrollWidth") <= WIDE[0], path
        paper = browser.value("getComputedStyle(document.body).backgroundColor")
        assert paper == {"light": "rgb(253, 253, 251)", "dark": "rgb(20, 24, 27)"}[scheme]
        browser.picture(artefacts / f"{study}{path.replace('/', '-')}-{scheme}.png")
    assert browser.said == []


def test_a_script_in_a_page_would_be_refused(browser: Browser, half: tuple[Path, str]) -> None:
    """The watch over the console sees what it watches for."""
    browser.open(half[1] + "?still")
    browser.said.clear()
    browser.value("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">x</p>')")
    assert any("Content Security Policy" in one for one in browser.said)


def test_all_of_it_is_reached_by_keys_alone(browser: Browser, half: tuple[Path, str]) -> None:
    browser.look(*WIDE)
    browser.open(half[1] + "?still")
    browser.press("Tab")
    assert browser.value(FOCUS) == "#page"
    assert browser.value("document.activeElement.getBoundingClientRect().left") >= 0
    browser.press("Enter")
    assert browser.value(FOCUS) == "page"
    tab_until(browser, "cell-2-estuary")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert browser.value(outline) == "solid"
    browser.press("Enter")
    browser.await_load()
    assert browser.value("location.pathname + location.hash") == "/errors#NO_REPLY"


def test_no_link_is_out_of_reach(browser: Browser, half: tuple[Path, str]) -> None:
    browser.look(*WIDE)
    for path in PAGES:
        browser.open(half[1].rstrip("/") + path + "?still")
        wanted = "a[href], [tabindex='0']"
        count = browser.value(f"document.querySelectorAll({json.dumps(wanted)}).length")
        last = f"[...document.querySelectorAll({json.dumps(wanted)})].at(-1)"
        browser.value(f"{last}.id = 'the-last'")
        assert len(tab_until(browser, "the-last")) == count, path


def test_keys_lead_through_the_pages(browser: Browser, half: tuple[Path, str]) -> None:
    browser.open(half[1] + "?still")
    for path in list(PAGES)[1:]:
        tab_until(browser, f"{path}?still")
        browser.press("Enter")
        browser.await_load()
        assert browser.value("location.pathname") == path
        assert browser.value("document.querySelector('[aria-current]').pathname") == path


def test_what_a_reader_of_the_screen_hears(browser: Browser, half: tuple[Path, str]) -> None:
    browser.open(half[1] + "?still")
    spoken = browser.spoken()
    assert ("navigation", "Pages of this study") in spoken
    assert ("heading", "Overview") in spoken and ("heading", "Budgets") in spoken
    assert ("link", "NO_REPLY") in spoken and ("link", "Errors 5 to read") in spoken
    assert ("cell", "released") in spoken and ("cell", "no answer yet") in spoken
    assert ("columnheader", "round 1") in spoken and ("rowheader", "lagoon") in spoken
    assert sum(role == "status" for role, _ in spoken) == 1
    for role, name in spoken:
        assert name or role not in {"link", "heading", "image", "img", "region", "table"}, spoken


def test_drawings_are_told_in_words(browser: Browser, whole: tuple[Path, str]) -> None:
    browser.open(whole[1] + "forecasts?still")
    drawn = [name for role, name in browser.spoken() if role in ("image", "img")]
    assert len(drawn) == 9
    assert all("minutes ahead" in name for name in drawn)


def test_the_page_follows_the_study_and_leaves_the_focus_alone(
    browser: Browser, half: tuple[Path, str]
) -> None:
    folder, url = half
    browser.look(*WIDE)
    browser.open(url)
    browser.value("window.sameWindow = true")
    tab_until(browser, "matrix-lagoon")
    one_round(folder, PROTOCOL, 8, {})
    browser.await_value("document.querySelector('dd').textContent.startsWith('8')")
    assert browser.value("window.sameWindow") is True
    assert browser.value(FOCUS) == "matrix-lagoon"
    assert "Round 9 of 12" in browser.value("document.getElementById('live').textContent")


def test_a_dashboard_that_is_gone_is_said_to_be(browser: Browser, half: tuple[Path, str]) -> None:
    with served(half[0]) as url:
        browser.open(url)
    browser.await_value("document.getElementById('live').textContent.includes('may be old')")
    browser.said.clear()


def test_the_report_runs_nothing(browser: Browser, whole: tuple[Path, str]) -> None:
    folder, url = whole
    (folder / "report.html").write_text(
        "<title>as it was</title><script>document.title = 'run'</script>"
    )
    browser.open(url + "report")
    assert browser.value("document.title") == "as it was"
    browser.said.clear()


def test_a_machine_without_a_browser_skips_and_a_build_machine_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="needs Chromium"):
        require_chromium()
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="needs Chromium"):
        require_chromium()
