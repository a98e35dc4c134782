"""Who may import whom. Read LAYERS top to bottom: a line imports only from the lines below it."""

import ast
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest

Check = Callable[[Path], list[str]]

LAYERS = [{"simulations"}, {"server", "client"}, {"study"}, {"models", "privacy"}]
RANK = {package: rank for rank, layer in enumerate(LAYERS) for package in layer}
# Flower's transport changed twice in 2026, so each package touches it in one place.
MAY_IMPORT_FLOWER = {"client/app.py", "server/flower.py", "simulations/grid.py"}
# The models are functions of their arguments: no disk, no clock, no environment.
CLOSED_TO_MODELS = {"os", "io", "time", "pathlib", "shutil", "tempfile", "subprocess", "socket"}


def imports(path: Path) -> tuple[str, ...]:
    """Dotted name of everything a module imports, wherever in the module it does so."""
    return _imports(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=1000)
def _imports(text: str) -> tuple[str, ...]:
    return tuple(_imported(ast.parse(text)))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            stem = "." * node.level + (node.module or "")
            yield stem
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def modules(root: Path) -> dict[str, Path]:
    """Every module of the six packages: dotted name -> file."""
    found = {}
    for package in RANK:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def upward_imports(root: Path) -> list[str]:
    """Imports that point sideways or up the layers."""
    return [
        f"{name} imports {other}"
        for name, path in modules(root).items()
        for other in sorted({target.split(".")[0] for target in imports(path)})
        if other in RANK and other != name.split(".")[0]
        if RANK[other] <= RANK[name.split(".")[0]]
    ]


def relative_imports(root: Path) -> list[str]:
    """Imports that begin with a dot."""
    return [
        f"{name} imports {target}"
        for name, path in modules(root).items()
        for target in imports(path)
        if target.startswith(".")
    ]


def stray_flower(root: Path) -> list[str]:
    """Modules that import Flower though they are not an adapter."""
    return [
        f"{path.relative_to(root).as_posix()} imports flwr"
        for path in modules(root).values()
        if path.relative_to(root).as_posix() not in MAY_IMPORT_FLOWER
        if any(target.split(".")[0] == "flwr" for target in imports(path))
    ]


def open_models(root: Path) -> list[str]:
    """Modules of models/ that could read a disk or a clock."""
    inside = {name: path for name, path in modules(root).items() if name.startswith("models")}
    reach_out = [
        f"{name} imports {target}"
        for name, path in inside.items()
        for target in imports(path)
        if target.split(".")[0] in CLOSED_TO_MODELS
    ]
    opens = [f"{name} calls open" for name, path in inside.items() if _calls_open(path)]
    return reach_out + opens


def _calls_open(path: Path) -> bool:
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return any(isinstance(call.func, ast.Name) and call.func.id == "open" for call in calls)


def cycles(root: Path) -> list[str]:
    """Rings of modules that import one another, each told once from where it was met."""
    known = modules(root)
    graph = {
        name: sorted({target for target in imports(path) if target in known} - {name})
        for name, path in known.items()
    }
    found: list[str] = []
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            found.append(" -> ".join([*trail[trail.index(name) :], name]))
        elif name not in done:
            for target in graph[name]:
                visit(target, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())
    return found


CHECKS: list[Check] = [upward_imports, relative_imports, stray_flower, open_models, cycles]

PLANTED: list[tuple[Check, dict[str, str], str]] = [
    (upward_imports, {"models/a.py": "from study.b import c"}, "models.a imports study"),
    (upward_imports, {"server/a.py": "def f():\n    import client.b"}, "server.a imports client"),
    (upward_imports, {"privacy/a.py": "import models"}, "privacy.a imports models"),
    (relative_imports, {"study/a.py": "from .b import c"}, "study.a imports .b"),
    (stray_flower, {"models/a.py": "import flwr"}, "models/a.py imports flwr"),
    (stray_flower, {"client/x/a.py": "from flwr.app import M"}, "client/x/a.py imports flwr"),
    (open_models, {"models/a.py": "from pathlib import Path"}, "models.a imports pathlib"),
    (open_models, {"models/a.py": "import time"}, "models.a imports time"),
    (open_models, {"models/a.py": "x = open('y')"}, "models.a calls open"),
    (
        cycles,
        {"study/a.py": "import study.b", "study/b.py": "def f():\n    from study import a"},
        "study.a -> study.b -> study.a",
    ),
]


@pytest.mark.parametrize("check", CHECKS)
def test_the_repository_is_layered(check: Check, repository: Path) -> None:
    wrong = check(repository)
    assert not wrong, "\n".join([str(check.__doc__), *wrong])


@pytest.mark.parametrize(("check", "files", "message"), PLANTED)
def test_each_guard_sees_what_it_guards_against(
    check: Check, files: dict[str, str], message: str, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert message in check(tmp_path)


def test_imports_that_point_down_pass(tmp_path: Path) -> None:
    lawful = {
        "simulations/a.py": "import server.a\nimport client.a\nfrom study import a",
        "client/app.py": "from flwr.clientapp import ClientApp\nfrom privacy.a import b",
        "models/a.py": "import numpy as np\nfrom models.b import c",
        "models/b.py": "c = 1",
    }
    for name, text in lawful.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert [check(tmp_path) for check in CHECKS] == [[]] * len(CHECKS)


def test_every_package_is_looked_at(repository: Path) -> None:
    assert {name.split(".")[0] for name in modules(repository)} == set(RANK)
