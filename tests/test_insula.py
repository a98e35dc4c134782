"""The command itself: what it lists, how it fails, and that it imports only what it needs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
import typer

import insula
from study.failure import ExitCode, Failure

REFUSAL = Failure(
    found="epsilon 9",
    expected="at most 8",
    consequence="Nothing left the clinic.",
    remedy="lower epsilon.",
    code=ExitCode.REFUSED,
)


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Puts `insula study try` in the place of the group `study`."""

    def plant(body: Callable[[], Any]) -> None:
        group = typer.Typer()

        @group.command("try")
        def attempt(as_json: bool = typer.Option(False, "--json")) -> Any:
            return body()

        @group.command("other")
        def other() -> None:
            raise AssertionError("the wrong command was run")

        monkeypatch.setattr(insula, "import_module", lambda name: SimpleNamespace(app=group))

    return plant


def _raise(error: BaseException) -> Any:
    raise error


def test_the_groups_are_listed_with_report_last() -> None:
    group = typer.main.get_group(insula.app)
    listed = group.list_commands(click.Context(group))
    assert listed == ["study", "site", "twin", "privacy", "simulate", "report"]


def test_the_hospital_image_has_no_simulate(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {"simulations"}
    monkeypatch.setattr(insula, "find_spec", lambda name: None if name in absent else object())
    group = typer.main.get_group(insula.app)
    assert "simulate" not in group.list_commands(click.Context(group))
    assert group.get_command(click.Context(group), "simulate") is None
    study = group.get_command(click.Context(group), "study")
    assert isinstance(study, click.Group)
    here = study.list_commands(click.Context(study))
    assert "rehearse" not in here and {"new", "check", "dashboard"} <= set(here)


def test_a_command_that_succeeds(planted: Any, capsys: pytest.CaptureFixture[str]) -> None:
    planted(lambda: print("done"))
    assert insula.main(["study", "try"]) == ExitCode.SUCCESS
    assert capsys.readouterr().out == "done\n"


def test_a_failure_speaks_on_stderr(planted: Any, capsys: pytest.CaptureFixture[str]) -> None:
    planted(lambda: _raise(REFUSAL))
    assert insula.main(["study", "try"]) == ExitCode.REFUSED
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "Error: found epsilon 9; expected at most 8. Nothing left the clinic. "
        "What to do: lower epsilon."
    ]


def test_a_failure_under_json_is_one_object(
    planted: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    planted(lambda: _raise(REFUSAL))
    assert insula.main(["study", "try", "--json"]) == ExitCode.REFUSED
    said = json.loads(capsys.readouterr().out)
    assert said == {"error": REFUSAL.as_dict()}
    assert said["error"]["exit_code"] == ExitCode.REFUSED


def test_an_unforeseen_error_is_short_and_says_where_its_trace_is(
    planted: Any, capsys: pytest.CaptureFixture[str], monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    planted(lambda: _raise(ZeroDivisionError("no one expected this")))
    assert insula.main(["study", "try"]) == ExitCode.INTERNAL
    said = capsys.readouterr().err
    (trace,) = tmp_path.iterdir()
    assert "ZeroDivisionError: no one expected this" in said
    assert "Traceback" not in said and str(trace) in said
    assert "Traceback" in trace.read_text()
    assert trace.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("words", [["study", "nothing"], ["study", "try", "--wrong"], ["nothing"]])
def test_misuse_is_code_2_and_runs_nothing(
    words: list[str], planted: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    planted(lambda: _raise(AssertionError("it ran")))
    assert insula.main(words) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert words[-1] in said and "Nothing was run" in said


def test_misuse_under_json_is_an_object_too(
    planted: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    planted(lambda: None)
    assert insula.main(["study", "try", "--json", "--wrong"]) == ExitCode.USAGE
    assert json.loads(capsys.readouterr().out)["error"]["exit_code"] == ExitCode.USAGE


def test_no_words_show_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert insula.main([]) == ExitCode.USAGE
    assert "not for treatment" in "".join(capsys.readouterr())


def test_a_command_may_choose_its_own_code(planted: Any) -> None:
    planted(lambda: _raise(typer.Exit(ExitCode.NOT_VERIFIED)))
    assert insula.main(["study", "try"]) == ExitCode.NOT_VERIFIED


def test_an_interrupt_is_not_a_success(planted: Any) -> None:
    planted(lambda: _raise(KeyboardInterrupt()))
    assert insula.main(["study", "try"]) == insula.INTERRUPTED


def test_help_loads_neither_torch_nor_flower(repository: Path) -> None:
    asked = (
        "import sys, insula; insula.main(['privacy', '--help']);"
        "print(sorted({'torch', 'flwr', 'simulations'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"


def blas_threads(first: str) -> int:
    """Most threads of numpy's own library after importing `first` in a process of its own."""
    asked = "import numpy; from threadpoolctl import threadpool_info as found; "
    asked += "print(max(one['num_threads'] for one in found() if one['user_api'] == 'blas'))"
    clear = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", f"{first}; {asked}"], capture_output=True, check=True, env=clear
    )
    return int(done.stdout)


@pytest.mark.parametrize("first", ["import insula", "import simulations.bench"])
def test_small_matrices_get_one_thread(first: str) -> None:
    assert blas_threads(first) == 1


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core has one thread anyhow")
def test_without_the_command_they_would_get_more() -> None:
    assert blas_threads("pass") > 1


def test_stale_machine_code_is_forgotten_before_a_command_runs(
    monkeypatch: pytest.MonkeyPatch, planted: Callable[[Callable[[], Any]], None]
) -> None:
    order: list[str] = []
    monkeypatch.setattr(insula, "forget_stale", lambda: order.append("forgotten"))
    planted(lambda: order.append("run"))
    insula.main(["study", "try"])
    assert order == ["forgotten", "run"]
