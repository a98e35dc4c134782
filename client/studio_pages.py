"""The studio's pages as HTML: each a function of a patient and of what was found."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any

import numpy as np
from jinja2 import Environment

from client.card_verdict import Light, findings, light_of
from client.known_twin import KnownTwin
from client.plan_words import plan_sentences
from client.quality_page import NOTICE, TEMPLATES, horizon_words, mark_of
from client.studio_plots import bars, curve_chart, day_frame, day_line, profile_chart
from client.studio_rows import EVENTS, KINDS, SETTINGS
from client.studio_ward import Bed
from client.trial import Recorded, Trial
from client.trial_page import MEASURE_NAMES
from client.trial_words import catalogue
from client.twin_plan import Proposal, as_dict
from client.twin_question import UNIX_EPOCH_DAY, well_recorded_rows
from client.twin_site import described
from models.ambulatory import Day, Profile, ambulatory_profile
from models.glycemia import Glycemia, GlycemiaError
from models.trace import Trace
from study.page_templates import page_templates

TABS = (("glucose", ""), ("card", "/card"), ("bench", "/bench"))
RANGES = (
    ("above_250", "very-high"),
    ("from_181", "high"),
    ("from_70", "in"),
    ("from_54", "low"),
    ("below_54", "very-low"),
)
"""Ranges from high to low, by their keys in the catalogue, and their colours."""
MOST_DAYS_OFFERED = 28


def login_page(message: str = "") -> str:
    """Where the token is typed; `message` says what was wrong with the last one."""
    return _rendered("login", studio_words()["login"]["title"], message=message)


def studio_words() -> Mapping[str, Any]:
    """What stands on the studio's pages, by page."""
    words: Mapping[str, Any] = catalogue()["studio"]
    return words


def plain_page(title: str, words: str) -> str:
    """A page that says one thing."""
    return _rendered("plain", title, told=words)


def list_page(beds: Sequence[Bed], secret: str) -> str:
    """Every patient of the site, by pseudonym."""
    rows = [{"key": bed.key, **described(bed.trace), **_lately(bed.trace)} for bed in beds]
    title = studio_words()["patients"]["title"]
    return _rendered("list", title, secret, here="list", rows=rows)


def glucose_page(bed: Bed, secret: str) -> str:
    """Ambulatory profile, ranges and daily curves of the latest 14 days."""
    profile = _profile(bed.trace)
    content: dict[str, Any] = {"profile": profile}
    if profile is not None:
        frame = day_frame()
        content |= {
            "chart": profile_chart(profile),
            "ranges": _ranges(profile.summary),
            "frame": frame,
            "days": [
                _day(one, bed.trace, day_line(frame, one, bed.trace.sensor_period_min))
                for one in profile.days
            ],
            "last_day": _date(profile.days[-1].local_day),
        }
    return _rendered("glucose", bed.trace.patient, secret, here="glucose", bed=bed, **content)


def card_page(bed: Bed, twin: KnownTwin | None, secret: str) -> str:
    """The quality card; without a twin, that it is being made."""
    card = None if twin is None else twin.judgement.card
    content: dict[str, Any] = {"twin": twin, "card": card}
    if twin is not None:
        content["cautions"] = twin.judgement.cautions
    if card is not None:
        light = light_of(card)
        content |= {"light": light, "mark": mark_of(light), "findings": findings(card)}
    return _rendered("card", bed.trace.patient, secret, here="card", bed=bed, **content)


def bench_page(bed: Bed, secret: str) -> str:
    """The bench: rows of what can be tried; its script asks for the answers."""
    trace = bed.trace
    has = {
        "basal": bool(np.nansum(trace["basal_u_per_h"]) > 0.0),
        "long_acting": bool(np.nansum(trace["long_acting_u"]) > 0.0),
        "carb_ratio": True,
        "meal_boluses": True,
    }
    return _rendered(
        "bench",
        trace.patient,
        secret,
        here="bench",
        bed=bed,
        days=offered_days(trace),
        events=EVENTS,
        settings=SETTINGS,
        kinds=KINDS.values(),
        lanes=list(dict.fromkeys(kind.lane for kind in EVENTS if kind.lane)),
        shown={key for key, there in has.items() if there},
    )


