"""`insula study`: what the sites agree on."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from privacy.plan import plan
from study.protocol import Protocol, read_protocol

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
    privacy, release = protocol.privacy, protocol.release
    return {
        "study": protocol.study,
        "protocol_sha256": protocol.digest(),
        "members": {one.name: one.declared_patients for one in protocol.members},
        "observers": [one.name for one in protocol.clinics if one.role == "observer"],
        "release": release.model_dump(),
        "unit": privacy.unit,
        "adjacency": privacy.adjacency,
        "noise": privacy.noise,
        **asdict(plan(privacy.epsilon, privacy.delta, release.rounds)),
    }


def in_words(promise: dict[str, Any]) -> str:
    """The promise as a coordinator can read it out."""
    return (
        f"{promise['study']}: each patient is protected with epsilon {promise['epsilon']:g} at "
        f"delta {promise['delta']:g} over all {promise['releases']} releases of a clinic; each is "
        f"noised with {promise['sigma']:.3f} clip norms. The best attack that is wrong about "
        f"{100 * promise['false_positive_rate']:g} % of those who did not take part finds "
        f"{100 * promise['true_positive_rate']:.1f} % of those who did. For one patient exchanged "
        f"for another epsilon is {promise['epsilon_replace_one']:.2f}, at two clinics "
        f"{promise['epsilon_two_sites']:.2f}."
    )


def _clinics(protocol: Protocol) -> Table:
    table = Table("clinic", "declared patients", "role", "held out whole")
    for one in protocol.clinics:
        table.add_row(one.name, str(one.declared_patients), one.role, str(one.hold_out_patients))
    return table
