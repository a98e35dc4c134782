"""The house rules that a machine can keep: sizes, names, and what source code never does."""

import ast
import os
import statistics
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import click
import pytest
import typer

import insula

PACKAGES = ("study", "models", "privacy", "client", "server", "simulations")
LONGEST_FUNCTION, P95_FUNCTION, MEDIAN_FUNCTION = 60, 40, 10
LONGEST_MODULE = 400
MOST_ARGUMENTS = 8
SHAPELESS = {"utils", "util", "common", "core", "helpers", "manager", "base", "misc"}
UNSAFE_IMPORTS = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
UNSAFE_CALLS = {
    "torch.load": "runs what it loads: use safetensors",
    "yaml.load": "builds any object: use safe_load",
    "np.random.seed": "is global: pass a Generator",
    "numpy.random.seed": "is global: pass a Generator",
    "random.seed": "is global: pass a Generator",
    "torch.manual_seed": "is global: pass a torch.Generator",
    "eval": "runs text",
    "exec": "runs text",
}
UNFINISHED = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error")
# Split, so that this file does not hold what it looks for.
FOREIGN = ["/wo" + "rk/", "/ro" + "ot/", "/tmp/" + "brief", "/opt/" + "pypi", "/opt/" + "wheels"]
TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".json", ".html", ".svg", ".css", ".js", ""}
NOT_OURS = {".git", ".venv", ".hypothesis", "runs", "build", "dist", "__pycache__"}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Check = Callable[[Path], list[str]]


def sources(root: Path) -> list[Path]:
    """Every source file: the six packages and insula.py."""
    inside = [path for package in PACKAGES for path in sorted((root / package).rglob("*.py"))]
    return [*inside, *root.glob("insula.py")]


def functions(path: Path) -> Iterator[Function]:
    """Every function of a module, methods and inner ones too."""
    yield from (
        node for node in nodes(path.read_text(encoding="utf-8")) if isinstance(node, Function)
    )


@lru_cache(maxsize=1000)
def nodes(text: str) -> tuple[ast.AST, ...]:
    """Every node of a module's text, which is parsed once for all rules."""
    return tuple(ast.walk(ast.parse(text)))


def length(function: Function) -> int:
    """Lines from `def` to the last, docstring included."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def long_functions(root: Path) -> list[str]:
    """Functions of more than 60 lines."""
    return [
        f"{path.relative_to(root)}: {function.name} has {length(function)} lines"
        for path in sources(root)
        for function in functions(path)
        if length(function) > LONGEST_FUNCTION
    ]


def heavy_functions(root: Path) -> list[str]:
    """Functions whose median or 95th percentile of length is over the house's."""
    lengths = [length(each) for path in sources(root) for each in functions(path)]
    if len(lengths) < 2:
        return []
    median, p95 = statistics.median(lengths), statistics.quantiles(lengths, n=20)[-1]
    over = []
    if median >= MEDIAN_FUNCTION:
        over.append(f"the median function has {median:g} lines")
    if p95 >= P95_FUNCTION:
        over.append(f"one function in twenty has {p95:.0f} lines or more")
    return over


def long_modules(root: Path) -> list[str]:
    """Modules of more than 400 lines."""
    counted = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources(root)}
    return [
        f"{path.relative_to(root)} has {lines} lines"
        for path, lines in counted.items()
        if lines > LONGEST_MODULE
    ]


def shapeless_modules(root: Path) -> list[str]:
    """Modules and folders whose name says nothing."""
    return [
        f"{path.relative_to(root)} is named for nothing"
        for path in sources(root)
        if SHAPELESS & {*path.relative_to(root).with_suffix("").parts}
    ]


def many_arguments(root: Path) -> list[str]:
    """Functions of more than eight arguments, self and cls not counted."""
    return [
        f"{path.relative_to(root)}: {function.name} takes {count} arguments"
        for path in sources(root)
        for function in functions(path)
        if (count := _arguments(function)) > MOST_ARGUMENTS
    ]


def _arguments(function: Function) -> int:
    spec = function.args
    names = [each.arg for each in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def unsafe_code(root: Path) -> list[str]:
    """Imports, calls and statements that source code never uses."""
    return [
        f"{path.relative_to(root)}:{line}: {wrong}"
        for path in sources(root)
        for line, wrong in _unsafe_nodes(path.read_text(encoding="utf-8"))
    ]


def _unsafe_nodes(text: str) -> Iterator[tuple[int, str]]:
    for node in nodes(text):
        if isinstance(node, ast.Assert):
            yield node.lineno, "assert vanishes under -O: raise instead"
        elif isinstance(node, ast.Call) and (why := UNSAFE_CALLS.get(ast.unparse(node.func))):
            yield node.lineno, f"{ast.unparse(node.func)} {why}"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None) or ""}
            for name in UNSAFE_IMPORTS & {each.split(".")[0] for each in names}:
                yield node.lineno, f"{name} runs what it loads"


def unfinished_code(root: Path) -> list[str]:
    """Marks of work put off."""
    return [
        f"{path.relative_to(root)}:{number}: {mark}"
        for path in sources(root)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for mark in UNFINISHED
        if mark in line
    ]


def undocumented(root: Path) -> list[str]:
    """Modules, public classes and public functions without a docstring."""
    return [
        f"{path.relative_to(root)}: {name} has no docstring"
        for path in sources(root)
        for name in _without_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]


def _without_docstring(tree: ast.Module) -> Iterator[str]:
    if not ast.get_docstring(tree):
        yield "the module"
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not ast.get_docstring(node):
            yield from [node.name] * (not node.name.startswith("_"))


