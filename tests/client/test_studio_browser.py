"""The studio in a real browser, as a clinician uses it: by mouse, by keys, by ear, in the dark.

Pictures are left in runs/test-artefacts/studio.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import SHIFT, Browser, browsing, require_chromium
from tests.client.contrast import FAINT_TEXT
from tests.client.studio_site import CANARY, studio_process, studio_site

pytestmark = pytest.mark.slow
WIDE, NARROW = (1280, 900), (390, 800)
ASKED = "document.querySelector('#chart svg') !== null"
LIVE = "document.getElementById('live').textContent"
MEAN = "document.querySelector('#answer tbody td:nth-child(3)').textContent"
CHIP = "document.querySelector('.chip').getAttribute('aria-label')"
RECORDED = "document.querySelector('.chip.recorded_meals').getAttribute('aria-label')"
STRETCHES = "document.querySelector('#answer caption').textContent"
FRESH = "!document.getElementById('answer').classList.contains('stale')"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Path]]:
    """Address, token, and the site's folder."""
    site = studio_site(tmp_path_factory.mktemp("site"))
    with studio_process(site) as (url, token, _):
        yield url, token, site


@pytest.fixture(scope="module")
def browser(
    tmp_path_factory: pytest.TempPathFactory, served: tuple[str, str, Path]
) -> Iterator[Browser]:
    """A browser that is signed in, by the form."""
    with browsing(require_chromium(), tmp_path_factory.mktemp("profile")) as found:
        url, token, _ = served
        found.look(*WIDE)
        found.open(url)
        found.write("#token", token)
        found.press("Enter")
        found.await_load()
        assert found.value("location.pathname") == "/"
        yield found


@pytest.fixture(scope="module")
def patient(browser: Browser) -> str:
    """Address of the first patient, as the list has it."""
    found: str = browser.value("document.querySelector('tbody a').href")
    return found


@pytest.fixture
def artefacts(repository: Path) -> Path:
    return repository / "runs" / "test-artefacts" / "studio"


def on_bench(browser: Browser, patient: str) -> None:
    """The bench with its first answer."""
    browser.look(*WIDE)
    browser.open(f"{patient}/bench")
    browser.await_value(ASKED)
    browser.said.clear()


def answered(browser: Browser, act: Any) -> str:
    """The mean after `act`, once the answer to it is there."""
    act()
    time.sleep(0.25)
    browser.await_value(FRESH)
    found: str = browser.value(MEAN)
    return found


def test_a_clinician_tries_a_dinner(browser: Browser, patient: str, artefacts: Path) -> None:
    """Types a meal, drags it later and larger, reads the reasons, exports; the answer follows."""
    on_bench(browser, patient)
    assert "nothing to speak of changes" in browser.value(LIVE)
    before = browser.value(MEAN)
    browser.click("[data-add='meals']")
    typed = answered(browser, lambda: browser.write("#events [data-field='carbs_g']", "80"))
    assert typed != before
    browser.value("document.querySelector('#events .more').open = true")
    uncovered = answered(browser, lambda: browser.write("#events [data-field='bolus_u']", "0"))
    assert float(uncovered) > float(typed) + 2.0
    dragged = answered(browser, lambda: browser.drag(".chip", 90, -21))
    told = browser.value(CHIP)
    assert told.startswith("Meal, 15:") and told.endswith("95 g")
    assert browser.value("document.querySelector('[data-field=carbs_g]').value") == "95"
    assert dragged != uncovered
    words = browser.value("document.getElementById('answer').innerText")
    assert "Why: food brings" in words and "80 % of 32 twins" in words
    assert "Research software, not for treatment" in words
    assert browser.said == []
    browser.picture(artefacts / "bench-light.png")
    browser.look(*WIDE, "dark")
    browser.picture(artefacts / "bench-dark.png")


def test_whatever_is_dragged_is_done_by_keys(browser: Browser, patient: str) -> None:
    on_bench(browser, patient)
    browser.click("[data-add='boluses']")
    browser.await_value("document.querySelector('.chip') !== null")
    browser.value("document.querySelector('.chip').focus()")
    browser.press("ArrowRight")
    browser.press("ArrowLeft", SHIFT)
    browser.press("ArrowUp")
    assert browser.value(CHIP) == "Bolus, 11:05, 1.5 U"
    browser.press("ArrowDown")
    browser.await_value(f"{LIVE}.startsWith('Bolus, 11:05, 1 U. A trial:')")
    browser.press("Enter")
    field = "document.activeElement.getAttribute('aria-label')"
    assert browser.value(field) == "Bolus: At"
    browser.value("document.querySelector('.chip').focus()")
    browser.press("Delete")
    assert (
        browser.value("document.querySelectorAll('.chip:not(.recorded), #events .row').length") == 0
    )
    assert browser.value("document.activeElement.tagName") != "BODY"
    slide = "#settings [data-kind='basal'] .slide"
    browser.value(f'document.querySelector("{slide}").focus()')
    recorded = browser.value(MEAN)
    for _ in range(4):
        browser.press("ArrowLeft")
    assert answered(browser, lambda: browser.press("ArrowLeft")) != recorded
    assert browser.value("document.querySelector('[data-kind=basal] [data-field]').value") == "-5%"