def offered_days(trace: Trace) -> list[str]:
    """Local dates from which a scenario of a day can start, the latest first."""
    rows = well_recorded_rows(trace)[::-1][:MOST_DAYS_OFFERED]
    day = trace.local_day
    return [_date(int(day[row])) for row in rows]


def answer_parts(
    trial: Trial, ground: Recorded, told: Sequence[str], number: str
) -> dict[str, str]:
    """The chart and the rest of an answer, for the page that asked."""
    known: dict[str, Any] = {
        "trial": trial,
        "told": told,
        "chart": curve_chart(trial, ground),
        "bars": bars(trial),
        "names": MEASURE_NAMES,
        "cautions": cautions_of(trial),
        "verdict": _verdict(trial.verdict),
        "number": number,
        "notice": NOTICE,
    }
    parts = {name: _pages().get_template(f"studio/{name}.html.j2") for name in ("chart", "answer")}
    return {name: template.render(**known) for name, template in parts.items()}


def planned_part(plan: Proposal, scenario: Mapping[str, Any], factor: float | None = None) -> str:
    """What a search found, or why it proposes nothing; `scenario` is the plan as one.

    `factor` is the correction factor, mg/dL to the unit, that its twin was made with.
    """
    found = plan.found.setting if plan.found is not None and not plan.refused else {}
    return (
        _pages()
        .get_template("studio/planned.html.j2")
        .render(
            plan=plan,
            told=plan_sentences(as_dict(plan)),
            proposed=found,
            scenario=scenario,
            cautions=plan.cautions,
            factor=factor,
        )
    )


def cautions_of(trial: Trial) -> list[str]:
    """Flags of the twin and the card's cautions, as sentences."""
    words = catalogue()["caution"]
    return [words.format(text=one) for one in (*trial.calibration.flags, *trial.cautions)]


def _verdict(verdict: str) -> str:
    known = {light.name.lower(): light.words for light in Light}
    unknown: str = studio_words()["answer"]["not_judged"]
    return known.get(verdict, unknown) + "."


def _lately(trace: Trace) -> dict[str, str]:
    profile = _profile(trace)
    if profile is None:
        return {"in_range": "-", "below": "-"}
    all_ = profile.summary
    return {"in_range": f"{all_.in_range_pct:.0f}", "below": f"{_below(all_):.1f}"}


def _below(summary: Glycemia) -> float:
    return summary.low_pct + summary.very_low_pct


def _profile(trace: Trace) -> Profile | None:
    try:
        return ambulatory_profile(trace)
    except GlycemiaError:
        return None


def _ranges(summary: Glycemia) -> list[tuple[str, float, str, str]]:
    """Ranges from high to low with the consensus's goals for adults (Battelino et al. 2019)."""
    words, found = studio_words()["glucose"], summary
    shares = [found.very_high_pct, found.high_pct, found.in_range_pct]
    shares += [found.low_pct, found.very_low_pct]
    return [
        (words[key], share, words[f"goal_{key}"], tone)
        for (key, tone), share in zip(RANGES, shares, strict=True)
    ]


def _day(day: Day, trace: Trace, line: str) -> dict[str, Any]:
    told = date.fromordinal(day.local_day + UNIX_EPOCH_DAY)
    return {"label": f"{told:%a %-d %b}", "line": line, "summary": day.summary}


def _date(local_day: int) -> str:
    return date.fromordinal(local_day + UNIX_EPOCH_DAY).isoformat()


@cache
def _pages() -> Environment:
    pages = page_templates(TEMPLATES)
    pages.globals |= {"notice": NOTICE, "tabs": TABS, "horizon": horizon_words}
    pages.globals["words"] = studio_words()
    return pages


def _rendered(template: str, title: str, secret: str = "", **content: Any) -> str:
    known = {"title": title, "secret": secret, "here": "", "bed": None}
    return _pages().get_template(f"studio/{template}.html.j2").render(**known | content)
