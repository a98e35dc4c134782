"""The drawings of a report: errors of each clinic on one line, and forecasts against the sensor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from models.trace import FloatArray
from server.run_record import ALL_CLINICS, Cohort, ForecastExample, Model
from server.score_book import ScoreBook
from study.svg import inline_svg

TARGET_RANGE_MG_DL = (70.0, 180.0)
WIDTH_IN = 10.4


@dataclass(frozen=True)
class Mark:
    """How a model is drawn: shape and colour both tell it apart, for eyes and for grey printers."""

    label: str
    shape: str
    colour: str
    size: float = 6.0
    filled: bool = True
    lane: float = 0.0


MARKS: Mapping[Model, Mark] = {
    "persistence": Mark("persistence", "|", "#8a949d", 8.0),
    "boosting": Mark("gradient boosting, pooled", "D", "#b3541e", 5.0, filled=False),
    "pretrained": Mark("public start", "o", "#33424f", 6.5, filled=False, lane=-0.17),
    "local": Mark("own tuning at home", "s", "#6b5ca5", 5.5, filled=False, lane=-0.17),
    "federated": Mark("federated, no privacy", ".", "#0b7a75", 6.0, lane=0.17),
    "federated_dp": Mark("federated with privacy", "o", "#0b7a75", 7.5, lane=0.17),
    "federated_dp_local": Mark("federated, then tuned at home", "s", "#5aa9a3", 5.0, lane=0.17),
}


def error_plot(book: ScoreBook, cohort: Cohort) -> str:
    """SVG: a line for each clinic, a panel for each horizon, a mark for each model's RMSE (mg/dL).

    The thick stroke runs from the public start to the federated twin with privacy; left is better.
    """
    rows, horizons = book.rows(cohort), book.horizons_min(cohort)

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, len(horizons), sharey=True, squeeze=False)[0]
        for panel, horizon_min in zip(panels, horizons, strict=True):
            for place, clinic in enumerate(rows):
                _one_clinic(panel, place, _errors(book, cohort, clinic, horizon_min))
            panel.set_title(f"{horizon_min} minutes ahead")
            panel.set_xlabel("RMSE, mg/dL")
            panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            panel.grid(axis="x", color="#edf0f2", linewidth=0.6, zorder=0)
            panel.spines["left"].set_visible(False)
            panel.tick_params(axis="y", length=0)
        _name_rows(panels[0], rows)
        _legend(figure)

    description = (
        f"Error of each model in mg/dL at {len(horizons)} horizons for {', '.join(rows)}; "
        "the table below holds the same numbers."
    )
    return inline_svg(f"errors-{cohort}", description, (WIDTH_IN, 1.5 + 0.5 * len(rows)), draw)


def forecast_plot(example: ForecastExample, name: str) -> str:
    """SVG: the sensor as dots, each model's forecast as a line, a panel for each horizon."""
    horizons = sorted({curve.horizon_min for curve in example.curves})

    def draw(figure: Figure) -> None:
        panels = figure.subplots(max(len(horizons), 1), 1, sharex=True, squeeze=False)[:, 0]
        for panel in panels:
            _sensor(panel, example)
        for panel, horizon_min in zip(panels, horizons, strict=False):
            _forecasts(panel, example, horizon_min)
        _hours_of_day(panels[-1], example.hour)
        _legend(figure)

    description = (
        f"Forecasts for {example.label} at {example.clinic} drawn over the sensor's values."
    )
    height_in = 0.8 + 1.9 * max(len(horizons), 1)
    return inline_svg(name, description, (WIDTH_IN, height_in), draw)


def _errors(book: ScoreBook, cohort: Cohort, clinic: str, horizon_min: int) -> dict[Model, float]:
    found = {model: book.score(cohort, clinic, horizon_min, model) for model in MARKS}
    return {model: score.rmse_mg_dl for model, score in found.items() if score is not None}


def _one_clinic(panel: Axes, place: int, errors: Mapping[Model, float]) -> None:
    if not errors:
        return
    panel.hlines(place, min(errors.values()), max(errors.values()), color="#dfe3e6", zorder=1)
    if "pretrained" in errors and "federated_dp" in errors:
        ends = [
            (errors[model], place + MARKS[model].lane) for model in ("pretrained", "federated_dp")
        ]
        panel.plot(*zip(*ends, strict=True), color="#0b7a75", linewidth=3.0, alpha=0.35, zorder=2)
    for model, error in errors.items():
        _mark(panel, MARKS[model], error, place + MARKS[model].lane)


def _mark(panel: Axes, mark: Mark, error: float, height: float) -> None:
    panel.plot(
        error,
        height,
        linestyle="none",
        marker=mark.shape,
        markersize=mark.size,
        color=mark.colour,
        markerfacecolor=mark.colour if mark.filled else "#ffffff",
        markeredgewidth=1.3,
        label=mark.label,
        zorder=3,
    )


def _legend(figure: Figure) -> None:
    drawn = (panel.get_legend_handles_labels() for panel in figure.axes)
    first = {label: handle for pair in drawn for handle, label in zip(*pair, strict=True)}
    figure.legend(list(first.values()), list(first), loc="outside upper left", ncols=4)


def _name_rows(panel: Axes, rows: Sequence[str]) -> None:
    labels = ["all people" if name == ALL_CLINICS else name for name in rows]
    panel.set_yticks(range(len(rows)), labels)
    panel.set_ylim(len(rows) - 0.5, -0.5)


def _values(numbers: Sequence[float | None]) -> FloatArray:
    return np.array([np.nan if number is None else number for number in numbers])


def _sensor(panel: Axes, example: ForecastExample) -> None:
    panel.axhspan(*TARGET_RANGE_MG_DL, color="#eef4ee", zorder=0)
    cgm = _values(example.cgm_mg_dl)
    panel.plot(example.hour, cgm, ".", color="#22282e", markersize=2.2, label="sensor", zorder=2)
    panel.set_ylabel("mg/dL")


def _forecasts(panel: Axes, example: ForecastExample, horizon_min: int) -> None:
    for curve in example.curves:
        if curve.horizon_min == horizon_min:
            mark = MARKS.get(curve.model)
            label = curve.model if mark is None else mark.label
            colour = "#8a949d" if mark is None or not mark.filled else mark.colour
            panel.plot(
                example.hour, _values(curve.glucose_mg_dl), color=colour, linewidth=1.3, label=label
            )
    panel.set_title(f"{horizon_min} minutes ahead")


def _hours_of_day(panel: Axes, hour: Sequence[float]) -> None:
    if not hour:
        return
    first, last = int(hour[0] // 6) * 6, int(-(-hour[-1] // 6)) * 6
    ticks = range(first, last + 1, 6 if last - first <= 96 else 24)
    panel.set_xticks(list(ticks), [f"{tick % 24:02d}:00" for tick in ticks])
    panel.set_xlim(hour[0], hour[-1])
    panel.set_xlabel("local time of day")
