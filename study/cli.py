"""`insula study`: what the sites agree on."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from privacy.ledger_folder import signing_key
from privacy.plan import Plan, plan
from study.agreement import (
    Agreement,
    NotAgreed,
    SiteCaps,
    as_text,
    check_coordinator,
    check_site,
    countersign,
    read_agreement,
    read_caps,
    require,
    sign,
)
from study.failure import Failure
from study.protocol import Protocol, read_protocol
from study.signing_key import make_key, public_hex, read_key
from study.skeleton_cli import new

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Key = Annotated[Path, typer.Option(help="File of the secret key, made by `insula study keygen`.")]

app = typer.Typer(add_completion=False, no_args_is_help=True)
app.command("new")(new)


@app.callback()
def study() -> None:
    """What the sites agree on."""


@app.command()
def check(
    protocol: Annotated[Path, typer.Argument(help="Protocol file, YAML.")],
    agreement: Annotated[
        Path | None, typer.Option(help="Agreement file: show who signed this protocol.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Test a protocol and say what it promises each patient.

    Every field is tested; the noise is computed from epsilon, delta and the number of rounds. The
    digest is what each site compares before it takes part.

    Example: insula study check study/protocols/demo.yaml
    """
    agreed = read_protocol(protocol)
    promise = claim(agreed)
    if agreement is not None:
        promise["signatures"] = signatures(read_agreement(agreement), agreed)
    if as_json:
        print(json.dumps(promise))
        return
    prose = Console(stderr=True, highlight=False)
    prose.print(_clinics(agreed))
    prose.print(in_words(promise), markup=False)
    for name, standing in promise.get("signatures", {}).items():
        prose.print(f"{name}: {standing}", markup=False)
    print(promise["protocol_sha256"])


@app.command()
def keygen(
    key: Annotated[Path, typer.Argument(help="New file for the secret key.")],
    as_json: AsJson = False,
) -> None:
    """Make a signing key, mode 0600, and print its public half; never writes over a file.

    Example: insula study keygen coordinator.key
    """
    public = public_hex(make_key(key))
    print(json.dumps({"public_key": public}) if as_json else public)


@app.command("sign")
def sign_command(
    protocol: Annotated[Path, typer.Argument(help="Protocol file, YAML.")],
    key: Key,
    out: Annotated[Path, typer.Option(help="Agreement file to write.")] = Path("agreement.json"),
    as_json: AsJson = False,
) -> None:
    """Sign a protocol as its coordinator: the file that sites countersign.

    Example: insula study sign study/protocols/demo.yaml --key coordinator.key
    """
    if out.exists():
        raise NotAgreed("file-exists", f"{out}, which may bear signatures", "a new file for --out")
    agreed = read_protocol(protocol)
    _write(sign(agreed, read_key(key)), out, agreed.digest(), as_json)


