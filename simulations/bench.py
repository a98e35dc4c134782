"""Times ours beside its rivals: runs every `simulations/bench_*.py` and writes bench.json."""

import argparse
import json
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import simulations
from study.failure import ExitCode, Failure

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command has it: insula.py
PREFIX = "bench_"
GIVEN = {"name", "ours_s", "rival", "rival_s", "note"}
NAMES = (
    "regimens_100x72h",
    "regimens_gradient",
    "map_patient_day",
    "map_14_days",
    "virtual_patient_year",
    "round_20_clinics",
    "dp_step",
)
"""Names that readers of bench.json depend on."""

Row = dict[str, Any]
Rows = Callable[[], Iterable[Mapping[str, Any]]]


def modules() -> dict[str, Rows]:
    """Name to `rows` of every benchmark module, in alphabetical order."""
    names = sorted(m.name for m in pkgutil.iter_modules(simulations.__path__))
    found = (name for name in names if name.startswith(PREFIX))
    return {name: import_module(f"simulations.{name}").rows for name in found}


def checked(module: str, row: Mapping[str, Any]) -> Row:
    """The row with ratio = rival_s / ours_s, None where the rival was not there to be timed."""
    missing, name = GIVEN - set(row), str(row.get("name"))
    if missing or not re.fullmatch(r"[a-z0-9_]+", name) or not row["ours_s"] > 0.0:
        raise Failure(
            found=f"a row {dict(row)} from simulations/{module}.py",
            expected=f"{sorted(GIVEN)}, a name of a-z, 0-9 and _, and ours_s > 0",
            consequence="The row was left out of bench.json.",
            remedy=f"correct rows() in simulations/{module}.py",
            code=ExitCode.INTERNAL,
        )
    rival_s = row["rival_s"]
    return {**row, "ratio": None if rival_s is None else rival_s / row["ours_s"]}


def collect(benches: Mapping[str, Rows], console: Console) -> tuple[list[Row], ExitCode]:
    """Rows of all modules; a module that fails is named on `console` and costs its own only."""
    rows: list[Row] = []
    code = ExitCode.SUCCESS
    for module, timed in benches.items():
        console.print(f"timing {module.removeprefix(PREFIX)} ...")
        try:
            rows += [checked(module, row) for row in timed()]
        except Failure as failure:
            console.print(f"{module}: {failure}", style="red", markup=False)
            code = failure.code
    return rows, code


def main(arguments: Sequence[str] | None = None) -> int:
    """Write bench.json and show it as a table; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m simulations.bench",
        description=__doc__,
        epilog="Example: python -m simulations.bench --out bench.json",
    )
    parser.add_argument("--out", type=Path, default=Path("bench.json"), help="where to write")
    parser.add_argument("--page", type=Path, default=None, help="the same as a page of Markdown")
    parser.add_argument("--only", choices=sorted(modules()), help="run this module alone")
    options = parser.parse_args(arguments)
    out: Path = options.out
    console = Console(stderr=True, highlight=False)
    rows, code = collect(_chosen(options.only), console)
    out.write_text(json.dumps({"rows": rows}, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if options.page is not None:
        options.page.write_text(page(rows), encoding="utf-8")
    console.print(_table(rows))
    absent = [name for name in NAMES if name not in {row["name"] for row in rows}]
    if absent:
        console.print(f"not timed: {', '.join(absent)}")
    return code


def _chosen(only: str | None) -> dict[str, Rows]:
    return {name: rows for name, rows in modules().items() if only in (None, name)}


def page(rows: Sequence[Row]) -> str:
    """The rows as a page of documentation, with the notes that say what was timed."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`, all of it in one run on one machine; ratios compare, seconds do "
        "not. A rival that was not installed has no time.",
        "",
        "| | ours, s | rival, s | times faster | rival |",
        "|---|---|---|---|---|",
    ]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in rows]
    lines += ["", *(f"- `{row['name']}`: {row['note']}." for row in rows)]
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    rival_s, ratio = row["rival_s"], row["ratio"]
    return (
        row["name"],
        f"{row['ours_s']:.3g}",
        "-" if rival_s is None else f"{rival_s:.3g}",
        "-" if ratio is None else f"{ratio:.3g}",
        row["rival"],
    )


def _table(rows: Sequence[Row]) -> Table:
    table = Table("", "ours, s", "rival, s", "times faster", "rival")
    for row in rows:
        table.add_row(*_cells(row))
    return table


if __name__ == "__main__":
    sys.exit(main())
