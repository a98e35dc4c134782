"""The dashboard's pages as HTML: one function a page, each a function of a run and the time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from jinja2 import Environment

from server.code_words import words_of
from server.dashboard_plots import MARKS, panels
from server.findings import findings, headline
from server.report import COHORT_TITLES, MODEL_COLUMNS, TEMPLATES, figures, unbroken
from server.run_record import ALL_CLINICS, COHORTS
from server.run_view import RELEASED, RunView
from server.score_book import ScoreBook
from server.spending import epsilon_of, spending
from study.page_templates import page_templates

LATEST_ROUNDS = 24
LONGEST_LADDER = 12
LATE_S = 60.0
"""So long after its deadline a round is called late: the server has to add up and write first."""


@dataclass(frozen=True)
class Looked:
    """A run as it was when somebody looked, seconds since 1970; `still` pages do not renew."""

    view: RunView
    now_s: float
    still: bool = False


@dataclass(frozen=True)
class Standing:
    """Where the study stands, in one sentence: `waiting`, `late` or `done`."""

    tone: str
    words: str


@dataclass(frozen=True)
class ClinicRow:
    """A clinic as the centre knows it."""

    name: str
    role: str
    declared: int | str
    took_part: int
    asked: int
    last_code: str | None
    kept: str | None


Content = Callable[[RunView], dict[str, Any]]


def page(path: str, looked: Looked) -> str:
    """The page at one of the paths of PAGES."""
    title, template, content = PAGES[path]
    return _rendered(template, path, title, looked, content(looked.view))


def clinic_page(clinic: str, looked: Looked) -> str:
    """The page of one clinic that the run knows."""
    view = looked.view
    content = {
        "clinic": _clinic(view, clinic),
        "spent": [one for one in _spent(view) if one.clinic == clinic],
        "answers": [
            (one.number, one.codes[clinic]) for one in reversed(view.rounds) if clinic in one.codes
        ],
        "parts": _parts(view, [clinic]),
    }
    return _rendered("clinic", "/clinics", clinic, looked, content)


def plain_page(title: str, words: str) -> str:
    """A page that says one thing and knows no run."""
    return _pages().get_template("dashboard/plain.html.j2").render(title=title, words=words)


def standing(view: RunView, now_s: float) -> Standing:
    """Where the study stands at this moment."""
    last, planned = (view.rounds[-1] if view.rounds else None), view.planned
    if view.is_over:
        return Standing(
            "done", f"All {view.finished} rounds are over." if planned else "It is over."
        )
    if view.failure:
        return Standing("late", f"The study stopped: found {view.failure}")
    if last is None:
        return Standing("waiting", "Nothing is on disk yet: no protocol, no round.")
    name = f"Round {last.number}" + (f" of {planned}" if planned else "")
    if last.phase == "replied":
        return Standing("waiting", f"{name}: the replies are in; the centre adds them up.")
    if last.phase == "over":
        return Standing("waiting", f"{name} is over.")
    since = f" since {moment(last.asked_s)}" if last.asked_s else ""
    deadline_s = view.protocol.server.deadline_s if view.protocol else 0.0
    if last.asked_s and now_s > last.asked_s + deadline_s + LATE_S:
        return Standing(
            "late",
            f"{name}: no reply is on disk{since}, and the deadline of {duration(deadline_s)} has "
            "passed. The server may have stopped: read its last words; insula study resume goes on "
            "from here.",
        )
    return Standing("waiting", f"{name}: waiting for the clinics{since}.")


def _ended(planned: int | None) -> str:
    if planned is None:
        return "The study is over."
    return "The only round is over." if planned == 1 else f"All {planned} rounds are over."


def moment(seconds: float) -> str:
    """A time since 1970 as UTC, for people."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%-d %b %Y, %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return "a time nobody can read"


