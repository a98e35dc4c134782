"""The study of effects as a page of Markdown: the summary with its spread, and every treatment."""

from collections.abc import Sequence

from simulations.effects import Effects
from simulations.effects_summary import errors, spread, summary

TARGETS = (
    ("mard_24h_pct", "MARD over 24 h, %, median", 9.5, None),
    ("mard_72h_pct", "MARD over 72 h, %, median", 10.0, None),
    ("delta_mean_mae_mg_dl", "change of mean glucose, coming days, mg/dL", 2.5, 5.0),
    ("thumb_mean_mae_mg_dl", "the same by the rule of thumb, mg/dL", None, None),
    ("delta_tir_mae_points", "change of time in range, typical days, points", 3.5, 4.5),
    ("coverage_80_pct", "80 % intervals hold, %", "75-85", "75-85"),
    ("sign_right_pct", "signs right, %", 100.0, 100.0),
)
WHO = {"adults": "the ten public adults, two stays each", "drawn": "drawn adults"}
HEADINGS = (
    "world",
    "days",
    "treatment",
    "twin",
    "sd over people",
    "90 % of people",
    "simulated",
    "rule of thumb",
    "no change",
    "time in range",
    "sd over people",
    "covered",
)


def markdown(effects: Effects, command: str) -> str:
    """Both tables; `command` is what makes them anew."""
    who = (
        "the ten public adults, two stays each" if effects.plan.whom == "adults" else "drawn adults"
    )
    lines = [
        f"# Effects of treatment: {who}, seed {effects.plan.seed}",
        "",
        f"Written by `{command}`. Mean absolute errors, the worse of basal and bolus, in brackets "
        "the standard deviation over people of each person's own; what is asked and how stands in "
        "[effects](../effects.md).",
        "",
        *_table(("", "world A", "target", "world B", "target"), _summary(effects)),
        "",
        "By treatment, mg/dL of mean glucose and points of time in range:",
        "",
        *_table(HEADINGS, _treatments(effects)),
    ]
    return "\n".join(lines) + "\n"


def _summary(effects: Effects) -> list[Sequence[str]]:
    means, sds = summary(effects), spread(effects)

    def figure(key: str) -> str:
        return f"{means[key]:.1f} ({sds[key]:.1f})"

    def target(value: float | str | None) -> str:
        return "" if value is None else f"{value}"

    return [
        (label, figure(key), target(easy), figure(f"{key}_hard"), target(hard))
        for key, label, easy, hard in TARGETS
    ]


def _treatments(effects: Effects) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    for e in errors(effects):
        figures = (
            e.twin_mg_dl,
            e.twin_sd_mg_dl,
            e.worst_tenth_mg_dl,
            e.simulated_mg_dl,
            e.thumb_mg_dl,
            e.no_change_mg_dl,
            e.in_range_points,
            e.in_range_sd_points,
        )
        treatment = e.treatment.replace("_", " ")
        cells = (f"{value:.1f}" for value in figures)
        rows.append((e.world, e.window, treatment, *cells, f"{e.coverage_pct:.0f}"))
    return rows


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    ruled = [headings, ["---"] * len(headings), *rows]
    return [f"| {' | '.join(row)} |" for row in ruled]