def test_a_recorded_meal_is_dragged_typed_and_put_back(
    browser: Browser, patient: str, artefacts: Path
) -> None:
    """Its mark gets a row of its own, and its own day alone is tried; the answer follows each."""
    on_bench(browser, patient)
    recorded = browser.value(RECORDED)
    assert recorded.startswith("Recorded meal, 07:") and "7 recorded" not in browser.value(
        STRETCHES
    )
    assert browser.value("document.getElementById('day').value") == ""
    dragged = answered(browser, lambda: browser.drag(".chip.recorded_meals", 90, -21))
    told = browser.value(RECORDED)
    assert told.startswith("Recorded meal of 07:") and ", 10:" in told and told != recorded
    assert browser.value(STRETCHES).startswith("Over 1 recorded")
    assert browser.value("document.getElementById('day').value") != ""
    typed = answered(browser, lambda: browser.write("#events [data-field='to']", "16:00"))
    assert ", 16:00, " in browser.value(RECORDED) and typed != dragged
    browser.picture(artefacts / "bench-recorded.png")
    none = answered(browser, lambda: browser.write("#events [data-field='carbs_g']", "0"))
    assert browser.value(RECORDED).endswith("left out") and float(none) < float(typed)
    assert browser.value("document.querySelector('#events [data-field=at]').readOnly")
    answered(browser, lambda: browser.click("#events .remove"))
    assert browser.value(RECORDED) == recorded
    assert browser.value("document.querySelectorAll('#events .row').length") == 0
    assert "nothing to speak of changes" in browser.value(LIVE)
    assert browser.said == []


def test_recorded_events_are_changed_by_keys_and_by_ear(browser: Browser, patient: str) -> None:
    on_bench(browser, patient)
    recorded = browser.value(RECORDED)
    named = [name for role, name in browser.spoken() if role == "button"]
    assert recorded in named and sum("Recorded bolus" in name for name in named) == 3
    browser.value("document.querySelector('.chip.recorded_meals').focus()")
    browser.press("ArrowRight", SHIFT)
    browser.press("ArrowUp")
    told = browser.value(RECORDED)
    assert told.startswith("Recorded meal of 07:") and ", 08:" in told
    browser.await_value(f"{LIVE}.startsWith({json.dumps(told + '. A trial:')})")
    browser.press("Enter")
    field = browser.value("document.activeElement.getAttribute('aria-label')")
    assert field.startswith("Recorded meal of 07:") and field.endswith(": Moved to")
    browser.value("document.querySelector('.chip.recorded_meals').focus()")
    browser.press("Delete")
    browser.await_value(f"{LIVE}.includes('left out')")
    days = "document.getElementById('day')"
    browser.value(f"{days}.selectedIndex = 3; {days}.dispatchEvent(new Event('input'))")
    browser.await_value(f"{LIVE}.startsWith('Changes of what was recorded')")
    assert browser.value("document.querySelectorAll('#events .row').length") == 0
    assert browser.value(RECORDED).startswith("Recorded meal, ")


def test_a_recorded_bolus_is_found_in_the_list_and_typed(browser: Browser, patient: str) -> None:
    """Without any mark: chosen from the list, its fields stand ready; days are told apart."""
    on_bench(browser, patient)
    hours = "document.getElementById('hours')"
    browser.value(f"{hours}.value = '48'; {hours}.dispatchEvent(new Event('input'))")
    time.sleep(0.25)
    browser.await_value(FRESH)
    assert browser.value("document.querySelectorAll('.chip.recorded_boluses').length") == 6
    browser.value("document.getElementById('other').value = 'recorded_boluses'")
    before = answered(browser, lambda: browser.click("#add-other"))
    focused = browser.value("document.activeElement.getAttribute('aria-label')")
    assert focused.startswith("Recorded bolus of 07:") and ", day 1" in focused
    browser.value("document.querySelector('#events .more').open = true")
    day = "document.querySelector('#events [data-field=to_day]')"
    moved = f"{day}.value = '2'; {day}.dispatchEvent(new Event('input', {{bubbles: true}}))"
    assert answered(browser, lambda: browser.value(moved)) != before
    assert browser.value("document.getElementById('error').hidden")
    browser.value(f"{hours}.value = '24'; {hours}.dispatchEvent(new Event('input'))")
    browser.await_value(f"{LIVE}.startsWith('Changes of what was recorded')")
    browser.said.clear()


