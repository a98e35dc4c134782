"""`insula privacy`: plan a budget, verify what was spent, attack the release path."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from privacy.gaussian_dp import AccountingError
from privacy.plan import Plan
from privacy.plan import plan as planned
from privacy.verifier import LedgerVerdict, Verdict, VerifierError
from privacy.verifier import verify as verified

if TYPE_CHECKING:
    from privacy.audit import Audit

NOT_VERIFIED = 6
MISSING_INPUT = 8

app = typer.Typer(add_completion=False, no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Delta = Annotated[float, typer.Option(help="Chance that the promise does not hold.")]


@app.callback()
def privacy() -> None:
    """The promise: plan it, verify it, attack it."""


@app.command()
def plan(
    epsilon: Annotated[float, typer.Option(help="Budget of one patient over all releases.")] = 8.0,
    delta: Delta = 1e-5,
    releases: Annotated[
        int, typer.Option("--releases", "--rounds", help="How often each clinic releases.")
    ] = 50,
    sites: Annotated[int, typer.Option(help="Clinics that average their releases.")] = 1,
    patients: Annotated[int, typer.Option(help="Declared patients of each.")] = 50,
    as_json: AsJson = False,
) -> None:
    """The noise that a budget needs, and what the budget means for a patient.

    Example: insula privacy plan --epsilon 8 --delta 1e-5 --rounds 50 --sites 10 --patients 50
    """
    try:
        figures = planned(epsilon, delta, releases, sites, patients)
    except AccountingError as error:
        raise typer.BadParameter(str(error)) from error
    if as_json:
        print(json.dumps(asdict(figures)))
    else:
        Console(stderr=True, highlight=False).print(in_words(figures), markup=False)


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


@app.command()
def audit(
    trials: Annotated[int, typer.Option(min=1000, help="Releases of each kind.")] = 30_000,
    as_json: AsJson = False,
) -> None:
    """Attack the release path, correct and with faults planted; exit 0 only if it passes, else 6.

    Example: insula privacy audit
    """
    from privacy.audit import audit as audited  # loads torch, which no other command here needs

    found = audited(trials)
    if as_json:
        print(json.dumps(audit_as_plain(found)))
    else:
        _show_audit(found)
    raise typer.Exit(0 if found.passed else NOT_VERIFIED)


def in_words(figures: Plan) -> str:
    """A plan as a person reads it."""
    return (
        f"epsilon {figures.epsilon:g} at delta {figures.delta:g} in {figures.releases} releases "
        f"needs noise of {figures.sigma:.2f} clip norms each (mu {figures.mu:.4f}; "
        f"epsilon {figures.epsilon_pld:.4f} by privacy loss distributions).\n"
        f"On the mean of {figures.sites} site(s) of {figures.patients} patients that is "
        f"{figures.noise_on_average:.4f} clip norms a coordinate"
        + "".join(
            f"; {one.noise_on_average:.4f} at epsilon {one.epsilon:g}" for one in figures.tighter
        )
        + ".\n"
        f"One patient exchanged for another: epsilon {figures.epsilon_replace_one:.1f}. "
        f"A patient of two clinics: epsilon {figures.epsilon_two_sites:.1f}.\n"
        f"The best attack that is wrong about {100 * figures.false_positive_rate:g} % of those who "
        f"did not take part finds {100 * figures.true_positive_rate:.1f} % of those who did."
    )


def as_plain(verdict: Verdict) -> dict[str, object]:
    """A verdict as plain values, for `--json`."""
    return {
        "holds": verdict.holds,
        "epsilon": verdict.epsilon,
        "delta": verdict.delta,
        "ledgers": [{"holds": one.holds, **asdict(one)} for one in verdict.ledgers],
    }


def audit_as_plain(found: "Audit") -> dict[str, object]:
    """An audit as plain values, for `--json`."""
    return {
        "passed": found.passed,
        "claimed_epsilon": found.claimed_epsilon,
        "lower_bound_epsilon": found.correct.lower_bound_epsilon,
        "lower_bound_mu": found.correct.lower_bound_mu,
        "confidence": found.confidence,
        "trials": found.trials,
        "planted": {
            name: {"flagged": one.flagged, "lower_bound_epsilon": one.lower_bound_epsilon}
            for name, one in found.planted.items()
        },
        "noise": {"flagged": found.noise.flagged, **asdict(found.noise)},
        "cpu_s": found.cpu_s,
    }


def _show_audit(found: "Audit") -> None:
    prose = Console(stderr=True, highlight=False, soft_wrap=True)
    table = Table("release path", "epsilon at least", f"claim {found.claimed_epsilon:.3f}")
    stands = "disproved" if found.correct.flagged else "stands"
    table.add_row("as shipped", f"{found.correct.lower_bound_epsilon:.3f}", stands)
    for name, one in found.planted.items():
        seen = "disproved" if one.flagged else "NOT SEEN"
        table.add_row(f"planted: {name}", f"{one.lower_bound_epsilon:.3f}", seen)
    prose.print(table)
    prose.print(
        f"noise: {found.noise.sd_ratio:.4f} of its standard deviation"
        f"{'; NOT AS CLAIMED' if found.noise.flagged else ''}; {found.cpu_s:.0f} s of processor"
    )
    print("the claim stands" if found.passed else "NOT VERIFIED")


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
