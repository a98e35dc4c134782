"""The answer of a twin as a page of its own: both curves, and what differs."""

from pathlib import Path

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from client.twin_question import HOURS, Answer, below_70_pct, in_words
from models.glycemia import HIGH_MG_DL, LOW_MG_DL
from models.trace import STEP_MIN
from study.page_templates import page_templates
from study.svg import inline_svg

TEMPLATES = Path(__file__).parent / "templates"
RECORDED_COLOUR, ASKED_COLOUR = "#33424f", "#0b7a75"


def answer_rows(answer: Answer) -> list[tuple[str, float, float]]:
    """What is compared, then its value as recorded and as asked."""
    a, b = answer.comparison.a, answer.comparison.b
    return [
        ("Mean glucose, mg/dL", a.mean_mg_dl, b.mean_mg_dl),
        ("Time in 70-180 mg/dL, %", a.in_range_pct, b.in_range_pct),
        ("Time below 70 mg/dL, %", below_70_pct(a), below_70_pct(b)),
        ("Variation (CV), %", a.cv_pct, b.cv_pct),
    ]


def answer_page(answer: Answer) -> str:
    """The page as HTML, self-contained; names are escaped."""
    return (
        page_templates(TEMPLATES)
        .get_template("answer.html.j2")
        .render(
            answer=answer,
            hours=HOURS,
            words=in_words(answer),
            rows=answer_rows(answer),
            plot=Markup(curves(answer)),
        )
    )


def curves(answer: Answer) -> str:
    """SVG of glucose (mg/dL) under both regimens over the sensor's readings."""
    comparison = answer.comparison
    hour = np.arange(len(comparison.measured_mg_dl)) * STEP_MIN / 60.0

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axhspan(LOW_MG_DL, HIGH_MG_DL, color="#eef4ee", zorder=0)
        a, b = comparison.glucose_a_mg_dl, comparison.glucose_b_mg_dl
        axes.fill_between(hour, a, b, color=ASKED_COLOUR, alpha=0.12, linewidth=0.0)
        axes.plot(hour, a, color=RECORDED_COLOUR, linewidth=1.4, label="as recorded")
        axes.plot(hour, b, color=ASKED_COLOUR, linewidth=1.8, label="with the change")
        sensor = comparison.measured_mg_dl
        axes.plot(hour, sensor, ".", color="#8a949d", markersize=2.6, label="sensor")
        axes.set_ylabel("mg/dL")
        axes.set_xlabel("local time")
        ticks = np.arange(0, HOURS + 1, 3)
        axes.set_xticks(ticks, [f"{tick % 24:02d}:00" for tick in ticks.tolist()])
        axes.set_xlim(0.0, HOURS)
        figure.legend(loc="outside upper left", ncols=3)

    description = f"Glucose as recorded and with the change. {in_words(answer)}"
    return inline_svg("answer", description, (9.0, 3.6), draw)
