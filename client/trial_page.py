"""A trial as a page of its own: curves with their doubt, what changes, and the reasons."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from client.trial import BLOCK_H, Curves, Trial
from client.trial_words import catalogue
from models.glycemia import HIGH_MG_DL, LOW_MG_DL
from models.trace import STEP_MIN
from study.page_templates import page_templates
from study.svg import inline_svg

TEMPLATES = Path(__file__).parent / "templates"
RECORDED_COLOUR, TRIED_COLOUR, SENSOR_COLOUR = "#33424f", "#0b7a75", "#8a949d"
RANGE_COLOUR = "#eef4ee"

MEASURE_NAMES: Mapping[str, str] = catalogue()["measures"]


def trial_page(trial: Trial, told: list[str]) -> str:
    """The page as HTML, self-contained; names are escaped. `told` are its sentences."""
    words = catalogue()
    return (
        page_templates(TEMPLATES)
        .get_template("trial.html.j2")
        .render(
            trial=trial,
            told=told,
            names=MEASURE_NAMES,
            cautions=[
                words["caution"].format(text=one)
                for one in (*trial.calibration.flags, *trial.cautions)
            ],
            research=words["research"],
            curves=Markup(curves_svg(trial.curves, told[0])),
            by_hour=Markup(by_hour_svg(trial.by_hour_mg_dl)),
        )
    )


def curves_svg(curves: Curves, description: str) -> str:
    """SVG of glucose (mg/dL): as recorded, and as tried with its 80 % band."""

    def draw(figure: Figure) -> None:
        draw_curves(figure.subplots(), curves)
        figure.legend(loc="outside upper left", ncols=3)

    return inline_svg("curves", description, (9.0, 3.6), draw)


def draw_curves(axes: Axes, curves: Curves) -> None:
    """Glucose (mg/dL) as recorded, as tried with its 80 % band, and the sensor's, into axes."""
    hour = np.arange(len(curves.recorded_mg_dl)) * STEP_MIN / 60.0
    axes.axhspan(LOW_MG_DL, HIGH_MG_DL, color=RANGE_COLOUR, zorder=0)
    band = (curves.low_mg_dl, curves.high_mg_dl)
    axes.fill_between(hour, *band, color=TRIED_COLOUR, alpha=0.18, linewidth=0.0)
    recorded, middle = curves.recorded_mg_dl, curves.middle_mg_dl
    axes.plot(hour, recorded, color=RECORDED_COLOUR, linewidth=1.4, label="as recorded")
    axes.plot(hour, middle, color=TRIED_COLOUR, linewidth=1.8, label="tried")
    axes.plot(hour, curves.measured_mg_dl, ".", color=SENSOR_COLOUR, markersize=2.6, label="sensor")
    axes.set_ylabel("mg/dL")
    axes.set_xlabel(f"local time, from {curves.start_local:%Y-%m-%d}")
    ticks = np.arange(0, hour[-1] + 1, 6 if hour[-1] > 24 else 3).astype(int)
    axes.set_xticks(ticks, [f"{tick % 24:02d}:00" for tick in ticks.tolist()])
    axes.set_xlim(0.0, float(hour[-1]))


def by_hour_svg(by_hour_mg_dl: tuple[float, ...]) -> str:
    """SVG of the mean change in each stretch of the day, mg/dL."""
    begins = BLOCK_H * np.arange(len(by_hour_mg_dl))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.bar(begins, by_hour_mg_dl, width=0.94 * BLOCK_H, align="edge", color=TRIED_COLOUR)
        axes.axhline(0.0, color=RECORDED_COLOUR, linewidth=0.8)
        axes.set_xticks([*begins.tolist(), 24], [f"{h:02d}" for h in [*begins.tolist(), 24]])
        axes.set_ylabel("change, mg/dL")
        axes.set_xlabel("hour of the day")

    told = ", ".join(
        f"{begin} to {begin + BLOCK_H} h {change:+.0f} mg/dL"
        for begin, change in zip(begins.tolist(), by_hour_mg_dl, strict=True)
    )
    return inline_svg("hours", f"Mean change by hour of the day: {told}", (9.0, 2.0), draw)
