"""The command `insula`: gathers each folder's commands; turns every failure into words and a code.

A group's module is imported when one of its commands is asked for, so that `insula privacy verify`
loads neither torch nor Flower.
"""

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec

import click
import typer
from rich.console import Console
from typer.core import TyperGroup

from study.failure import ExitCode, Failure
from study.machine_code import forget_stale

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
"""Before any group loads numpy. Twins' matrices are small: numpy's own threads cost a calibration
three to four times the processor's time, and patients are spread over cores anyway."""

GROUPS = {
    "study": ("study.cli", "What the sites agree on: check a protocol."),
    "site": ("client.cli", "A clinic: its folder, its exports."),
    "twin": ("client.twin_cli", "A patient's digital twin: ask it what would happen."),
    "privacy": ("privacy.cli", "The promise: plan it, verify it, attack it."),
    "simulate": ("simulations.cli", "Virtual clinics and whole studies in one process."),
}
REPORT = "report"
ADDED = {
    ("privacy", "plan"): ("study.plan_cli", "plan"),
    ("privacy", "audit"): ("study.audit_cli", "audit"),
    ("privacy", "claim"): ("server.claim_cli", "claim"),
    ("site", "init"): ("client.init_cli", "init"),
    ("site", "check"): ("client.check_cli", "check"),
    ("site", "status"): ("client.status_cli", "status"),
    ("study", "certificates"): ("server.study_cli", "certificates"),
    ("study", "start"): ("server.study_cli", "start"),
    ("study", "status"): ("server.study_cli", "status"),
    ("study", "resume"): ("server.study_cli", "resume"),
    ("study", "report"): ("server.cli", "report"),
    ("site", "serve"): ("client.serve_cli", "serve"),
    ("site", "relay"): ("client.serve_cli", "relay"),
    ("site", "leave"): ("client.departure_cli", "leave"),
    ("site", "forget"): ("client.departure_cli", "forget"),
    ("study", "rehearse"): ("simulations.rehearsal_cli", "rehearse_command"),
    ("study", "dashboard"): ("server.dashboard_cli", "dashboard"),
    ("twin", "studio"): ("client.studio_cli", "studio"),
    ("simulate", "titration"): ("simulations.titration_cli", "titration"),
    ("simulate", "dose-trial"): ("simulations.titration_cli", "dose_trial"),
    ("simulate", "bolus-trial"): ("simulations.bolus_cli", "bolus_trial"),
}
"""Commands that are loaded alone: privacy/ makes no pages, and a relay's image has no tables."""
INTERRUPTED = 130


class Group(TyperGroup):
    """The commands of one folder, imported on first use."""

    def __init__(self, name: str) -> None:
        self.module, summary = GROUPS[name]
        self.added = {
            command: where
            for (group, command), where in ADDED.items()
            if group == name and find_spec(where[0].split(".")[0])
        }
        super().__init__(name=name, help=summary, no_args_is_help=True, rich_markup_mode="rich")

    @cached_property
    def loaded(self) -> click.Group:
        """The folder's own typer app as click sees it."""
        return typer.main.get_group(import_module(self.module).app)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order the folder gives them."""
        return [*self.loaded.list_commands(ctx), *self.added]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One command, or nothing."""
        if cmd_name in self.added:
            return _alone(cmd_name, *self.added[cmd_name])
        return self.loaded.get_command(ctx, cmd_name)


class Insula(TyperGroup):
    """All groups whose folder is installed: the hospital's image has no `simulations`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Groups in the order of a study's life, then `report`."""
        present = [name for name, (module, _) in GROUPS.items() if find_spec(module.split(".")[0])]
        return [*present, REPORT]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A group, unread as yet, or the command `report`."""
        if cmd_name not in self.list_commands(ctx):
            return None
        return _alone(REPORT, "server.cli", REPORT) if cmd_name == REPORT else Group(cmd_name)


def _alone(name: str, module: str, function: str) -> click.Command:
    """One function of a module as a command."""
    alone = typer.Typer(add_completion=False)
    alone.command(name)(getattr(import_module(module), function))
    return typer.main.get_command(alone)


app = typer.Typer(cls=Insula, add_completion=False, no_args_is_help=True)


@app.callback()
def insula() -> None:
    """Federated glucose digital twins with patient-level differential privacy.

    Research software, not for treatment.

    Example: insula simulate run study/protocols/demo.yaml --out runs/demo
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code of docs/exit-codes.md. Never raises."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        forget_stale()
        result = app(args=words, prog_name="insula", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as error:
        return _say(_as_failure(error), as_json="--json" in words)
    return result if isinstance(result, int) else ExitCode.SUCCESS


def _as_failure(error: Exception) -> Failure:
    if isinstance(error, Failure):
        return error
    if isinstance(error, click.ClickException):
        return _misused(error)
    return _unforeseen(error)


def _misused(error: click.ClickException) -> Failure:
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context else "insula"
    return Failure(
        found=error.format_message().rstrip("."),
        expected=f"what `{path} --help` lists",
        consequence="Nothing was run.",
        remedy=f"read `{path} --help`, which has an example.",
        code=ExitCode.USAGE,
    )


def _unforeseen(error: Exception) -> Failure:
    with tempfile.NamedTemporaryFile(
        "w", prefix="insula-trace-", suffix=".txt", delete=False
    ) as trace:
        traceback.print_exception(error, file=trace)
    return Failure(
        found=f"{type(error).__name__}: {error}",
        expected="no error of this kind",
        consequence="The command stopped where it was.",
        remedy=f"read the trace in {trace.name}; it stays on this machine and may name a patient.",
        code=ExitCode.INTERNAL,
    )


def _say(failure: Failure, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"error": failure.as_dict()}))
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"Error: {failure}", style="red", markup=False)
    return failure.code


if __name__ == "__main__":
    sys.exit(main())
