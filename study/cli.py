"""`insula study`: what the sites agree on."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from privacy.gaussian_dp import best_true_positive_rate, epsilon_of_mu, replace_one, two_sites
from study.protocol import Protocol, read_protocol

ATTACKER_FALSE_POSITIVE_RATE = 0.01

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def study() -> None:
    """What the sites agree on."""


@app.command()
def check(
    protocol: Annotated[Path, typer.Argument(help="Protocol file, YAML.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Test a protocol and say what it promises each patient.

    Every field is tested; the noise is computed from epsilon, delta and the number of rounds. The
    digest is what each site compares before it takes part.

    Example: insula study check study/protocols/demo.yaml
    """
    agreed = read_protocol(protocol)
    promise = claim(agreed)
    if as_json:
        print(json.dumps(promise))
        return
    prose = Console(stderr=True, highlight=False)
    prose.print(_clinics(agreed))
    prose.print(in_words(promise), markup=False)
    print(promise["protocol_sha256"])


def claim(protocol: Protocol) -> dict[str, Any]:
    """Study, digest, clinics and the privacy of each patient, as plain values."""
    privacy, mu = protocol.privacy, protocol.mu
    return {
        "study": protocol.study,
        "protocol_sha256": protocol.digest(),
        "members": {one.name: one.declared_patients for one in protocol.members},
        "observers": [one.name for one in protocol.clinics if one.role == "observer"],
        "release": protocol.release.model_dump(),
        "unit": privacy.unit,
        "adjacency": privacy.adjacency,
        "noise": privacy.noise,
        "epsilon": privacy.epsilon,
        "delta": privacy.delta,
        "mu": mu,
        "sigma": protocol.sigma,
        "replace_one_epsilon": epsilon_of_mu(replace_one(mu), privacy.delta),
        "two_site_epsilon": epsilon_of_mu(two_sites(mu), privacy.delta),
        "best_attack_true_positive_rate": best_true_positive_rate(mu, ATTACKER_FALSE_POSITIVE_RATE),
    }


def in_words(promise: dict[str, Any]) -> str:
    """The promise in three sentences a coordinator can read out."""
    return (
        f"{promise['study']}: each patient is protected with epsilon {promise['epsilon']:g} at "
        f"delta {promise['delta']:g} over all {promise['release']['rounds']} releases of the "
        f"clinic; each is noised with {promise['sigma']:.3f} clip norms. "
        f"An attacker who may be wrong about 1 person in 100 finds at most "
        f"{100 * promise['best_attack_true_positive_rate']:.1f} in 100 of those who took part. "
        f"For one patient exchanged for another epsilon is {promise['replace_one_epsilon']:.2f}, "
        f"for a patient of two clinics {promise['two_site_epsilon']:.2f}."
    )


def _clinics(protocol: Protocol) -> Table:
    table = Table("clinic", "declared patients", "role", "held out whole")
    for one in protocol.clinics:
        table.add_row(one.name, str(one.declared_patients), one.role, str(one.hold_out_patients))
    return table
