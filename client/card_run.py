"""`insula twin card`: makes the cards that were asked for, writes their pages, prints them."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from client.card_verdict import findings, light_of
from client.quality_card import Card, make_card
from client.quality_page import (
    NOTICE,
    card_as_dict,
    card_page,
    horizon_words,
    overview_page,
    overview_row,
)
from client.site_table import write_whole
from models.heads import HeadPrior
from models.trace import Trace
from study.failure import Failure

OVERVIEW = (
    "patient",
    "verdict",
    "days",
    "over",
    "RMSE",
    "as calibrated",
    "of the mean",
    "80 % held",
    "warnings",
)


def run_one(trace: Trace, prior: HeadPrior, out: Path | None, as_json: bool) -> None:
    """One card, its page in the file `out`; a Failure where none can be made."""
    card = make_card(trace, prior)
    if out is not None:
        write_whole(out, card_page(card).encode())
    if as_json:
        print(json.dumps(card_as_dict(card)))
        return
    _print(card, Console(highlight=False))
    if out is not None:
        Console(highlight=False).print(f"The card: {out}", markup=False)


def run_all(traces: Sequence[Trace], prior: HeadPrior, out: Path | None, as_json: bool) -> None:
    """Everybody's card and an overview; `out` is a folder that gets index.html and a page each.

    Pages are numbered in the site's order, as a patient's name may be no name for a file. Whoever
    gets no card stands in the overview with the reason.
    """
    entries = [_entry(trace, prior, number) for number, trace in enumerate(traces, start=1)]
    if out is not None:
        for _, card, address in entries:
            if isinstance(card, Card):
                write_whole(out / address, card_page(card).encode())
        write_whole(out / "index.html", overview_page(entries).encode())
    if as_json:
        print(json.dumps({"notice": NOTICE, "patients": [_plain(*entry) for entry in entries]}))
        return
    table = Table(*OVERVIEW)
    for patient, card, _ in entries:
        *cells, why = overview_row(patient, card)
        table.add_row(*cells, why.partition(":")[0])
    console = Console(highlight=False)
    console.print(table)
    console.print(f"{NOTICE}.")


def _entry(trace: Trace, prior: HeadPrior, number: int) -> tuple[str, Card | str, str]:
    try:
        return trace.patient, make_card(trace, prior), f"card-{number:03d}.html"
    except Failure as failure:
        return trace.patient, failure.found, ""


def _plain(patient: str, card: Card | str, address: str) -> dict[str, object]:
    if isinstance(card, str):
        return {"patient": patient, "verdict": "none", "reason": card}
    return {**card_as_dict(card), "page": address}


def _print(card: Card, console: Console) -> None:
    console.print(f"{card.patient}: {light_of(card).words}", markup=False)
    table = Table("forecast", "RMSE, mg/dL", "held", "mean", "MARD, %", "80 % held, %", "origins")
    for score in card.scores:
        rmse = (f"{score.rmse_mg_dl[model]:.1f}" for model in ("twin", "persistence", "mean"))
        judged = (f"{score.mard_pct['twin']:.1f}", f"{score.coverage_pct:.0f}")
        table.add_row(horizon_words(score), *rmse, *judged, f"{score.origins}")
    console.print(table)
    for effect in card.effects:
        told = effect.estimate
        console.print(
            f"{effect.change}: mean glucose {told.change_mg_dl:+.1f} mg/dL, 80 % interval "
            f"{told.low_mg_dl:+.1f} to {told.high_mg_dl:+.1f}",
            markup=False,
        )
    for one in findings(card):
        console.print(f"{one.light.name.capitalize()}: {one.words}", markup=False)
    console.print(f"{NOTICE}.")
