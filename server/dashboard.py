"""The dashboard as a web application that reads a run folder and can do nothing else.

Only GET and HEAD are known; a path names a page or a clinic of the run, never a file. Every answer
forbids scripts, frames and forms but its own, and carries a tag by which a reader learns of change.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from server.dashboard_pages import PAGES, Looked, clinic_page, page, plain_page
from server.report import REPORT, TEMPLATES
from server.run_files import RunFiles, Unreadable
from server.run_view import read_run
from study import web_door

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)
HEADERS = {"Content-Security-Policy": POLICY, **web_door.HEADERS}
COOKIE, TOKEN = "insula", "token"

Clock = Callable[[], float]


@dataclass(frozen=True)
class Guard:
    """In front of every page: who may look.

    Without a token only a browser that itself believes to be on this machine may, so that no page
    of the open web reads the dashboard through a name that points here. With one, who shows it.
    """

    app: ASGIApp
    token: str | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer in its place."""
        if scope["type"] != "http":
            return
        answer = self._objection(Request(scope))
        await (self.app if answer is None else answer)(scope, receive, send)

    def _objection(self, request: Request) -> Response | None:
        if self.token is None:
            ours = web_door.names_this_machine(request.headers.get("host", ""))
            return None if ours else _said(421, "Another machine's name", HOST)
        if TOKEN in request.query_params:
            return self._welcome(request)
        return None if self._is_token(request.cookies.get(COOKIE, "")) else _said(401, "Who?", WHO)

    def _welcome(self, request: Request) -> Response:
        """The token moves from the address, which is seen and kept, into a cookie."""
        if not self._is_token(request.query_params[TOKEN]):
            return _said(401, "Who?", WHO)
        left = [(k, v) for k, v in request.query_params.multi_items() if k != TOKEN]
        there = request.url.path if request.url.path in PAGES else "/"
        answer = RedirectResponse(there + ("?" + urlencode(left) if left else ""), 303, HEADERS)
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, str(self.token), httponly=True, samesite="lax", secure=secure)
        return answer

    def _is_token(self, word: str) -> bool:
        return hmac.compare_digest(word.encode(), str(self.token).encode())


HOST = "Open the dashboard at the address that the command printed."
WHO = "This dashboard asks for a token. Open the whole address that the command printed."


def dashboard_app(run: Path, token: str | None, clock: Clock) -> ASGIApp:
    """The application for one run folder; `clock` gives seconds since 1970."""

    def looked(request: Request) -> Looked:
        return Looked(read_run(run), clock(), "still" in request.query_params)

    def shown(request: Request) -> Response:
        return _tagged(request, page(request.url.path, looked(request)))

    def clinic(request: Request) -> Response:
        found, name = looked(request), request.path_params["name"]
        if name not in found.view.clinics:
            raise HTTPException(404)
        return _tagged(request, clinic_page(name, found))

    def report(request: Request) -> Response:
        return _report(run)

    routes = [Route(path, shown) for path in PAGES]
    routes += [Route("/clinics/{name}", clinic), Route("/report", report)]
    routes += [Route("/style.css", _style), Route("/live.js", _script)]
    inner = Starlette(routes=routes, exception_handlers={HTTPException: _no_such_page})
    inner.router.redirect_slashes = False
    return Guard(inner, token)


def _tagged(request: Request, text: str) -> Response:
    """The page, or 304 to who has it already."""
    tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    headers = {**HEADERS, "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return HTMLResponse(text, headers=headers)


def _report(run: Path) -> Response:
    try:
        found = RunFiles(run).read(REPORT)
    except Unreadable as error:
        return _said(200, "The report cannot be shown", f"{REPORT} {error}.")
    if found is None:
        raise HTTPException(404)
    headers = {**HEADERS, "Content-Security-Policy": REPORT_POLICY}
    return HTMLResponse(found.content, headers=headers)


def _style(request: Request) -> Response:
    sheets = (TEMPLATES / "report.css", TEMPLATES / "dashboard" / "dashboard.css")
    text = "\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets)
    return Response(text, media_type="text/css", headers=HEADERS)


def _script(request: Request) -> Response:
    text = (TEMPLATES / "dashboard" / "live.js").read_text(encoding="utf-8")
    return Response(text, media_type="text/javascript", headers=HEADERS)


def _no_such_page(request: Request, error: Exception) -> Response:
    code = error.status_code if isinstance(error, HTTPException) else 404
    if code == 405:
        return _said(405, "Read only", "Nothing can be changed here.", {"Allow": "GET, HEAD"})
    return _said(code, "No such page", "The run has no page of this name.")


def _said(code: int, title: str, words: str, more: Mapping[str, str] | None = None) -> Response:
    return HTMLResponse(plain_page(title, words), code, headers={**HEADERS, **(more or {})})
