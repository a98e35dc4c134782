"""`insula privacy audit`: the release path under attack, and a reading of what it releases."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from study.failure import ExitCode

if TYPE_CHECKING:
    from privacy.canaries import CanaryRun
    from study.whole_audit import WholeAudit


def audit(
    trials: Annotated[int, typer.Option(min=1000, help="Releases of each kind.")] = 30_000,
    nightly: Annotated[
        bool, typer.Option("--nightly", help="Also one run with canaries: monitoring, no proof.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the canaries' coins, not of noise.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Attack the release path, correct and with faults planted; exit 0 only if it passes, else 6.

    Beside the claim stands what can be read of a patient's glucose in a release, with the noise and
    without. --nightly adds one run with canaries; it changes neither verdict nor exit code.

    Example: insula privacy audit
    """
    from study.whole_audit import whole_audit  # loads torch, which listing the commands must not

    found = whole_audit(trials, seed if nightly else None)
    if as_json:
        print(json.dumps(as_plain(found)))
    else:
        prose = Console(stderr=True, highlight=False, soft_wrap=True)
        show(prose, found)
        if found.watched is not None:
            prose.print(in_words(found.watched), markup=False)
        print("the claim stands" if found.passed else "NOT VERIFIED")
    raise typer.Exit(ExitCode.SUCCESS if found.passed else ExitCode.NOT_VERIFIED)


def as_plain(found: "WholeAudit") -> dict[str, Any]:
    """An audit as plain values, for `--json`; `monitoring` only where there was a nightly run."""
    path, watched = found.path, found.watched
    plain: dict[str, Any] = {
        "passed": found.passed,
        "claimed_epsilon": path.claimed_epsilon,
        "lower_bound_epsilon": path.correct.lower_bound_epsilon,
        "lower_bound_mu": path.correct.lower_bound_mu,
        "confidence": path.confidence,
        "trials": path.trials,
        "planted": {
            name: {"flagged": one.flagged, "lower_bound_epsilon": one.lower_bound_epsilon}
            for name, one in path.planted.items()
        },
        "noise": {"flagged": path.noise.flagged, **asdict(path.noise)},
        "inversion": {"passed": found.read.passed, **asdict(found.read)},
        "cpu_s": found.cpu_s,
    }
    if watched is not None:
        verdict = {"can_falsify": watched.can_falsify, "suspicious": watched.suspicious}
        plain["monitoring"] = verdict | asdict(watched)
    return plain


def show(prose: Console, found: "WholeAudit") -> None:
    """The audit as a table, and what was read of a patient below it."""
    path, read = found.path, found.read
    table = Table("release path", "epsilon at least", f"claim {path.claimed_epsilon:.3f}")
    stands = "disproved" if path.correct.flagged else "stands"
    table.add_row("as shipped", f"{path.correct.lower_bound_epsilon:.3f}", stands)
    for name, one in path.planted.items():
        seen = "disproved" if one.flagged else "NOT SEEN"
        table.add_row(f"planted: {name}", f"{one.lower_bound_epsilon:.3f}", seen)
    prose.print(table)
    prose.print(
        f"noise: {path.noise.sd_ratio:.4f} of its standard deviation"
        f"{'; NOT AS CLAIMED' if path.noise.flagged else ''}"
    )
    prose.print(
        f"two hours of glucose read out of one gradient: wrong by {read.bare_error_mg_dl:.2f} "
        f"mg/dL without noise, by {read.private_error_mg_dl:.0f} with it; guessing is wrong by "
        f"{read.guess_mg_dl:.0f}{'' if read.passed else '; NOT AS IT SHOULD BE'}"
    )
    prose.print(f"{found.cpu_s:.0f} s of processor")


def in_words(watched: "CanaryRun") -> str:
    """The nightly run as a person reads it, with what it cannot see."""
    blind = (
        "so this bound cannot falsify the claim, not even with the noise left out"
        if not watched.can_falsify
        else "so this bound could falsify the claim"
    )
    look = "LOOK AT IT: above the claim" if watched.suspicious else "nothing above the claim"
    return (
        f"MONITORING, no proof: one run of {watched.releases} releases with {watched.canaries} "
        f"canaries, claim {watched.claimed_epsilon:g}. Bound: epsilon at least "
        f"{watched.bound_epsilon:.2f}; with every guess right it would be "
        f"{watched.ceiling_epsilon:.2f}, {blind}. Gaussian estimate, which is no bound: "
        f"{watched.estimate_epsilon:.2f} (lower figure), {watched.middle_epsilon:.2f} (middle). "
        f"{look}."
    )
