"""`insula privacy claim`: the sheet that an auditor reads."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from server.claim_page import as_plain, output_folder, page
from server.claim_sheet import sheet_of
from server.claim_words import headline, registry_entry
from server.run_record import write_atomically
from study.failure import ExitCode


def claim(
    run: Annotated[Path, typer.Argument(help="Run folder: run.json, protocol.yaml, clinics/.")],
    out: Annotated[Path | None, typer.Option(help="Folder of claim.html and claim.json.")] = None,
    audit: Annotated[
        Path | None, typer.Option(help="Output of `insula privacy audit --json`.")
    ] = None,
    registry: Annotated[
        bool, typer.Option("--registry", help="Also registry.json, for a public register.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Write claim.html and claim.json: what a run's ledgers promise one patient, recomputed.

    Exit 0 only for a claim: 6 if ledgers, protocol and run.json do not agree, 9 if the noise was
    simulated. The sheet is written in all three cases and says which.

    Example: insula privacy claim runs/demo
    """
    sheet = sheet_of(run, audit)
    folder = output_folder(run, out)
    plain = as_plain(sheet)
    write_atomically(folder / "claim.html", page(sheet))
    write_atomically(folder / "claim.json", json.dumps(plain, indent=1, allow_nan=False))
    if registry:
        entry = json.dumps(registry_entry(sheet), indent=1, allow_nan=False)
        write_atomically(folder / "registry.json", entry)
    if as_json:
        print(json.dumps(plain, allow_nan=False))
    else:
        prose = Console(stderr=True, highlight=False, soft_wrap=True)
        prose.print(headline(sheet), markup=False)
        for one in sheet.disagreements:
            prose.print(f"does not agree: {one}", markup=False, style="red")
        print(folder / "claim.html")
    if sheet.exit_code is not ExitCode.SUCCESS:
        raise typer.Exit(sheet.exit_code)
