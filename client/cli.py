"""`insula site`: a clinic's own data on its own machine."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, fields
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from client.departure import FORGOTTEN, takes_part
from client.ingest.importer import ADAPTERS, Imported, import_folder
from client.ingest.table import QuarantinedRow
from client.site_folder import QUARANTINE, REPORT, SITE_TABLE
from client.site_report import report_table
from client.site_table import write_site, write_whole
from study.failure import ExitCode, Failure

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def site() -> None:
    """A clinic: read its exports."""


@app.command("import")
def import_site(
    source: Annotated[Path, typer.Argument(help="Folder of exported files.")],
    layout: Annotated[str, typer.Option(help=f"How they lie in it: {' or '.join(ADAPTERS)}.")],
    time_zone: Annotated[str, typer.Option(help="IANA zone of the clocks in the files.")],
    out: Annotated[Path, typer.Option(help=f"Site folder to write {SITE_TABLE} to.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Read a clinic's exports into one table, and say what was found in each patient's files.

    Writes site.parquet, site-report.json and quarantine.csv, which lists every row that was not
    used and why. Who was forgotten at this site is not read. Nothing is sent anywhere.

    Example: insula site import exports --layout uom --time-zone Europe/London --out site
    """
    console = Console(stderr=True, highlight=False)
    with _progress(console) as progress:
        stays = takes_part(out)
        imported = import_folder(source, layout, time_zone, keep=stays, progress=progress)
    _write(out, imported)
    console.print(report_table(imported.report))
    console.print(_in_words(imported, out), markup=False)
    if as_json:
        print(json.dumps({"site": str(out), **imported.report.as_dict()}))


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str, int], None]]:
    """A bar that moves on with each patient; gone when the work is done."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def step(patient: str, total: int) -> None:
            bar.update(task, advance=1, total=total, description=f"read {patient}")

        yield step


def _write(out: Path, imported: Imported) -> None:
    report = json.dumps(imported.report.as_dict(), indent=1).encode()
    write_whole(out / REPORT, report)
    write_whole(out / QUARANTINE, _csv(imported.quarantine))
    if not imported.traces:
        raise Failure(
            found=f"no patient with usable readings among {len(imported.report.patients)}",
            expected="at least one",
            consequence=f"No {SITE_TABLE} was written.",
            remedy=f"read {out / REPORT} and {out / QUARANTINE}, which say why",
            code=ExitCode.BAD_DATA,
        )
    write_site(out / SITE_TABLE, imported.traces)


def _csv(rows: Sequence[QuarantinedRow]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([field.name for field in fields(QuarantinedRow)])
    writer.writerows(map(astuple, rows))
    return text.getvalue().encode()


def _in_words(imported: Imported, out: Path) -> str:
    days = sum(trace.days for trace in imported.traces)
    lines = [f"{len(imported.traces)} patients, {days:.0f} days, in {out / SITE_TABLE}."]
    if imported.report.unusable:
        lines.append(f"{len(imported.report.unusable)} patients cannot be used.")
    if imported.quarantine:
        lines.append(f"{len(imported.quarantine)} rows were put aside: {out / QUARANTINE}.")
    if (out / FORGOTTEN).exists():
        lines.append("Patients who are to be forgotten here were not read.")
    return "\n".join([*lines, *imported.report.notes])
