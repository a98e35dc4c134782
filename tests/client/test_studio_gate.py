"""Hostile requests to the studio: wrong token, another name, another origin, too much, too odd."""

import hmac
from pathlib import Path

import pytest

from client import studio_gate
from client.studio_gate import IDLE_S, LARGEST_BODY, MOST_SESSIONS
from study import web_door
from tests.client.studio_site import CANARY, HOST, TOKEN, Asking, studio_site

pytestmark = pytest.mark.slow


@pytest.fixture
def asking(tmp_path: Path) -> Asking:
    return Asking(studio_site(tmp_path))


@pytest.fixture
def inside(asking: Asking) -> Asking:
    assert asking.login().status_code == 303
    return asking


def test_without_the_token_there_is_a_form_and_nothing_else(asking: Asking) -> None:
    for path in ("/", "/patients/x", "/bench.js", "/answers/x.pdf", "/nowhere"):
        answer = asking.get(path)
        assert answer.status_code == 303 and answer.headers["location"] == "/login"
    page = asking.get("/login")
    assert page.status_code == 200 and CANARY not in page.text
    assert asking.post("/patients/x/try", {}).status_code == 401


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "é" * 40])
def test_a_wrong_token_opens_nothing(asking: Asking, token: str) -> None:
    answer = asking.login(token)
    assert answer.status_code == 401 and "set-cookie" not in answer.headers
    assert asking.gate.sessions == {} and TOKEN not in answer.text


def test_the_token_opens_and_the_cookie_is_closed_to_scripts_and_other_sites(
    asking: Asking,
) -> None:
    cookie = asking.login().headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie
    assert asking.get("/").status_code == 200
    assert asking.get("/", Cookie="c=guess").status_code == 303


def test_tokens_are_compared_in_constant_time(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def watched(one: bytes, other: bytes) -> bool:
        seen.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", watched)
    asking.login("wrong")
    assert (b"wrong", TOKEN.encode()) in seen


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8322", "127.0.0.1.evil.example", "192.168.1.4:8322", ""]
)
def test_a_name_that_was_made_to_point_here_gets_nothing(inside: Asking, host: str) -> None:
    """DNS rebinding: the browser itself believes that it talks to the other name."""
    answer = inside.get("/", Host=host or " ")
    assert answer.status_code == 421 and CANARY not in answer.text


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://127.0.0.1:9999"])
def test_another_page_cannot_post(inside: Asking, origin: str) -> None:
    (key, *_) = inside.patient_keys()
    told = {"scenario": {"name": "a"}}
    for path in (f"/patients/{key}/try", f"/patients/{key}/plan", "/logout", "/login"):
        answer = inside.post(path, told, Origin=origin)
        assert answer.status_code == 403
    assert inside.get("/").status_code == 200


def test_a_post_without_the_forms_own_secret_is_refused(inside: Asking) -> None:
    (key, *_) = inside.patient_keys()
    inside.secret = "guess"
    assert inside.post(f"/patients/{key}/plan", {}).status_code == 403
    assert inside.send("POST", "/logout", data={"secret": "guess"}).status_code == 403
    assert inside.get("/").status_code == 200


def test_the_origin_guard_is_what_stops_it(inside: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: without the look at the origin, a login from elsewhere goes through."""
    data = {"token": TOKEN}
    foreign = {"Origin": "http://evil.example"}
    assert inside.send("POST", "/login", foreign, data=data).status_code == 403
    monkeypatch.setattr(studio_gate, "_foreign", lambda request: None)
    assert inside.send("POST", "/login", foreign, data=data).status_code == 303


def test_the_host_guard_and_the_secret_are_what_stop_the_others(
    inside: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: without the look at name or secret, a stranger's request goes through."""
    with monkeypatch.context() as planted:
        planted.setattr(web_door, "names_this_machine", lambda host: True)
        assert inside.get("/", Host="evil.example").status_code == 200
    assert inside.get("/", Host="evil.example").status_code == 421
    monkeypatch.setattr(studio_gate, "_secret", lambda request: inside.secret)
    assert inside.send("POST", "/logout", data={"secret": "guess"}).status_code == 303


def test_a_body_without_end_is_not_read(inside: Asking) -> None:
    (key, *_) = inside.patient_keys()
    told = {"scenario": {"name": "x" * LARGEST_BODY}}
    assert inside.post(f"/patients/{key}/try", told).status_code == 413


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("application/json", b"{", 400),
        ("application/json", b"[" * 50_000, 400),
        ("application/json", b"[1, 2]", 400),
        ("application/json", b"\xff\xfe", 400),
        ("application/json", b'{"scenario": ' + b"9" * 6000 + b"}", 400),
        ("text/plain", b"{}", 415),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("", b"{}", 415),
    ],
)
def test_bodies_that_are_none(inside: Asking, kind: str, body: bytes, code: int) -> None:
    (key, *_) = inside.patient_keys()
    headers = {"Content-Type": kind, "X-Insula-Secret": inside.secret}
    answer = inside.send("POST", f"/patients/{key}/try", headers, content=body)
    assert answer.status_code == code


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"])
def test_other_methods_are_none(inside: Asking, method: str) -> None:
    assert inside.send(method, "/").status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/../site.parquet",
        "/patients/../../site.parquet",
        "/patients/..%2f..%2fsite.parquet",
        "/patients/%2e%2e/bench",
        "//etc/passwd",
        "/studio.css/../../policy.yaml",
        "/answers/..%2f..%2fsite.parquet.json",
        "/site.parquet",
        f"/patients/{CANARY}-1",
        "/patients/0",
        "/patients/%00",
    ],
)
def test_no_path_leads_to_a_file_or_to_a_patient_by_name(inside: Asking, path: str) -> None:
    answer = inside.get(path)
    assert answer.status_code == 404 and CANARY not in answer.text


def test_a_session_that_nobody_used_is_over(inside: Asking) -> None:
    inside.seconds = IDLE_S - 1.0
    assert inside.get("/").status_code == 200
    inside.seconds += IDLE_S + 1.0
    assert inside.get("/").status_code == 303


def test_signing_out_ends_it(inside: Asking) -> None:
    answer = inside.send("POST", "/logout", data={"secret": inside.secret})
    assert answer.status_code == 303
    assert inside.get("/").status_code == 303


def test_sessions_do_not_pile_up(inside: Asking) -> None:
    for _ in range(MOST_SESSIONS + 5):
        inside.seconds += 1.0
        inside.login()
    assert len(inside.gate.sessions) == MOST_SESSIONS
    assert inside.get("/").status_code == 200


def test_every_answer_forbids_all_but_the_studios_own(inside: Asking) -> None:
    (key, *_) = inside.patient_keys()
    for path in ("/", "/login", f"/patients/{key}", "/nowhere", "/bench.js", "/studio.css"):
        headers = inside.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy and "script-src 'self'" in policy
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"


def test_what_breaks_is_told_without_the_patient(
    inside: Asking, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Planted: an error that names a patient reaches neither the page nor the log."""
    (key, *_) = inside.patient_keys()

    def broken(*given: object) -> str:
        raise ValueError(CANARY)

    monkeypatch.setattr("client.studio.glucose_page", broken)
    answer = inside.get(f"/patients/{key}")
    assert answer.status_code == 500 and "Broken" in answer.text and CANARY not in answer.text
    said = capsys.readouterr()
    assert "ValueError at test_studio_gate.py" in said.err
    assert CANARY not in said.err + said.out and HOST not in said.err
