"""The web application: read only, closed to strangers, and never at a loss for an answer."""

import os
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.dashboard import dashboard_app
from server.dashboard_pages import PAGES
from server.run_record import RunRecord
from tests.asked import asked
from tests.server.study_folder import BEGAN_S, finished, one_round, study_folder, twelve_rounds

pytestmark = pytest.mark.slow

PROTOCOL = twelve_rounds()
NOW_S = BEGAN_S + 900.0
ASSETS = ("/style.css", "/live.js")
TOKEN = "a-token-of-this-test"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return study_folder(tmp_path / "run", PROTOCOL, 3)


def get(
    folder: Path,
    path: str,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    token: str | None = None,
) -> httpx.Response:
    return asked(dashboard_app(folder, token, lambda: NOW_S), path, method, headers)


@pytest.mark.parametrize("path", [*PAGES, *ASSETS, "/clinics/lagoon"])
def test_every_page_answers_and_forbids_all_but_its_own(folder: Path, path: str) -> None:
    answer = get(folder, path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy and "form-action 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/rounds", "/clinics/lagoon", "/report", "/style.css"])
def test_there_is_no_way_to_write(folder: Path, path: str, method: str) -> None:
    answer = get(folder, path, method)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


def test_nothing_in_the_folder_changes(folder: Path) -> None:
    def state() -> list[tuple[str, int]]:
        return sorted((str(p), p.stat().st_mtime_ns) for p in folder.rglob("*"))

    before = state()
    for path in [*PAGES, "/report", "/clinics/lagoon"]:
        get(folder, path)
    assert state() == before


@pytest.mark.parametrize(
    "path",
    [
        "/../secret",
        "/clinics/../../secret",
        "/clinics/..%2f..%2fsecret",
        "/clinics/%2e%2e",
        "/clinics/lagoon/../../secret",
        "//etc/passwd",
        "/server/0001-round.safetensors",
        "/clinics/lagoon%00",
        "/report/..",
        "/run.json",
        "/rounds/",
    ],
)
def test_a_path_names_a_page_and_never_a_file(folder: Path, path: str) -> None:
    (folder.parent / "secret").write_text("a patient's name")
    answer = get(folder, path)
    assert answer.status_code in (200, 404)
    assert "patient's name" not in answer.text
    assert answer.status_code == 404 or "<main" in answer.text


def test_a_clinic_nobody_knows_has_no_page(folder: Path) -> None:
    assert get(folder, "/clinics/lagoon").status_code == 200
    answer = get(folder, "/clinics/atlantis")
    assert answer.status_code == 404 and "atlantis" not in answer.text


def test_a_page_that_did_not_change_is_not_sent_again(folder: Path) -> None:
    first = get(folder, "/")
    again = get(folder, "/", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    one_round(folder, PROTOCOL, 4, {})
    changed = get(folder, "/", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


def test_head_tells_the_tag_alone(folder: Path) -> None:
    answer = get(folder, "/", "HEAD")
    assert answer.status_code == 200 and answer.headers["etag"] == get(folder, "/").headers["etag"]


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("127.0.0.1:8321", 200),
        ("localhost:1", 200),
        ("LOCALHOST", 200),
        ("[::1]:8321", 200),
        ("rebound.example:8321", 421),
        ("127.0.0.1.rebound.example", 421),
        ("", 421),
    ],
)
def test_only_a_browser_that_asks_for_this_machine_is_answered(
    folder: Path, host: str, code: int
) -> None:
    """A name on the open web may be made to point here; its pages must read nothing."""
    assert get(folder, "/", headers={"Host": host}).status_code == code


@pytest.mark.parametrize("path", [*PAGES, "/report", "/clinics/lagoon", *ASSETS])
def test_bound_elsewhere_nothing_is_shown_without_the_token(folder: Path, path: str) -> None:
    elsewhere = {"Host": "centre.example:8321"}
    for bad in (path, f"{path}?token=", f"{path}?token={TOKEN}x"):
        answer = get(folder, bad, headers=elsewhere, token=TOKEN)
        assert answer.status_code == 401
        assert "lagoon" not in answer.text and TOKEN not in answer.text
    cookie = elsewhere | {"Cookie": "insula=wrong"}
    assert get(folder, path, headers=cookie, token=TOKEN).status_code == 401


def test_the_token_moves_from_the_address_into_a_cookie(folder: Path) -> None:
    welcome = get(folder, f"/rounds?still&token={TOKEN}", token=TOKEN)
    assert (welcome.status_code, welcome.headers["location"]) == (303, "/rounds?still=")
    cookie = welcome.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie
    shown = get(folder, "/", headers={"Cookie": cookie.split(";")[0]}, token=TOKEN)
    assert shown.status_code == 200


def test_the_welcome_leads_nowhere_else(folder: Path) -> None:
    for path in ("//evil.example", "/clinics/x", "/..//evil.example"):
        answer = get(folder, f"{path}?token={TOKEN}", token=TOKEN)
        assert answer.headers["location"] == "/"


def test_the_report_is_shown_as_it_lies_there_and_can_do_nothing(folder: Path) -> None:
    assert get(folder, "/report").status_code == 404
    assert ">Report<" not in get(folder, "/").text
    (folder / "report.html").write_text("<script>alert(1)</script><p>Report")
    answer = get(folder, "/report")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "script-src" not in policy and "sandbox" in policy
    assert ">Report<" in get(folder, "/").text


def test_a_report_that_is_a_link_is_not_followed(folder: Path) -> None:
    (folder.parent / "secret").write_text("a patient's name")
    os.symlink(folder.parent / "secret", folder / "report.html")
    answer = get(folder, "/report")
    assert answer.status_code == 200
    assert "cannot be shown" in answer.text and "patient's name" not in answer.text


DAMAGED = ("protocol.yaml", "run.json", "server/0002-replies.safetensors")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, full_record: RunRecord) -> Path:
    return finished(tmp_path_factory.mktemp("whole") / "run", PROTOCOL, full_record)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(DAMAGED), cut=st.integers(0, 3000), noise=st.binary(max_size=20))
def test_a_half_written_file_is_never_a_server_error(
    whole: Path, name: str, cut: int, noise: bytes
) -> None:
    content = (whole / name).read_bytes()
    (whole / name).write_bytes(content[:cut] + noise)
    try:
        for path in ("/", "/rounds", "/budgets", "/forecasts"):
            assert get(whole, path).status_code == 200
    finally:
        (whole / name).write_bytes(content)


@given(path=st.text(max_size=40))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_path_is_a_server_error(whole: Path, path: str) -> None:
    try:
        answer = get(whole, f"/clinics/{path}")
    except (httpx.InvalidURL, UnicodeEncodeError):
        return  # no browser sends it
    assert answer.status_code in (200, 404)


def test_a_folder_that_vanishes_is_an_empty_study(tmp_path: Path) -> None:
    for path in PAGES:
        assert get(tmp_path / "gone", path).status_code == 200
