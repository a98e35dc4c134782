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
from matplotlib.text import Text

from client.quality_page import NOTICE
from client.studio_pages import cautions_of
from client.trial import Trial, as_dict
from client.trial_page import MEASURE_NAMES, draw_curves
from study.svg import STYLE

A4_IN = (8.27, 11.69)
FONT_PT, LINE_PT = 8.5, 11.5
# matplotlib joins letters from 3.11 on, and can then be told not to.
LETTERS: Any = {"fontfeatures": ["-liga"]} if hasattr(Text, "set_fontfeatures") else {}
LINE_CHARS, FIRST_LINES, LINES_A_PAGE = 96, 26, 62
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
        told = [line for one in answer.told for line in [*_wrapped(one), ""]]
        pages.savefig(_first(answer, told[:FIRST_LINES], at))
        lines = [*told[FIRST_LINES:], *_lines(answer)]
        for start in range(0, len(lines), LINES_A_PAGE):
            pages.savefig(_text_page(answer, lines[start : start + LINES_A_PAGE]))
    return sheet.getvalue()


def _first(answer: Answered, told: Sequence[str], at: datetime) -> Figure:
    """Curves, a table of every measure, and as many sentences as there is room for."""
    trial, figure = answer.trial, Figure(figsize=A4_IN)
    _headed(figure, answer)
    when = f"Made {at:%Y-%m-%d %H:%M}. {len(trial.starts)} recorded stretches of "
    when += f"{trial.scenario.hours} h, {trial.draws} twins."
    _write(figure, 0.08, 0.93, when)
    upper = figure.add_axes((0.1, 0.62, 0.82, 0.26))
    draw_curves(upper, trial.curves)
    upper.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False)
    _table(figure, trial)
    _write_all(figure, 0.4, told)
    return figure


def _write(figure: Figure, x: float, y: float, words: str, **how: Any) -> None:
    """One line of single letters: who searches the file looks for `fit`, not for a ligature."""
    figure.text(x, y, words, **{"fontsize": FONT_PT, **LETTERS, **how})


def _write_all(figure: Figure, y: float, lines: Sequence[str]) -> None:
    """Lines from a height on downwards; matplotlib forgets what letters to use in more than one."""
    for down, line in enumerate(lines):
        _write(figure, 0.08, y - down * LINE_PT / 72.0 / A4_IN[1], line, va="top")


def _table(figure: Figure, trial: Trial) -> None:
    cells = [["", "as recorded", "tried", "change", "80 % of the twins"]]
    for name, label in MEASURE_NAMES.items():
        shift = trial.outcome.shifts[name]
        before, after = trial.outcome.before[name], trial.outcome.after[name]
        interval = f"{shift.low:+.1f} to {shift.high:+.1f}"
        cells.append([label, f"{before:.1f}", f"{after:.1f}", f"{shift.middle:+.1f}", interval])
    for down, row in enumerate(cells):
        height = 0.545 - 0.02 * down
        _write(figure, 0.08, height, row[0])
        for place, cell in zip((0.5, 0.62, 0.74, 0.92), row[1:], strict=True):
            _write(figure, place, height, cell, ha="right")


def _text_page(answer: Answered, lines: Sequence[str]) -> Figure:
    figure = Figure(figsize=A4_IN)
    _headed(figure, answer)
    _write_all(figure, 0.93, lines)
    return figure


def _headed(figure: Figure, answer: Answered) -> None:
    trial = answer.trial
    title = textwrap.shorten(f"{trial.patient}: {trial.scenario.name}", 80)
    _write(figure, 0.08, 0.955, title, fontsize=13, weight="bold")
    _write(figure, 0.92, 0.98, NOTICE, ha="right", weight="bold", color="#a34412")
    _write(figure, 0.08, 0.03, f"{NOTICE}. No dose, alarm or diagnosis may rest on it.", fontsize=8)


def _lines(answer: Answered) -> list[str]:
    """Cautions, then what was asked as a scenario file has it."""
    asked = yaml.safe_dump(dict(answer.asked), sort_keys=False, allow_unicode=True, width=80)
    told = [*cautions_of(answer.trial), "", "What was asked:", *asked.splitlines()]
    return [line for one in told for line in (_wrapped(one) or [""])]


def _wrapped(words: str) -> list[str]:
    return textwrap.wrap(words, LINE_CHARS, subsequent_indent="")
