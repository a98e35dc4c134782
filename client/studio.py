"""The studio as a web application: a clinician asks twins of this site, on this machine alone.

Patients are in addresses by keys without meaning, nothing is written to disk, and answers to be
exported are kept in memory, the latest ones only.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from client.quality_page import TEMPLATES
from client.quality_page import card_page as whole_card
from client.studio_export import Answered, as_json, as_pdf
from client.studio_gate import HEADERS, POSTED, Clock, Gate, refusal, said
from client.studio_pages import (
    answer_parts,
    bench_page,
    card_page,
    glucose_page,
    list_page,
    planned_part,
    studio_words,
)
from client.studio_plots import recorded_marks
from client.studio_rows import for_people, place_of
from client.studio_ward import Bed, Ward
from client.trial import as_dict, try_on
from client.trial_words import sentences
from client.twin_plan import propose_for
from models.given import Given
from models.levers import scenario_of_settings
from models.scenario import Scenario, ScenarioError
from models.scenario_terms import scenario_of
from study.failure import Failure

WHOLE_CARD_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)
"""The card of `insula twin card` as it is: it carries its own styles, and can do nothing."""
MOST_ANSWERS = 64
LEAST_FACTOR, MOST_FACTOR = 1.0, 400.0


@dataclass(frozen=True)
class Studio:
    """What the pages share; `now` gives the local time that an export is dated with."""

    ward: Ward
    now: Callable[[], datetime]
    answers: OrderedDict[str, Answered] = field(default_factory=OrderedDict, repr=False)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def beds(self) -> dict[str, Bed]:
        """Every patient by key; answers of those who are here no more are dropped."""
        beds = self.ward.beds()
        with self.lock:
            for number in [k for k, one in self.answers.items() if one.key not in beds]:
                del self.answers[number]
        return beds

    def bed(self, request: Request) -> Bed:
        """The patient whose key is in the address."""
        found = self.beds().get(request.path_params["key"])
        if found is None:
            raise HTTPException(404)
        return found

    def patients(self, request: Request) -> Response:
        """Every patient."""
        return _page(list_page(list(self.beds().values()), _secret(request)))

    def glucose(self, request: Request) -> Response:
        """Profile and days; the twin is begun, as it will be asked for next."""
        bed = self.bed(request)
        self.ward.twin(bed)
        return _page(glucose_page(bed, _secret(request)))

    def card(self, request: Request) -> Response:
        """The quality card, once there is one."""
        bed = self.bed(request)
        twin = self.ward.twin(bed)
        return _page(card_page(bed, twin.result().twin if twin.done() else None, _secret(request)))

    def card_whole(self, request: Request) -> Response:
        """The card with its drawings."""
        card = self.ward.twin(self.bed(request)).result().twin.judgement.card
        if card is None:
            raise HTTPException(404)
        headers = {**HEADERS, "Content-Security-Policy": WHOLE_CARD_POLICY}
        return HTMLResponse(whole_card(card), headers=headers)

    def bench(self, request: Request) -> Response:
        """The plan bench."""
        bed = self.bed(request)
        self.ward.twin(bed)
        return _page(bench_page(bed, _secret(request)))

    def tried(self, request: Request) -> Response:
        """One scenario's answer."""
        bed, posted = self.bed(request), request.scope[POSTED]
        scenario = scenario_of(posted.get("scenario"))
        day, factor = _day(posted.get("day")), _factor(posted)
        ground = self.ward.ground(bed, (scenario.hours, day, factor))
        trial = replace(try_on(ground, scenario), own=self.ward.twin(bed).result().own)
        told = tuple(sentences(as_dict(trial), scenario))
        asked = {**posted["scenario"], "correction_factor_mg_dl_per_u": factor}
        number = self._keep(Answered(bed.key, asked, trial, told))
        parts = answer_parts(trial, ground, told, number)
        recorded = recorded_marks(ground)
        return JSONResponse({**parts, "said": told[0], "recorded": recorded}, headers=HEADERS)

    def planned(self, request: Request) -> Response:
        """What a search for better settings finds, as `insula twin plan` does."""
        bed, factor = self.bed(request), _factor(request.scope[POSTED])
        plan = propose_for(self.ward.informed(bed, factor))
        setting = plan.found.setting if plan.found is not None and not plan.refused else {}
        scenario = plain_of(scenario_of_settings(plan.levers, setting))
        planned = planned_part(plan, scenario, factor)
        return JSONResponse({"planned": planned}, headers=HEADERS)

    def exported(self, request: Request) -> Response:
        """An answer that was shown, as a file."""
        self.beds()
        answer = self.answers.get(request.path_params["number"])
        if answer is None:
            raise HTTPException(404)
        kind = request.path_params["kind"]
        make, media = EXPORTS.get(kind, (None, ""))
        if make is None:
            raise HTTPException(404)
        disposition = f'attachment; filename="insula-answer.{kind}"'
        headers = {**HEADERS, "Content-Disposition": disposition}
        return Response(make(answer, self.now()), media_type=media, headers=headers)

    def _keep(self, answer: Answered) -> str:
        number = token_urlsafe(12)
        with self.lock:
            self.answers[number] = answer
            while len(self.answers) > MOST_ANSWERS:
                self.answers.popitem(last=False)
        return number


