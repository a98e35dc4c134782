"""What the documents say is so: commands run, codes are listed, links lead somewhere."""

import re
import shlex
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
import typer

import insula
from study.failure import ExitCode

Check = Callable[[Path], list[str]]
FENCE = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`((?:insula|make) [^`]+)`")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
MODULE = re.compile(r"`((?:study|models|privacy|client|server|simulations|docs|tests)/[\w./-]*)`")
WORDS_BEFORE_FIRST_COMMAND = 60
NOT_OURS = {".venv", ".git", "runs", "build", "dist"}


def documents(root: Path) -> list[Path]:
    """Every Markdown file of the repository."""
    folders = [path for path in root.iterdir() if path.is_dir() and path.name not in NOT_OURS]
    return sorted([*root.glob("*.md"), *(path for each in folders for path in each.rglob("*.md"))])


def written_commands(root: Path) -> Iterator[tuple[Path, str]]:
    """Every `insula ...` and `make ...` that a document tells its reader to type."""
    for path in documents(root):
        text = path.read_text(encoding="utf-8")
        fenced = [line for block in FENCE.findall(text) for line in block.splitlines()]
        typed = [line.split("#")[0].strip() for line in fenced]
        spans = SPAN.findall(FENCE.sub("", text))
        for command in [*typed, *spans]:
            if command.startswith(("make ", "insula ")):
                yield path.relative_to(root), command


def typed(page: Path) -> Iterator[list[str]]:
    """The words after `insula` of every command in a page's blocks, in their order."""
    for block in FENCE.findall(page.read_text(encoding="utf-8")):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            assert words[0] == "insula", line
            yield words[1:]


def make_targets(root: Path) -> set[str]:
    """Targets of the Makefile."""
    lines = (root / "Makefile").read_text(encoding="utf-8").splitlines()
    return {line.split(":")[0] for line in lines if re.match(r"[a-z]+:(?!=)", line)}


def unknown_targets(root: Path) -> list[str]:
    """Documents that name a make target which is not there."""
    known = make_targets(root)
    return [
        f"{path}: {command}"
        for path, command in written_commands(root)
        if command.startswith("make ") and shlex.split(command)[1] not in known
    ]


def unknown_commands(root: Path) -> list[str]:
    """Documents that name an `insula` command which is not there."""
    return [
        f"{path}: {command}"
        for path, command in written_commands(root)
        if command.startswith("insula ") and not _leads_somewhere(shlex.split(command)[1:])
    ]


def _leads_somewhere(words: list[str]) -> bool:
    command: click.Command | None = typer.main.get_group(insula.app)
    for word in words:
        if not isinstance(command, click.Group) or word.startswith("-"):
            break
        command = command.get_command(click.Context(command), word)
    return command is not None


def dead_links(root: Path) -> list[str]:
    """Links to files that are not there."""
    return [
        f"{path.relative_to(root)} -> {target}"
        for path in documents(root)
        for target in LINK.findall(path.read_text(encoding="utf-8"))
        if not target.startswith(("http:", "https:", "mailto:"))
        if not (path.parent / target).exists()
    ]


def absent_modules(root: Path) -> list[str]:
    """Files and folders named in a document that are not there."""
    return [
        f"{path.relative_to(root)} names {place}"
        for path in documents(root)
        for place in MODULE.findall(path.read_text(encoding="utf-8"))
        if not (root / place).exists()
    ]


def late_first_command(root: Path) -> list[str]:
    """A README whose first command comes after more than 60 words."""
    text = (root / "README.md").read_text(encoding="utf-8")
    before = text.split("```sh")[0].split()
    return [f"{len(before)} words"] if len(before) > WORDS_BEFORE_FIRST_COMMAND else []


CHECKS: list[Check] = [
    unknown_targets,
    unknown_commands,
    dead_links,
    absent_modules,
    late_first_command,
]

PLANTED: list[tuple[Check, str, str]] = [
    (unknown_targets, "```sh\nmake fly   # soon\n```", "README.md: make fly"),
    (unknown_targets, "Say `make fly` now.", "README.md: make fly"),
    (unknown_commands, "```sh\ninsula fly --high\n```", "README.md: insula fly --high"),
    (unknown_commands, "`insula study fly`", "README.md: insula study fly"),
    (dead_links, "see [this](docs/nowhere.md#part)", "README.md -> docs/nowhere.md"),
    (absent_modules, "in `privacy/nowhere.py`", "README.md names privacy/nowhere.py"),
    (late_first_command, "word " * 61 + "\n```sh\nmake demo\n```", "61 words"),
]


@pytest.mark.parametrize("check", CHECKS)
def test_the_documents_are_true(check: Check, repository: Path) -> None:
    wrong = check(repository)
    assert not wrong, "\n".join([str(check.__doc__), *wrong])


@pytest.mark.parametrize(("check", "text", "message"), PLANTED)
def test_each_guard_sees_what_it_guards_against(
    check: Check, text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "Makefile").write_text("demo:\n\ttrue\n")
    (tmp_path / "README.md").write_text(text)
    assert check(tmp_path) == [message]


def test_true_documents_pass(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("BIN := x\ndemo: setup\n\ttrue\n")
    (tmp_path / "README.md").write_text("```sh\nmake demo  # first\n```\n[me](README.md#a)\n")
    assert [check(tmp_path) for check in CHECKS] == [[]] * len(CHECKS)


def test_the_documents_name_commands_at_all(repository: Path) -> None:
    typed = [command for _, command in written_commands(repository)]
    assert {"make demo", "make test", "insula privacy verify RUN"} <= set(typed)


def test_every_target_of_the_design_is_there(repository: Path) -> None:
    wanted = {"setup", "demo", "test", "quick", "lint", "docs", "bench", "pretrain", "studies"}
    assert wanted <= make_targets(repository)


def test_every_exit_code_is_documented_with_cause_and_remedy(repository: Path) -> None:
    rows = re.findall(
        r"^\| (\d+) \| (\w+) \| ([^|]+) \|([^|]*)\|$",
        (repository / "docs" / "exit-codes.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    written = {(int(number), name) for number, name, _, _ in rows}
    agreed = {(int(code), code.name) for code in ExitCode}
    assert written == agreed | {(insula.INTERRUPTED, "INTERRUPTED")}
    assert all(cause.strip() for _, _, cause, _ in rows)
    assert all(remedy.strip() for number, _, _, remedy in rows if number != "0")


def test_it_is_said_to_be_no_treatment(repository: Path) -> None:
    first_screen = (repository / "README.md").read_text(encoding="utf-8")[:700]
    assert "Research software, not for treatment" in first_screen


def test_the_changelog_keeps_its_heading(repository: Path) -> None:
    lines = (repository / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    versions = [line for line in lines if line.startswith("## ")]
    assert lines.count("### Changes that alter epsilon or results") == len(versions) > 0


def test_the_picture_shows_every_step_and_where_it_is(repository: Path) -> None:
    picture = ElementTree.parse(repository / "docs" / "architecture.svg")
    words = {"".join(text.itertext()) for text in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert {"Readings", "Head", "Row", "Release", "Body", "Report"} <= words
    places = {word for word in words if re.fullmatch(r"[a-z]+/[\w/]+\.py", word)}
    assert len(places) >= 6
    assert [place for place in sorted(places) if not (repository / place).exists()] == []
