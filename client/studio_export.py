"""An answer to take along: one JSON object, or a PDF that needs no browser."""

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from typing import Any

import matplotlib as mpl
import yaml
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from client.quality_page import NOTICE
from client.studio_pages import cautions_of
from client.trial import Trial, as_dict
from client.trial_page import MEASURE_NAMES, draw_curves
from study.svg import STYLE

A4_IN = (8.27, 11.69)
LINE_CHARS, LINES_A_PAGE = 96, 62
PDF_STYLE: Any = {**STYLE, "pdf.fonttype": 42, "font.family": "DejaVu Sans"}
NO_METADATA = dict.fromkeys(("Creator", "Producer", "CreationDate"))


@dataclass(frozen=True)
class Answered:
    """One answer as it was shown: what was asked in plain values, the trial, its sentences."""

    key: str
    asked: Mapping[str, Any] = field(repr=False)
    trial: Trial = field(repr=False)
    told: tuple[str, ...] = field(repr=False)


def as_json(answer: Answered, at: datetime) -> bytes:
    """The answer as `insula twin try --json` gives it, with what was asked and when."""
    return json.dumps(
        {
            "notice": NOTICE,
            "made_local": at.isoformat(timespec="seconds"),
            "asked": answer.asked,
            **as_dict(answer.trial),
            "sentences": list(answer.told),
        },
        indent=1,
    ).encode()


def as_pdf(answer: Answered, at: datetime) -> bytes:
    """Curves, numbers, reasons, what was asked: A4, the notice on each page."""
    sheet = BytesIO()
    with mpl.rc_context(PDF_STYLE), PdfPages(sheet, metadata=NO_METADATA) as pages:
        lines = _lines(answer)
        pages.savefig(_first(answer, at))
        for start in range(0, len(lines), LINES_A_PAGE):
            pages.savefig(_text_page(answer, lines[start : start + LINES_A_PAGE]))
    return sheet.getvalue()


def _first(answer: Answered, at: datetime) -> Figure:
    """Curves, a table of every measure, and the sentences."""
    trial, figure = answer.trial, Figure(figsize=A4_IN)
    _headed(figure, answer)
    when = f"Made {at:%Y-%m-%d %H:%M}. {len(trial.starts)} recorded stretches of "
    when += f"{trial.scenario.hours} h, {trial.draws} twins."
    figure.text(0.08, 0.93, when, fontsize=8.5)
    upper = figure.add_axes((0.1, 0.62, 0.82, 0.26))
    draw_curves(upper, trial.curves)
    upper.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False)
    _table(figure, trial)
    told = [line for one in answer.told for line in [*_wrapped(one), ""]]
    figure.text(0.08, 0.36, "\n".join(told), fontsize=8.5, va="top", linespacing=1.35)
    return figure


def _table(figure: Figure, trial: Trial) -> None:
    cells = [["", "as recorded", "tried", "change", "80 % of the twins"]]
    for name, label in MEASURE_NAMES.items():
        shift = trial.outcome.shifts[name]
        before, after = trial.outcome.before[name], trial.outcome.after[name]
        interval = f"{shift.low:+.1f} to {shift.high:+.1f}"
        cells.append([label, f"{before:.1f}", f"{after:.1f}", f"{shift.middle:+.1f}", interval])
    for down, row in enumerate(cells):
        height = 0.545 - 0.02 * down
        figure.text(0.08, height, row[0], fontsize=8.5)
        for place, cell in zip((0.5, 0.62, 0.74, 0.92), row[1:], strict=True):
            figure.text(place, height, cell, fontsize=8.5, ha="right")


def _text_page(answer: Answered, lines: Sequence[str]) -> Figure:
    figure = Figure(figsize=A4_IN)
    _headed(figure, answer)
    figure.text(0.08, 0.93, "\n".join(lines), fontsize=8.5, va="top", linespacing=1.35)
    return figure


def _headed(figure: Figure, answer: Answered) -> None:
    trial = answer.trial
    title = textwrap.shorten(f"{trial.patient}: {trial.scenario.name}", 80)
    figure.text(0.08, 0.955, title, fontsize=13, weight="bold")
    figure.text(0.92, 0.98, NOTICE, fontsize=8.5, ha="right", weight="bold", color="#a34412")
    figure.text(0.08, 0.03, f"{NOTICE}. No dose, alarm or diagnosis may rest on it.", fontsize=8)


def _lines(answer: Answered) -> list[str]:
    """Cautions, then what was asked as a scenario file has it."""
    asked = yaml.safe_dump(dict(answer.asked), sort_keys=False, allow_unicode=True, width=80)
    told = [*cautions_of(answer.trial), "", "What was asked:", *asked.splitlines()]
    return [line for one in told for line in (_wrapped(one) or [""])]


def _wrapped(words: str) -> list[str]:
    return textwrap.wrap(words, LINE_CHARS, subsequent_indent="")