EXPORTS = {"json": (as_json, "application/json"), "pdf": (as_pdf, "application/pdf")}


def studio_app(
    site: Path, token: str, cookie: str, clock: Clock, now: Callable[[], datetime]
) -> Gate:
    """The application for one site folder; `clock` gives seconds, `now` the local time."""
    studio = Studio(Ward(site), now)
    routes = [
        Route("/", studio.patients),
        Route("/patients/{key}", studio.glucose),
        Route("/patients/{key}/card", studio.card),
        Route("/patients/{key}/card/whole", studio.card_whole),
        Route("/patients/{key}/bench", studio.bench),
        Route("/patients/{key}/try", studio.tried, methods=["POST"]),
        Route("/patients/{key}/plan", studio.planned, methods=["POST"]),
        Route("/answers/{number}.{kind}", studio.exported),
        Route("/studio.css", _file("studio.css", "text/css")),
        Route("/bench.js", _file("bench.js", "text/javascript")),
    ]
    told: dict[Any, Any] = {
        HTTPException: _no_such_page,
        Failure: _failed,
        ScenarioError: _refused,
        Exception: _broke,
    }
    inner = Starlette(routes=routes, exception_handlers=told)
    inner.router.redirect_slashes = False
    return Gate(inner, token, cookie, clock)


def plain_of(scenario: Scenario) -> dict[str, Any]:
    """The settings of a plan as a scenario file has them."""
    therapy = scenario.therapy
    plain: dict[str, Any] = {}
    for key in ("basal", "carb_ratio", "correction_factor"):
        if parts := getattr(therapy, key):
            plain[key] = [
                {
                    "from": _clock(one.window.since_hour),
                    "to": _clock(one.window.until_hour),
                    "change": f"{100.0 * (one.scale - 1.0):+.2f}%",
                }
                for one in parts
            ]
    if therapy.long_acting is not None:
        plain["long_acting"] = {"change": f"{100.0 * (therapy.long_acting.scale - 1.0):+.2f}%"}
    return plain


def _clock(hour: float) -> str:
    return f"{int(hour):02d}:{round(60 * (hour % 1)):02d}"


def _day(plain: object) -> date | None:
    """The local day that the page chose; none means the latest ones."""
    if plain in (None, ""):
        return None
    try:
        return date.fromisoformat(str(plain))
    except ValueError as error:
        raise ScenarioError(
            f"found a day {plain!r:.40}; expected a date such as 2024-03-01. "
            "Nothing was simulated. What to do: choose one of the list."
        ) from error


def _factor(posted: dict[str, Any]) -> float | None:
    """The patient's correction factor as it was typed; none if the field was left empty."""
    if posted.get("correction_factor") in (None, ""):
        return None
    factor = Given(posted, "the correction factor").number("correction_factor", "mg/dL")
    if not LEAST_FACTOR <= factor <= MOST_FACTOR:
        raise ScenarioError(
            f"found a correction factor of {factor:g} mg/dL to the unit; expected {LEAST_FACTOR:g} "
            f"to {MOST_FACTOR:g}. Nothing was simulated. What to do: check it, and its unit."
        )
    return factor


def _secret(request: Request) -> str:
    return str(request.scope["insula.secret"])


def _page(text: str) -> Response:
    return HTMLResponse(text, headers=HEADERS)


def _file(name: str, media_type: str) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        text = (TEMPLATES / "studio" / name).read_text(encoding="utf-8")
        return Response(text, media_type=media_type, headers=HEADERS)

    return answer


def _no_such_page(request: Request, error: Exception) -> Response:
    code = error.status_code if isinstance(error, HTTPException) else 404
    if request.method == "POST":
        return refusal(code, "no such patient or page", "Go back to the list of patients.")
    words = studio_words()["gate"]
    return said(code, words["no_page"], words["no_page_here"])


def _refused(request: Request, error: Exception) -> Response:
    words = str(error)
    kind, number, name = place_of(words)
    place = {"kind": kind, "number": number, "field": name}
    return refusal(422, for_people(words), "", place=place)


def _failed(request: Request, error: Exception) -> Response:
    if request.method == "POST":
        return _refused(request, error)
    return said(422, studio_words()["gate"]["cannot_show"], str(error))


def _broke(request: Request, error: Exception) -> Response:
    words = studio_words()["gate"]
    if request.method == "POST":
        return refusal(500, words["broke"], "")
    return said(500, words["broken"], words["broke"])