def duration(seconds: float | None) -> str:
    """Seconds for people: `4 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds is None:
        return "·"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def share(part: float, whole: float) -> float:
    """Per cent of a whole, at most 100."""
    return round(min(100.0, 100.0 * part / whole), 2)


def errors_by_code(view: RunView) -> dict[str, list[tuple[str, list[int]]]]:
    """Code -> clinics and the rounds in which they gave it, the most frequent code first."""
    found: dict[str, dict[str, list[int]]] = {}
    for one in view.rounds:
        for clinic, code in one.codes.items():
            if code != RELEASED:
                found.setdefault(code, {}).setdefault(clinic, []).append(one.number)
    times = {code: sum(map(len, places.values())) for code, places in found.items()}
    ordered = sorted(found, key=lambda code: (-times[code], code))
    return {code: list(found[code].items()) for code in ordered}


@cache
def _pages() -> Environment:
    pages = page_templates(TEMPLATES)
    pages.filters |= {"figures": figures, "unbroken": unbroken, "duration": duration}
    pages.globals |= {"share": share, "words_of": words_of, "all_clinics": ALL_CLINICS}
    return pages


def _rendered(
    template: str, path: str, title: str, looked: Looked, content: Mapping[str, Any]
) -> str:
    view = looked.view
    known = {
        "view": view,
        "title": title,
        "here": path,
        "pages": {path: one[0] for path, one in PAGES.items()},
        "still": looked.still,
        "standing": standing(view, looked.now_s),
        "error_count": sum(one != RELEASED for r in view.rounds for one in r.codes.values()),
        "members": _members(view),
        "marks": MARKS,
    }
    return _pages().get_template(f"dashboard/{template}.html.j2").render(**known, **content)


def _members(view: RunView) -> list[str]:
    observers = {one.name for one in view.protocol.clinics} if view.protocol else set()
    observers -= {one.name for one in view.protocol.members} if view.protocol else set()
    return [name for name in view.clinics if name not in observers]


def _spent(view: RunView) -> Sequence[Any]:
    return spending(view.protocol, view.rounds) if view.protocol else ()


def _overview(view: RunView) -> dict[str, Any]:
    said = headline(view.record) if view.record else ""
    return {"latest": LATEST_ROUNDS, "spent": _spent(view), "headline": said, **_rounds(view)}


def _rounds(view: RunView) -> dict[str, Any]:
    """Numbers of the rounds to come, where they are few enough to be shown empty."""
    last = view.rounds[-1].number if view.rounds else 0
    to_come = range(last + 1, min(view.planned or 0, LATEST_ROUNDS) + 1)
    return {"to_come": to_come}


def _nothing_more(view: RunView) -> dict[str, Any]:
    return {}


def _clinics(view: RunView) -> dict[str, Any]:
    return {"clinics": [_clinic(view, name) for name in view.clinics]}


def _clinic(view: RunView, name: str) -> ClinicRow:
    agreed = {one.name: one for one in view.protocol.clinics} if view.protocol else {}
    told = {one.name: one.declared_patients for one in view.record.clinics} if view.record else {}
    codes = [one.codes[name] for one in view.rounds if name in one.codes]
    kept = view.record.adoption.get(name) if view.record else None
    declared = agreed[name].declared_patients if name in agreed else told.get(name, "not known")
    return ClinicRow(
        name=name,
        role=agreed[name].role if name in agreed else "not known",
        declared=declared,
        took_part=codes.count(RELEASED),
        asked=len(codes),
        last_code=codes[-1] if codes else None,
        kept={"new": "the federated body", "old": "its old body"}[kept] if kept else None,
    )


def _budgets(view: RunView) -> dict[str, Any]:
    if view.protocol is None:
        return {"spent": (), "ladder": ()}
    total = view.protocol.release.rounds
    steps = max(1, -(-total // LONGEST_LADDER))
    counts = [*range(steps, total, steps), total]
    ladder = [(count, epsilon_of(view.protocol, count)) for count in counts]
    return {"spent": _spent(view), "ladder": ladder}


def _errors(view: RunView) -> dict[str, Any]:
    return {"errors": errors_by_code(view)}


def _forecasts(view: RunView) -> dict[str, Any]:
    record = view.record
    return {
        "parts": _parts(view),
        "book": ScoreBook.of(record) if record else None,
        "headline": headline(record) if record else "",
        "model_columns": MODEL_COLUMNS,
    }


def _parts(view: RunView, clinics: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Cohorts that have anything to draw, of all clinics or of these."""
    if view.record is None:
        return []
    book, parts = ScoreBook.of(view.record), []
    for cohort in COHORTS:
        if drawn := panels(book, cohort, clinics):
            title, explanation = COHORT_TITLES[cohort]
            part = {"cohort": cohort, "title": title, "explanation": explanation}
            parts.append({**part, "panels": drawn, "sentences": findings(view.record, cohort)})
    return parts


PAGES: Mapping[str, tuple[str, str, Content]] = {
    "/": ("Overview", "overview", _overview),
    "/rounds": ("Rounds", "rounds", _rounds),
    "/clinics": ("Clinics", "clinics", _clinics),
    "/budgets": ("Budgets", "budgets", _budgets),
    "/errors": ("Errors", "errors", _errors),
    "/forecasts": ("Forecasts", "forecasts", _forecasts),
    "/protocol": ("Protocol", "protocol", _nothing_more),
}
"""Path -> title, template and what the template needs beside the run."""