@app.command("countersign")
def countersign_command(
    agreement: Annotated[Path, typer.Argument(help="Agreement file, signed by the coordinator.")],
    key: Key,
    policy: Annotated[Path, typer.Option(help="This clinic's policy.yaml.")],
    clinic: Annotated[str, typer.Option(help="This clinic's name in the protocol.")],
    coordinator: Annotated[
        str | None, typer.Option(help="Coordinator's public key, hex, as heard from a person.")
    ] = None,
    ledger: Annotated[
        Path | None, typer.Option(help="This clinic's ledger folder: its key is signed for too.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Countersign what this clinic agrees to; the signature is added to the file.

    With --ledger the clinic also signs which ledger will pay; its key is made there if absent.

    Example: insula study countersign agreement.json --key site.key --policy policy.yaml
    --clinic harbour --coordinator 3f...
    """
    signed = read_agreement(agreement)
    digest = check_coordinator(signed).digest()
    if coordinator not in (None, signed.coordinator.public_key):
        raise NotAgreed("other-coordinator", signed.coordinator.public_key, f"{coordinator}")
    caps = read_caps(policy, digest)
    if ledger is not None:
        caps = replace(caps, ledger_key=_ledger_key(ledger))
    _write(countersign(signed, clinic, caps, read_key(key)), agreement, digest, as_json)


def _ledger_key(folder: Path) -> str:
    """The public key of this ledger, made if there is none."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return public_hex(signing_key(folder))


def signatures(agreement: Agreement, protocol: Protocol) -> dict[str, str]:
    """Who signed this protocol: "signed", or the reason why not, by name."""
    try:
        agreed = check_coordinator(agreement)
    except Failure as failure:
        return {"coordinator": _reason(failure)}
    if agreed.digest() != protocol.digest():
        return {"coordinator": "signed another protocol"}
    found = {"coordinator": f"signed by {agreement.coordinator.public_key}"}
    return found | {one.name: _of_site(agreement, agreed, one.name) for one in agreed.members}


def _of_site(agreement: Agreement, agreed: Protocol, clinic: str) -> str:
    try:
        terms = check_site(agreement, clinic)
        caps = SiteCaps(terms.epsilon_cap, terms.minimum_patients, terms.ledger_key)
        own_key = agreement.sites[clinic].signed.public_key
        require(agreement, agreed, clinic, caps, own_key)
    except Failure as failure:
        return _reason(failure)
    spends = f", to spend from ledger {terms.ledger_key}" if terms.ledger_key else ""
    return f"signed by {own_key}{spends}"


def _reason(failure: Failure) -> str:
    return failure.reason if isinstance(failure, NotAgreed) else failure.found


def _write(agreement: Agreement, path: Path, digest: str, as_json: bool) -> None:
    path.write_text(as_text(agreement), encoding="utf-8")
    signers = {"coordinator": agreement.coordinator.public_key} | {
        name: one.signed.public_key for name, one in agreement.sites.items()
    }
    if as_json:
        print(json.dumps({"agreement": str(path), "protocol_sha256": digest, "signed_by": signers}))
        return
    prose = Console(stderr=True, highlight=False, soft_wrap=True)
    for name, public in signers.items():
        prose.print(f"{name}: {public}", markup=False)
    print(path)


def claim(protocol: Protocol) -> dict[str, Any]:
    """Study, digest, clinics and the privacy of each patient, as plain values."""
    privacy, release = protocol.privacy, protocol.release
    figures = plan(privacy.epsilon, privacy.delta, release.rounds)
    return {
        "study": protocol.study,
        "protocol_sha256": protocol.digest(),
        "members": {one.name: one.declared_patients for one in protocol.members},
        "observers": [one.name for one in protocol.clinics if one.role == "observer"],
        "release": release.model_dump(),
        "unit": privacy.unit,
        "adjacency": privacy.adjacency,
        "noise": privacy.noise,
        **asdict(figures),
        **_metrics(protocol, figures),
    }


def _metrics(protocol: Protocol, figures: Plan) -> dict[str, Any]:
    """What clinics tell at the end, if the protocol asks for any, and training's noise beside it.

    Clinics of too few declared patients tell nothing, and do not count in the standard error.
    """
    if protocol.metrics is None:
        return {}
    terms = [protocol.metric_release(one.name) for one in protocol.members]
    telling = [one for one in terms if one is not None and not one.suppressed]
    declared = sum(one.declared_patients for one in telling)
    error = math.hypot(*(one.sigma * one.clip_norm for one in telling)) / declared
    told = {**protocol.metrics.model_dump(), "standard_error_mg_dl": error}
    return {"releases": figures.releases + 1, "sigma": protocol.sigma, "metrics": told}


def in_words(promise: dict[str, Any]) -> str:
    """The promise as a coordinator can read it out."""
    return (
        f"{promise['study']}: each patient is protected with epsilon {promise['epsilon']:g} at "
        f"delta {promise['delta']:g} over all {promise['releases']} releases of a clinic; each is "
        f"noised with {promise['sigma']:.3f} clip norms. The best attack that is wrong about "
        f"{100 * promise['false_positive_rate']:g} % of those who did not take part finds "
        f"{100 * promise['true_positive_rate']:.1f} % of those who did. For one patient exchanged "
        f"for another epsilon is {promise['epsilon_replace_one']:.2f}, at two clinics "
        f"{promise['epsilon_two_sites']:.2f}.{_told(promise)}"
    )


def _told(promise: dict[str, Any]) -> str:
    told = promise.get("metrics")
    if told is None:
        return ""
    return (
        f" The last release is of metrics: {', '.join(told['names'])}, each patient's cut to "
        f"{told['bound_mg_dl']:g} mg/dL; the mean that is published has a standard error of "
        f"{told['standard_error_mg_dl']:.2f}."
    )


def _clinics(protocol: Protocol) -> Table:
    table = Table("clinic", "declared patients", "role", "held out whole")
    for one in protocol.clinics:
        table.add_row(one.name, str(one.declared_patients), one.role, str(one.hold_out_patients))
    return table
