"""One self-contained HTML page of a run: who gained, by how much, and what it cost in privacy."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from privacy.gaussian_dp import best_true_positive_rate
from server.figures import error_plot, forecast_plot
from server.findings import findings, headline
from server.run_record import (
    ALL_CLINICS,
    COHORTS,
    Cohort,
    Model,
    RunRecord,
    read_run_record,
    write_atomically,
)
from server.score_book import ScoreBook
from study.page_templates import page_templates

REPORT = "report.html"
TEMPLATES = Path(__file__).parent / "templates"
FALSE_ALARMS = 0.01

COHORT_TITLES: Mapping[Cohort, tuple[str, str]] = {
    "same_patients": (
        "People who took part",
        "Their last days, held out by time: nothing here was seen in training.",
    ),
    "new_patients": (
        "New people at the same clinics",
        "Whole people who were kept out of training from the start.",
    ),
    "new_clinic": (
        "A clinic that took no part",
        "Its people gave nothing to the study and are forecast with what the study made.",
    ),
}

MODEL_COLUMNS: Mapping[str, Mapping[Model, str]] = {
    "Rivals": {
        "persistence": "Persist\u00adence",
        "mean": "Own mean",
        "ridge": "Ridge",
        "boosting": "Boosting, pooled",
    },
    "Twin before the study": {
        "virtual_only": "Virtual people",
        "pretrained": "Public start",
        "local": "Own tuning",
    },
    "Without privacy": {"pooled": "Pooled", "federated": "Feder\u00adated"},
    "With privacy": {
        "federated_dp": "Feder\u00adated",
        "federated_dp_local": "… tuned at home",
    },
}

Rivalry = tuple[Model, Model, str]
RIVALS: tuple[Rivalry, ...] = (
    ("federated_dp", "pretrained", "against the public start"),
    ("federated_dp", "local", "against own tuning"),
    ("federated_dp_local", "local", "tuned at home, against own tuning"),
    ("federated_dp", "boosting", "against boosting"),
)


@dataclass(frozen=True)
class CohortPart:
    """A section of the report: one cohort's sentences and drawing."""

    cohort: Cohort
    title: str
    explanation: str
    sentences: tuple[str, ...]
    plot: Markup
    rivals: tuple[Rivalry, ...]


def write_report(run_dir: Path) -> Path:
    """Path of `report.html`, written into `run_dir` from its `run.json`."""
    path = run_dir / REPORT
    write_atomically(path, render(read_run_record(run_dir)))
    return path


def render(record: RunRecord) -> str:
    """The page as HTML. Names and notes are escaped; only our own drawings are taken as markup."""
    pages = page_templates(TEMPLATES)
    pages.filters["figures"] = figures
    pages.filters["unbroken"] = unbroken
    return pages.get_template("report.html.j2").render(**_content(record))


def figures(value: float, digits: int = 3) -> str:
    """A number for people: `8`, `1.62`, `1e-5`, at most `digits` significant figures."""
    return f"{value:.{digits}g}".replace("e-0", "e-")


def unbroken(sentence: str) -> str:
    """The sentence with numbers kept on one line with their units."""
    return re.sub(r" (?=mg/dL|%)|(?<=under) ", "\u00a0", sentence)


def _content(record: RunRecord) -> dict[str, Any]:
    book = ScoreBook.of(record)
    return {
        "record": record,
        "book": book,
        "headline": headline(record),
        "cohorts": [_part(record, book, cohort) for cohort in COHORTS if book.rows(cohort)],
        "model_columns": MODEL_COLUMNS,
        "all_clinics": ALL_CLINICS,
        "forecasts": [
            (example, Markup(forecast_plot(example, f"forecast-{number}")))
            for number, example in enumerate(record.forecasts)
        ],
        "members": record.members,
        "false_alarms": FALSE_ALARMS,
        "true_positive_rate": best_true_positive_rate(record.privacy.mu, FALSE_ALARMS),
    }


def _part(record: RunRecord, book: ScoreBook, cohort: Cohort) -> CohortPart:
    title, explanation = COHORT_TITLES[cohort]
    return CohortPart(
        cohort=cohort,
        title=title,
        explanation=explanation,
        sentences=findings(record, cohort),
        plot=Markup(error_plot(book, cohort)),
        rivals=tuple(rivalry for rivalry in RIVALS if _is_scored(book, cohort, rivalry)),
    )


def _is_scored(book: ScoreBook, cohort: Cohort, rivalry: Rivalry) -> bool:
    scored = {key[3] for key in book.by_key if key[0] == cohort}
    return scored.issuperset(rivalry[:2])
