"""`insula study new`: a protocol to begin with."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from study.failure import ExitCode, Failure
from study.protocol import parse_protocol
from study.skeleton import Kind, Terms, clinics_of, skeleton


def new(
    file: Annotated[Path, typer.Argument(help="New file for the protocol; its name is the study.")],
    clinic: Annotated[
        list[str],
        typer.Option(help="NAME=PATIENTS, once for each clinic.", metavar="NAME=PATIENTS"),
    ],
    kind: Annotated[Kind, typer.Option(help="What is shared.")] = "adapter",
    epsilon: Annotated[float, typer.Option(help="Budget of each patient.")] = 8.0,
    delta: Annotated[float, typer.Option(help="Chance that the promise says nothing.")] = 1e-5,
    quorum: Annotated[int | None, typer.Option(min=1, help="Clinics that a round needs.")] = None,
    deadline_s: Annotated[float, typer.Option(help="Seconds that a round waits.")] = 3600.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Write a protocol with every line explained, to be read and changed; never over a file.

    Clip norm, rounds and sizes are those chosen for so many patients. The file passes
    `insula study check` as it is; `insula study rehearse` says what the study would be worth.

    Example: insula study new islands.yaml --clinic harbour=18 --clinic lagoon=12
    """
    terms = Terms(file.stem, clinics_of(clinic), kind, epsilon, delta, quorum, deadline_s)
    text = skeleton(terms)
    agreed = parse_protocol(text, str(file))
    _write_once(file, text)
    if as_json:
        print(json.dumps({"protocol": str(file), "protocol_sha256": agreed.digest()}))
        return
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"{len(terms.clinics)} clinics that declare {terms.patients} patients. Read every line, "
        f"then: insula study rehearse {file}",
        markup=False,
    )
    print(file)


def _write_once(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Failure(
            found=f"{path}, which cannot be made: {error.strerror}",
            expected="a new file in a folder that is there",
            consequence="Nothing was written.",
            remedy="give another name; a protocol that sites may have signed is never replaced",
            code=ExitCode.USAGE,
        ) from error
