"""The pictures of the documents: `python -m tests.client.studio_pictures` draws them anew.

They show a made-up person, so that no patient's record is in the repository.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import insula
from client.site_table import write_site
from tests.browser import Browser, browsing, require_chromium
from tests.client.recorded_person import recorded_person
from tests.client.studio_site import studio_process
from tests.conftest import ROOT

FOLDER = ROOT / "docs" / "pictures"
WIDTH, HEIGHT = 1280, 1000
DAYS = 21
PATIENT = "P1"


def main() -> None:
    """Every picture, from a fresh site and a fresh browser."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as profile:
        site = Path(folder)
        write_site(site / "site.parquet", (replace(recorded_person(DAYS), weight_kg=70.0),))
        words = ["twin", "compare", PATIENT, "--site", str(site), "--basal", "+10%"]
        insula.main([*words, "--out", str(site / "compare.html")])
        with browsing(require_chromium(), Path(profile)) as browser:
            browser.look(860, 900)
            browser.open((site / "compare.html").as_uri())
            browser.picture(FOLDER / "compare.webp")
            with studio_process(site) as (url, token, _):
                _studio(browser, url, token)


def _studio(browser: Browser, url: str, token: str) -> None:
    browser.look(WIDTH, HEIGHT)
    browser.open(url)
    browser.write("#token", token)
    browser.press("Enter")
    browser.await_load()
    patient = browser.value("document.querySelector('tbody a').href")
    browser.open(patient)
    browser.picture(FOLDER / "studio-glucose.webp")
    browser.open(f"{patient}/bench")
    browser.await_value("document.querySelector('#chart svg') !== null")
    browser.click("[data-add='meals']")
    browser.write("#events [data-field='at']", "18:45")
    browser.write("#events [data-field='carbs_g']", "80")
    browser.click("[data-add='exercise']")
    browser.write("#events .row:last-child [data-field='at']", "16:30")
    browser.write("#name", "Pasta after a ride")
    browser.await_value("document.getElementById('live').textContent.startsWith('Pasta')")
    for scheme in ("light", "dark"):
        browser.look(WIDTH, HEIGHT, scheme)
        browser.value("window.scrollTo(0, 0)")
        browser.picture(FOLDER / f"studio-bench-{scheme}.webp", whole=False)
    browser.look(900, 760)
    browser.click("#plan")
    browser.await_value("document.querySelector('#planned table') !== null")
    browser.value("document.getElementById('plan-title').scrollIntoView()")
    browser.picture(FOLDER / "plan.webp", whole=False)
    browser.look(WIDTH, HEIGHT)
    browser.open(f"{patient}/card")
    browser.await_value("document.getElementById('forecasts') !== null")
    browser.picture(FOLDER / "studio-card.webp", whole=False)


if __name__ == "__main__":
    main()