def test_a_plan_says_that_it_heard_the_correction_factor(browser: Browser, patient: str) -> None:
    on_bench(browser, patient)
    browser.write("#factor", "30")
    browser.click("#plan")
    browser.await_value("document.querySelector('#planned table') !== null")
    said = browser.value("document.getElementById('planned').innerText")
    assert "knowing that 1 U takes 30 mg/dL off" in said


def test_pictures_of_every_page_in_both_colours(
    browser: Browser, patient: str, served: tuple[str, str, Path], artefacts: Path
) -> None:
    """No page scrolls sideways, wide or narrow; the page's own policy refuses nothing."""
    on_bench(browser, patient)
    pages = {"list": served[0], "glucose": patient, "card": f"{patient}/card"}
    pages |= {"login": f"{served[0]}/login"}
    for name, address in {**pages, "bench": f"{patient}/bench"}.items():
        for scheme in ("light", "dark"):
            browser.look(*NARROW, scheme)
            browser.open(address)
            if name == "bench":
                browser.await_value(ASKED)
            assert browser.value("document.documentElement.scrollWidth") <= NARROW[0], name
            browser.look(*WIDE, scheme)
            assert browser.value("document.documentElement.scrollWidth") <= WIDE[0], name
            paper = browser.value("getComputedStyle(document.body).backgroundColor")
            assert paper == {"light": "rgb(253, 253, 251)", "dark": "rgb(20, 24, 27)"}[scheme]
            faint = browser.value(FAINT_TEXT)
            assert faint == [], (name, scheme)
            if name != "bench":
                browser.picture(artefacts / f"{name}-{scheme}.png")
    assert browser.said == []


def test_faint_text_would_be_seen(browser: Browser, served: tuple[str, str, Path]) -> None:
    """Planted: words in a grey that is too near to the paper."""
    browser.look(*WIDE)
    browser.open(served[0])
    browser.value("document.querySelector('h1').style.color = '#999'")
    assert browser.value(FAINT_TEXT) == ["Patients: 2.8"]


def test_what_a_reader_of_the_screen_hears(browser: Browser, patient: str) -> None:
    """Every control, picture, table and region has a name; the answer is told once, politely."""
    for path in ("", "/card", "/bench"):
        on_bench(browser, patient) if path == "/bench" else browser.open(patient + path)
        if path == "/bench":
            browser.click("[data-add='exercise']")
            browser.await_value("document.querySelector('.chip') !== null")
        spoken = browser.spoken()
        roles = {role for role, _ in spoken}
        assert {"banner", "main", "navigation", "contentinfo"} <= roles
        named = {"link", "button", "textbox", "combobox", "slider", "checkbox", "img", "image"}
        named |= {"heading", "region", "navigation"}
        for role, name in spoken:
            assert name or role not in named, (path, role, spoken)
        folded = browser.value("document.querySelectorAll('details').length")
        assert sum(role == "group" and not name for role, name in spoken) <= folded
    assert sum(role == "status" for role, _ in spoken) == 1
    assert ("slider", "Basal rate of the pump: Change, %, slider") in spoken
    assert ("button", "Exercise, 12:00, 45 min") in spoken
    assert any(role in ("img", "image") and "below 70" in name for role, name in spoken)


def test_keys_reach_everything_in_the_order_it_is_read(browser: Browser, patient: str) -> None:
    on_bench(browser, patient)
    browser.click("[data-add='meals']")
    browser.await_value("document.querySelector('.chip') !== null")
    time.sleep(0.25)
    browser.await_value(FRESH)
    wanted = "a[href], button, input, select, summary, [tabindex='0']"
    shown = f"[...document.querySelectorAll({json.dumps(wanted)})].filter(e => e.checkVisibility())"
    count = browser.value(f"{shown}.length")
    browser.value(f"{shown}.forEach((e, n) => e.dataset.order = n)")
    browser.value("document.activeElement.blur(); window.getSelection().removeAllRanges()")
    browser.value("document.body.tabIndex = -1; document.body.focus()")
    seen = []
    for _ in range(count):
        browser.press("Tab")
        seen.append(int(browser.value("document.activeElement.dataset.order ?? -1")))
    assert seen == list(range(count))
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert browser.value(outline) == "solid"