def full_inits(root: Path) -> list[str]:
    """Package files that hold more than a docstring."""
    return [
        f"{path.relative_to(root)} holds code"
        for path in sources(root)
        if path.name == "__init__.py" and len(ast.parse(path.read_text()).body) > 1
    ]


def thin_tests(root: Path) -> list[str]:
    """Fewer lines of tests than of source, blank lines not counted."""
    written = sum(_lines(path) for path in sources(root))
    tested = sum(_lines(path) for path in (root / "tests").rglob("*.py"))
    return [f"{tested} lines of tests for {written} of source"] if tested < written else []


def _lines(path: Path) -> int:
    return sum(1 for line in path.read_text(encoding="utf-8").splitlines() if line.strip())


def foreign_paths(root: Path) -> list[str]:
    """Paths that exist on one machine only."""
    return [
        f"{path.relative_to(root)} holds {word}"
        for path in _texts(root)
        for word in FOREIGN
        if word in path.read_text(encoding="utf-8", errors="ignore")
    ]


def _texts(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in NOT_OURS and "cache" not in name]
        yield from (Path(folder, name) for name in names if Path(name).suffix in TEXT)


CHECKS: list[Check] = [
    long_functions,
    heavy_functions,
    long_modules,
    shapeless_modules,
    many_arguments,
    unsafe_code,
    unfinished_code,
    undocumented,
    full_inits,
    thin_tests,
    foreign_paths,
]

LONG = "def f():\n" + "    x = 1\n" * 60
MEDIUM = "".join(f"def f{i}():\n" + "    x = 1\n" * 10 for i in range(3))
UNEVEN = "".join(f"def f{i}(): ...\n" for i in range(10)) + LONG.replace("f()", "g()")

PLANTED: list[tuple[Check, str, str, str]] = [
    (long_functions, "models/a.py", LONG, "f has 61 lines"),
    (heavy_functions, "models/a.py", MEDIUM, "the median function has 11 lines"),
    (heavy_functions, "models/a.py", UNEVEN, "one function in twenty"),
    (long_modules, "study/a.py", "x = 1\n" * 401, "401 lines"),
    (shapeless_modules, "client/utils.py", "", "client/utils.py"),
    (shapeless_modules, "client/core/a.py", "", "client/core/a.py"),
    (many_arguments, "models/a.py", "def f(a, b, c, d, e, f, g, *, h, i): ...", "9 arguments"),
    (unsafe_code, "client/a.py", "assert 1", "a.py:1: assert"),
    (unsafe_code, "client/a.py", "import torch\ntorch.load('x')", "a.py:2: torch.load"),
    (unsafe_code, "client/a.py", "import yaml\nyaml.load('x')", "a.py:2: yaml.load"),
    (unsafe_code, "client/a.py", "import numpy as np\nnp.random.seed(1)", "np.random.seed"),
    (unsafe_code, "client/a.py", "import torch\ntorch.manual_seed(1)", "torch.manual_seed"),
    (unsafe_code, "client/a.py", "import pickle", "pickle"),
    (unsafe_code, "client/a.py", "from pickle import loads", "pickle"),
    (unfinished_code, "client/a.py", "# " + UNFINISHED[0], "a.py:1"),
    (unfinished_code, "client/a.py", f"raise {UNFINISHED[3]}", "a.py:1"),
    (undocumented, "client/a.py", '"""Said."""\ndef f(): ...', "f has no docstring"),
    (undocumented, "client/a.py", "def _f(): ...", "the module has no docstring"),
    (full_inits, "client/__init__.py", '"""Said."""\nx = 1', "client/__init__.py"),
    (thin_tests, "client/a.py", "x = 1", "0 lines of tests for 1 of source"),
    (foreign_paths, "docs/a.md", f"see {FOREIGN[0]}b", "docs/a.md"),
    (foreign_paths, "Makefile", f"cd {FOREIGN[1]}b", "Makefile"),
]


@pytest.mark.parametrize("check", CHECKS)
def test_the_repository_keeps_the_rule(check: Check, repository: Path) -> None:
    wrong = check(repository)
    assert not wrong, "\n".join([str(check.__doc__), *wrong])


@pytest.mark.parametrize(("check", "name", "text", "message"), PLANTED)
def test_each_guard_sees_what_it_guards_against(
    check: Check, name: str, text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text)
    assert message in "\n".join(check(tmp_path))


def test_every_guard_is_planted() -> None:
    assert {check for check, *_ in PLANTED} == set(CHECKS)


def test_lawful_code_passes(tmp_path: Path) -> None:
    lawful = '"""Said."""\n\n\ndef f(self, a, b, c, d, e, f, g, h):\n    """Said."""\n'
    for name in ("models/a.py", "tests/test_a.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(lawful)
    assert [check(tmp_path) for check in CHECKS] == [[]] * len(CHECKS)


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command under a group with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        elif command is not None:
            yield f"{path} {name}", command


def silent_commands(group: click.Group) -> list[str]:
    """Commands whose help shows no call of themselves, or that have no --json."""
    wrong = []
    for path, command in commands(group, "insula"):
        if path not in (command.help or ""):
            wrong.append(f"`{path} --help` shows no example of `{path}`")
        if not any("--json" in option.opts for option in command.params):
            wrong.append(f"`{path}` has no --json")
    return wrong


def test_every_command_shows_an_example_and_speaks_json() -> None:
    group = typer.main.get_group(insula.app)
    assert len(list(commands(group, "insula"))) >= 6
    assert silent_commands(group) == []


def test_a_command_without_example_is_seen() -> None:
    planted = typer.Typer()
    planted.callback()(lambda: None)
    planted.command("run")(lambda: None)
    assert silent_commands(typer.main.get_group(planted)) == [
        "`insula run --help` shows no example of `insula run`",
        "`insula run` has no --json",
    ]
