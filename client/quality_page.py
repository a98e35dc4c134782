"""The quality card as a page and as one JSON object."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from jinja2 import Template
from markupsafe import Markup

from client.card_verdict import THRESHOLDS, Light, decisive, findings, light_of
from client.quality_card import DRAWS, Card
from client.quality_plots import bias_plot, courses_plot, error_plot
from models.output_statistics import COVERAGE
from models.quality import Score
from study.page_templates import page_templates

TEMPLATES = Path(__file__).parent / "templates"
NOTICE = "Research software, not for treatment"


def card_page(card: Card) -> str:
    """The card as HTML, self-contained and readable without colour; names are escaped."""
    return _template("quality_card.html.j2").render(
        card=card,
        notice=NOTICE,
        light=light_of(card),
        findings=findings(card),
        thresholds=THRESHOLDS,
        horizon=horizon_words,
        two_places=_two_places,
        error_plot=Markup(error_plot(card)),
        courses_plot=Markup(courses_plot(card)),
        bias_plot=Markup(bias_plot(card)),
    )


def overview_page(entries: Sequence[tuple[str, Card | str, str]]) -> str:
    """A table of (patient, card or why there is none, address of the card's page)."""
    return _template("quality_overview.html.j2").render(
        notice=NOTICE,
        rows=[(address, overview_row(patient, card)) for patient, card, address in entries],
    )


def overview_row(patient: str, card: Card | str) -> tuple[str, ...]:
    """Patient, verdict, days calibrated on, horizon, RMSE of three, coverage, why.

    The three are forecasts, the twin as calibrated, which the verdict is about, and the mean.
    """
    if isinstance(card, str):
        return (patient, f"No card: {card}", *("-",) * 7)
    score, found = decisive(card), findings(card)
    judged: tuple[str, ...] = ("-",) * 5
    if score is not None:
        judged = (
            f"{score.horizon_min // 60} h",
            *(f"{score.rmse_mg_dl[name]:.0f}" for name in ("twin", "open_loop", "mean")),
            f"{score.coverage_pct:.0f}",
        )
    why = f"{len(found)}: {found[0].words}" if found else "-"
    return (patient, light_of(card).words, f"{card.calibration.known_days:.0f}", *judged, why)


def card_as_dict(card: Card) -> dict[str, object]:
    """The card as docs/twin.md describes it; what is not known is null."""
    calibration = card.calibration
    plain: dict[str, object] = {
        "patient": card.patient,
        "notice": NOTICE,
        "verdict": light_of(card).name.lower(),
        "verdict_words": light_of(card).words,
        "warnings": [{"light": f.light.name.lower(), "words": f.words} for f in findings(card)],
        "days": card.days,
        "judged_days": card.judged_days,
        "calibrated_on_days": calibration.known_days,
        "calibrated_on_readings": calibration.readings,
        "held_out_from": card.held_out_from.isoformat(),
        "identified": calibration.identified,
        "days_without_meals_pct": card.meals_missing_pct,
        "long_acting_product": card.long_acting_product,
        "draws": DRAWS,
        "interval_pct": 100.0 * COVERAGE,
        "weight_a_day_ahead": card.judged.weight,
        "scores": [asdict(score) for score in card.scores],
        "residuals": {
            "phi_per_5_min": calibration.head.residual_phi,
            "innovation_sd_mg_dl": calibration.head.residual_sd_mg_dl,
            "autocorrelation": {str(k): v for k, v in card.residuals.autocorrelation.items()},
            "innovations_autocorrelation": card.residuals.innovations_autocorrelation,
            "bias_by_hour_mg_dl": card.residuals.bias_by_hour_mg_dl.tolist(),
        },
        "parameters": [asdict(row) for row in card.parameters],
        "flags": list(calibration.flags),
        "effects": [asdict(row) for row in card.effects],
        "effect_teachers": card.teachers,
    }
    clean: dict[str, object] = _without_nan(plain)  # type: ignore[assignment]
    return clean


def horizon_words(score: Score) -> str:
    """For example `at 30 min` and `over 24 h`."""
    minutes = score.horizon_min
    if minutes < 60:
        return f"at {minutes} min"
    return f"{'over' if minutes >= 24 * 60 else 'at'} {minutes // 60} h"


def mark_of(light: Light) -> str:
    """A sign that differs in shape, for those who see no colour."""
    return ("✓", "!", "✕")[light]


def _two_places(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "-"


def _without_nan(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _template(name: str) -> Template:
    pages = page_templates(TEMPLATES)
    pages.globals["mark_of"] = mark_of
    return pages.get_template(name)
