"""`insula report`: the page of a run."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from server.findings import findings, headline
from server.report import write_report
from server.run_record import COHORTS, RunRecord, read_run_record


def report(
    run: Annotated[Path, typer.Argument(help="Run folder: the one that holds run.json.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Write report.html into a run folder: who gained, who did not, and the privacy spent.

    The page is one file and needs no network.

    Example: insula report runs/demo

    Example: insula study report runs/demo
    """
    path = write_report(run)
    record = read_run_record(run)
    if as_json:
        print(json.dumps({"report": str(path), **_summary(record)}))
        return
    prose = Console(stderr=True, highlight=False)
    prose.print(headline(record), markup=False)
    print(path)


def _summary(record: RunRecord) -> dict[str, object]:
    return {
        "study": record.study,
        "headline": headline(record),
        "findings": {cohort: list(findings(record, cohort)) for cohort in COHORTS},
        "epsilon": record.privacy.epsilon,
        "delta": record.privacy.delta,
        "noise": record.noise,
    }
