"""`insula privacy`: verify what was spent. Plan, audit and claim are added by other folders."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from privacy.verifier import LedgerVerdict, Verdict, VerifierError
from privacy.verifier import verify as verified

NOT_VERIFIED = 6
MISSING_INPUT = 8

app = typer.Typer(add_completion=False, no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Delta = Annotated[float, typer.Option(help="Chance that the promise does not hold.")]


@app.callback()
def privacy() -> None:
    """The promise: plan it, verify it, attack it."""


@app.command()
def verify(
    path: Annotated[Path, typer.Argument(help="A run folder, or the ledger folder of a clinic.")],
    delta: Delta = 1e-5,
    key: Annotated[str | None, typer.Option(help="Public key the clinic is known by, hex.")] = None,
    witness: Annotated[str | None, typer.Option(help="Hash a record must bear, hex.")] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute every ledger from its records; exit 0 only if every record holds, else 6.

    A run's own delta, in its run.json, comes before the option.

    Example: insula privacy verify runs/demo
    """
    try:
        verdict = verified(path, delta=delta, public_key=key, witness=witness)
    except VerifierError as error:
        _fail(str(error), as_json)
        raise typer.Exit(MISSING_INPUT) from error
    if as_json:
        print(json.dumps(as_plain(verdict)))
    else:
        _show(verdict)
    raise typer.Exit(0 if verdict.holds else NOT_VERIFIED)


def as_plain(verdict: Verdict) -> dict[str, object]:
    """A verdict as plain values, for `--json`."""
    return {
        "holds": verdict.holds,
        "epsilon": verdict.epsilon,
        "delta": verdict.delta,
        "ledgers": [{"holds": one.holds, **asdict(one)} for one in verdict.ledgers],
    }


def _show(verdict: Verdict) -> None:
    prose = Console(stderr=True, highlight=False, soft_wrap=True)
    columns = "ledger", "records", "countersigned", "releases", "mu", "cap"
    table = Table(*columns, f"epsilon at {verdict.delta:g}")
    for one in verdict.ledgers:
        seen = f"{one.witnessed} by {len(one.witnesses)}"
        table.add_row(one.folder, str(one.records), seen, str(one.debits), *_spent(one))
    prose.print(table)
    for one in verdict.ledgers:
        if not one.holds:
            prose.print(f"{one.folder}: {one.problem}", markup=False, style="red")
    print("every record holds" if verdict.holds else "NOT VERIFIED")


def _spent(one: LedgerVerdict) -> tuple[str, str, str]:
    cap, epsilon = (
        "unknown" if value is None else f"{value:.4f}" for value in (one.mu_cap, one.epsilon)
    )
    return f"{one.mu:.4f}", cap, epsilon


def _fail(message: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": {"found": message, "exit_code": MISSING_INPUT}}))
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"Error: {message}", markup=False, style="red"
    )
