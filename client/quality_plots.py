"""Plots of a quality card as inline SVG; lines differ in dashes and marks, not in colour alone."""

import numpy as np
from matplotlib.figure import Figure

from client.quality_card import Card
from models.glycemia import HIGH_MG_DL, LOW_MG_DL
from models.quality import course
from models.replay import Replay
from models.trace import STEP_MIN, STEPS_PER_DAY
from study.svg import inline_svg

INK, TWIN, GREY = "#33424f", "#0b7a75", "#8a949d"
LINES = {"twin": (TWIN, "-", "o"), "persistence": (INK, "--", "s"), "mean": (GREY, ":", "^")}
COURSES = 3


def error_plot(card: Card) -> str:
    """RMSE by horizon of the twin, of the last reading held, and of the mean."""
    labels = [_short(score.horizon_min) for score in card.scores]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for model, (colour, dashes, marker) in LINES.items():
            rmse = [score.rmse_mg_dl[model] for score in card.scores]
            axes.plot(
                labels, rmse, color=colour, linestyle=dashes, marker=marker, label=model, ms=4.5
            )
        axes.set_ylim(bottom=0.0)
        axes.set_ylabel("RMSE, mg/dL")
        axes.set_xlabel("horizon")
        figure.legend(loc="outside upper left", ncols=3)

    told = "; ".join(
        f"{label}: twin {score.rmse_mg_dl['twin']:.0f}, persistence "
        f"{score.rmse_mg_dl['persistence']:.0f}, mean {score.rmse_mg_dl['mean']:.0f}"
        for label, score in zip(labels, card.scores, strict=True)
    )
    return inline_svg("errors", f"RMSE in mg/dL by horizon. {told}.", (9.0, 3.0), draw)


def courses_plot(card: Card) -> str:
    """Forecasts of 24 h with their intervals over the readings of up to three held-out days."""
    replay = card.judged.replay
    starts = course_starts(replay)

    def draw(figure: Figure) -> None:
        grid = figure.subplots(1, max(len(starts), 1), sharey=True, squeeze=False)[0]
        for axes, start in zip(grid, starts, strict=False):
            expected, low, high = course(card.judged, start, STEPS_PER_DAY)
            hour = np.arange(1, STEPS_PER_DAY + 1) * STEP_MIN / 60.0
            axes.axhspan(LOW_MG_DL, HIGH_MG_DL, color="#eef4ee", zorder=0)
            axes.fill_between(hour, low, high, color=TWIN, alpha=0.18, linewidth=0.0)
            axes.plot(hour, low, color=TWIN, linewidth=0.5, linestyle="--")
            axes.plot(hour, high, color=TWIN, linewidth=0.5, linestyle="--")
            axes.plot(hour, expected, color=TWIN, linewidth=1.5, label="twin, 80 % interval")
            there = replay.readings_mg_dl[start + 1 : start + 1 + STEPS_PER_DAY]
            axes.plot(hour, there, ".", color=INK, markersize=2.4, label="sensor")
            axes.set_xlim(0.0, 24.0)
            axes.set_xticks(np.arange(0, 25, 6))
            axes.set_xlabel("hours ahead")
        grid[0].set_ylabel("mg/dL")
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)

    told = f"Forecasts of {len(starts)} held-out days with 80 % intervals over the sensor."
    return inline_svg("courses", told, (9.0, 3.2), draw)


def bias_plot(card: Card) -> str:
    """Reading minus replay by hour of the local day on the held-out days."""
    bias = card.residuals.bias_by_hour_mg_dl

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.bar(np.arange(24), np.nan_to_num(bias), color=TWIN, width=0.8)
        axes.axhline(0.0, color=INK, linewidth=0.6)
        axes.set_ylabel("sensor - twin, mg/dL")
        axes.set_xlabel("hour of the local day")
        axes.set_xticks(np.arange(0, 24, 3))

    known = bias[np.isfinite(bias)]
    told = "No hour could be judged."
    if len(known):
        told = f"Sensor minus twin by hour of the day, from {known.min():+.0f} to "
        told += f"{known.max():+.0f} mg/dL."
    return inline_svg("bias", told, (9.0, 2.4), draw)


def course_starts(replay: Replay) -> list[int]:
    """Rows of up to three readings at local midnights before 24 h with known treatment."""
    unknown = np.concatenate([[0], np.cumsum(~replay.usable)])
    midnight = np.isfinite(replay.readings_mg_dl) & (replay.local_hour < 0.25)
    starts: list[int] = []
    for row in np.flatnonzero(midnight).tolist():
        end = row + STEPS_PER_DAY
        if end >= len(midnight) or unknown[end + 1] > unknown[row]:
            continue
        if not starts or row - starts[-1] > STEPS_PER_DAY // 2:
            starts.append(row)
    return starts[:COURSES]


def _short(minutes: int) -> str:
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h"