@pytest.mark.parametrize(
    ("kind", "field", "typed", "told"),
    [
        ("boluses", "units", "100", "Bolus 1: found a bolus of 100 U; expected 0 to 40"),
        ("boluses", "units", "4000 mU", "1 U is 1,000 mU"),
        ("meals", "carbs_g", "2000", "Meal 1: found a carbohydrate of 2000 g; expected 0 to 300"),
        ("meals", "at", "25:99", "a time of day"),
        ("exercise", "minutes", "", "Exercise 1"),
    ],
)
def test_what_nobody_takes_or_eats_is_refused_at_its_field(
    browser: Browser, patient: str, kind: str, field: str, typed: str, told: str
) -> None:
    """As a scenario file would be; the old answer is marked as old, and a correction ends it."""
    on_bench(browser, patient)
    browser.click(f"[data-add='{kind}']")
    browser.await_value(FRESH)
    good = browser.value(f"document.querySelector('#events [data-field={field}]').value")
    browser.write(f"#events [data-field='{field}']", typed or " ")
    browser.await_value("!document.getElementById('error').hidden")
    assert told in browser.value("document.getElementById('error').textContent")
    assert browser.value("document.querySelectorAll('[aria-invalid=true]').length") == 1
    assert browser.value(f"!({FRESH})")
    assert "older" in browser.value(LIVE)
    browser.write(f"#events [data-field='{field}']", good)
    browser.await_value(f"document.getElementById('error').hidden && {FRESH}")
    browser.said.clear()


def test_a_plan_is_looked_for_and_its_refusal_read(browser: Browser, patient: str) -> None:
    on_bench(browser, patient)
    browser.click("#plan")
    browser.await_value("document.querySelector('#planned table') !== null")
    said = browser.value("document.getElementById('planned').innerText")
    assert "ratio breakfast" in said and ("No plan:" in said or "Agree on it" in said)


def test_exports_are_files_of_what_is_shown(browser: Browser, patient: str, tmp_path: Path) -> None:
    on_bench(browser, patient)
    browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    shown = browser.value(MEAN)
    for kind in ("json", "pdf"):
        browser.click(f".export a[href$='.{kind}']")
        until = time.monotonic() + 20.0
        while not (tmp_path / f"insula-answer.{kind}").exists() and time.monotonic() < until:
            time.sleep(0.1)
    plain = json.loads((tmp_path / "insula-answer.json").read_text())
    assert f"{plain['measures']['mean']['after']:.1f}" == shown
    assert (tmp_path / "insula-answer.pdf").read_bytes().startswith(b"%PDF-")


def test_two_tabs_ask_two_patients_and_get_their_own(
    browser: Browser, patient: str, served: tuple[str, str, Path]
) -> None:
    """The second tab is the same session; each hears of its own patient and trial."""
    on_bench(browser, patient)
    browser.write("#name", "in the first tab")
    first, target = browser.session, browser.call("Target.createTarget", url="about:blank")
    told = browser.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
    browser.session = told["sessionId"]
    browser.call("Page.enable")
    browser.open(served[0])
    browser.open(browser.value("[...document.querySelectorAll('tbody a')].at(-1).href") + "/bench")
    browser.await_value(ASKED)
    heading = "document.querySelector('h1').textContent"
    assert browser.value(heading) == f"<b>{CANARY}</b>-2: plan bench"
    assert "first tab" not in browser.value(LIVE)
    browser.session = first
    browser.await_value(f"{LIVE}.startsWith('in the first tab')")
    assert browser.value(heading) == f"{CANARY}-1: plan bench"


def test_a_studio_that_is_killed_is_said_to_be_gone_and_leaves_nothing(
    browser: Browser, tmp_path: Path
) -> None:
    """Killed while it makes a twin: the page says so, and the folder is as it was."""
    site = studio_site(tmp_path)
    with studio_process(site) as (url, token, process):
        browser.open(url)
        browser.write("#token", token)
        browser.press("Enter")
        browser.await_load()
        before = sorted(path.name for path in site.iterdir())
        browser.open(browser.value("document.querySelector('tbody a').href") + "/bench")
        process.kill()
        browser.await_value(f"{LIVE}.includes('does not answer')")
        assert sorted(path.name for path in site.iterdir()) == before
    browser.said.clear()


def test_nothing_of_it_names_a_patient_in_a_log_or_an_address(
    browser: Browser, patient: str, served: tuple[str, str, Path]
) -> None:
    on_bench(browser, patient)
    _, token, site = served
    log = (site / "studio.txt").read_text()
    assert CANARY not in log and token not in log
    assert CANARY not in browser.value("location.href")
    cookies = browser.value("document.cookie")
    assert cookies == ""
