"""In front of every page of the studio: whose name, whose page, whose token.

Asked in this order: a name of this machine (against names that were made to point here), a method
that the studio knows, for POST an origin that is the studio's own and a body of bounded size, a
session, and for POST the session's own secret. The token opens a session; the browser then holds a
cookie that no script reads and no other site's page sends.
"""

import hmac
import json
import secrets
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from client.studio_pages import login_page, plain_page, studio_words
from study import web_door

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# A browser names the origin of a form only where it may name the page it came from.
HEADERS = {
    **web_door.HEADERS,
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
}
OPEN = frozenset({"/studio.css"})
LOGIN, LOGOUT = "/login", "/logout"
SECRET = "x-insula-secret"
POSTED = "insula.posted"
LARGEST_BODY = 64 * 1024
MOST_SESSIONS = 16
IDLE_S = 3600.0
"""A session that nobody used for so long is over: the screen may be another's by then."""

Clock = Callable[[], float]


@dataclass
class Session:
    """One browser that showed the token: the secret of its forms, and when it was last seen."""

    secret: str
    seen_s: float


@dataclass
class Gate:
    """The application behind everything that a request has to be first; `clock` in seconds."""

    app: ASGIApp
    token: str = field(repr=False)
    cookie: str
    clock: Clock
    sessions: dict[str, Session] = field(default_factory=dict, repr=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer in its place."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            answer = await self._objection(request)
        except ClientDisconnect:
            return
        try:
            await (self.app if answer is None else answer)(scope, _nothing_more, send)
        except Exception as error:
            _note(error)

    async def _objection(self, request: Request) -> Response | None:
        """The answer to a request that goes no further; None for one that may."""
        if not web_door.names_this_machine(request.headers.get("host", "")):
            words = studio_words()["gate"]
            return said(421, words["other_name"], words["open_printed"])
        if request.method not in ("GET", "HEAD", "POST"):
            words = studio_words()["gate"]
            allowed = {"Allow": "GET, HEAD, POST"}
            return said(405, words["not_here"], words["no_method"], allowed)
        answer = None
        if request.method == "POST":
            answer = _foreign(request) or await _posted(request)
        return answer or self._stranger(request)

    def _stranger(self, request: Request) -> Response | None:
        path, posts = request.url.path, request.method == "POST"
        if path in OPEN:
            return None
        if path == LOGIN:
            return self._login(request) if posts else _page(200, login_page())
        known = self._session(request.cookies.get(self.cookie, ""))
        if known is None:
            over = refusal(401, "a session that is over.", WHO)
            return over if posts else RedirectResponse(LOGIN, 303, HEADERS)
        name, session = known
        if posts and not _same(_secret(request), session.secret):
            return refusal(403, "Not from this page", "Load the page again.")
        if path == LOGOUT and posts:
            del self.sessions[name]
            return RedirectResponse(LOGIN, 303, HEADERS)
        request.scope["insula.secret"] = session.secret
        return None

    def _session(self, shown: str) -> tuple[str, Session] | None:
        now = self.clock()
        self.sessions = {k: v for k, v in self.sessions.items() if now - v.seen_s <= IDLE_S}
        for name, session in self.sessions.items():
            if _same(name, shown):
                session.seen_s = now
                return name, session
        return None

    def _login(self, request: Request) -> Response:
        if not _same(str(request.scope[POSTED].get("token", "")).strip(), self.token):
            return _page(401, login_page(studio_words()["gate"]["wrong_token"]))
        while len(self.sessions) >= MOST_SESSIONS:
            del self.sessions[min(self.sessions, key=lambda one: self.sessions[one].seen_s)]
        name = secrets.token_urlsafe(32)
        self.sessions[name] = Session(secrets.token_urlsafe(32), self.clock())
        answer = RedirectResponse("/", 303, HEADERS)
        answer.set_cookie(self.cookie, name, httponly=True, samesite="strict", path="/")
        return answer


WHO = "Sign in again, in another tab, then load this page anew."


def said(code: int, title: str, words: str, more: Mapping[str, str] | None = None) -> HTMLResponse:
    """A page that says one thing."""
    return HTMLResponse(plain_page(title, words), code, headers={**HEADERS, **(more or {})})


def refusal(code: int, found: str, remedy: str, **more: Any) -> JSONResponse:
    """What a page's script is told instead of an answer."""
    return JSONResponse({"error": {"found": found, "remedy": remedy, **more}}, code, HEADERS)


def _page(code: int, text: str) -> HTMLResponse:
    return HTMLResponse(text, code, headers=HEADERS)


def _foreign(request: Request) -> Response | None:
    """Whether another page than the studio's own posts; every browser says whose page does."""
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    if request.headers.get("origin", "").lower() == own.lower():
        return None
    return refusal(403, "a request from a page that is not the studio's", "Open the studio itself.")


async def _posted(request: Request) -> Response | None:
    """Puts what was posted into the request; the objection where it cannot be taken."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            return refusal(413, "more than the studio reads", f"Send {LARGEST_BODY} bytes at most.")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/json":
            read = json.loads(body)
        elif kind == "application/x-www-form-urlencoded":
            read = {k: v[-1] for k, v in parse_qs(body.decode(), max_num_fields=20).items()}
        else:
            return refusal(415, f"a body of kind {kind!r:.40}", "Send JSON.")
    except (ValueError, RecursionError):
        return refusal(400, "a body that cannot be read", "Send one JSON object.")
    if not isinstance(read, dict):
        return refusal(400, "a body that is no object", "Send one JSON object.")
    request.scope[POSTED] = read
    return None


def _secret(request: Request) -> str:
    """From a script's header, or from a form's field."""
    return request.headers.get(SECRET) or str(request.scope[POSTED].get("secret", ""))


def _same(one: str, other: str) -> bool:
    """Equal, found out in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


async def _nothing_more() -> dict[str, Any]:
    return {"type": "http.disconnect"}


def _note(error: Exception) -> None:
    """Where something broke, for who runs the studio; never the words, which may name a patient."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{last.filename.rsplit('/', 1)[-1]}:{last.lineno}"
    print(f"studio: {type(error).__name__} at {where}; the page was told so", file=sys.stderr)
