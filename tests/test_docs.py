"""What the documents say is so: commands run, codes are listed, links lead somewhere."""

import re
import shlex
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click
import pytest
import typer

import insula
from study.failure import ExitCode
from tests.documented import DOCUMENTED, Run, fenced

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


def unrun_commands(root: Path, listed: Mapping[str, Mapping[str, Run]] = DOCUMENTED) -> list[str]:
    """Commands in a block of a document that no test is listed for, and lists without commands."""
    written = {
        str(path.relative_to(root)): [line for block in fenced(path) for line in block]
        for path in documents(root)
    }
    missing = [
        f"{page}: {line}"
        for page, lines in written.items()
        for line in lines
        if line not in listed.get(page, {})
    ]
    gone = [
        f"{page} lacks {line}"
        for page, lines in listed.items()
        for line in lines
        if line not in written.get(page, [])
    ]
    return missing + gone


def absent_runs(root: Path, listed: Mapping[str, Mapping[str, Run]] = DOCUMENTED) -> list[str]:
    """Tests that are listed for a command and are not there, or whose source lacks its words."""
    runs = {run for lines in listed.values() for run in lines.values()}
    return sorted(filter(None, (_lacking(root, run) for run in runs)))


def _lacking(root: Path, run: Run) -> str:
    file, _, name = run.test.partition("::")
    source = (root / file).read_text(encoding="utf-8") if (root / file).is_file() else ""
    if not source or (name and f"def {name}(" not in source):
        return f"{run.test} is not there"
    if run.how == "typed":
        return "" if "typed_by(" in source else f"{run.test} types nothing"
    words = (root / run.file).read_text(encoding="utf-8")
    flat = " ".join(words.replace("\n", " ").split())
    return "" if run.words and run.words in flat else f"{run.file} lacks {run.words!r}"


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
    unrun_commands,
    absent_runs,
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
    own = [check for check in CHECKS if check not in (unrun_commands, absent_runs)]
    assert [check(tmp_path) for check in own] == [[]] * len(own)


def test_a_command_that_nobody_runs_and_a_list_that_is_old_are_seen(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("```sh\nmake demo   # first\ninsula fly high\n```\n")
    listed = {"README.md": {"make demo": Run("ci", "same", "make demo"), "make x": Run("ci")}}
    assert unrun_commands(tmp_path, listed) == [
        "README.md: insula fly high",
        "README.md lacks make x",
    ]


def test_a_run_that_is_none_is_seen(tmp_path: Path) -> None:
    (tmp_path / "ci").write_text("make demo\n")
    (tmp_path / "test_a.py").write_text('def test_b() -> None:\n    run("study",\n  "start")\n')
    runs = [
        Run("ci", "same", "make demo"),
        Run("test_a.py::test_b", "same", '"study", "start"'),
        Run("ci", "same", "make tea"),
        Run("ci", "same"),
        Run("test_a.py::test_c", "same", "x"),
        Run("test_a.py::test_b"),
        Run("gone.py::test_b"),
    ]
    listed = {"README.md": {str(place): run for place, run in enumerate(runs)}}
    assert absent_runs(tmp_path, listed) == sorted(
        [
            "ci lacks 'make tea'",
            "ci lacks ''",
            "test_a.py::test_c is not there",
            "test_a.py::test_b types nothing",
            "gone.py::test_b is not there",
        ]
    )


def test_the_documents_name_commands_at_all(repository: Path) -> None:
    typed = [command for _, command in written_commands(repository)]
    assert {"make demo", "make test", "insula privacy verify RUN"} <= set(typed)


def test_every_target_of_the_design_is_there(repository: Path) -> None:
    wanted = {"setup", "demo", "test", "quick", "lint", "docs", "bench", "pretrain", "studies"}
    assert wanted <= make_targets(repository)


def test_every_exit_code_is_documented_with_cause_and_remedy(repository: Path) -> None:
    rows = re.findall(
        r"^\| \[?(\d+)\b[^|]* \| (\w+) \| ([^|]+) \|([^|]*)\|$",
        (repository / "docs" / "exit-codes.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    written = {(int(number), name) for number, name, _, _ in rows}
    agreed = {(int(code), code.name) for code in ExitCode}
    assert written == agreed | {(insula.INTERRUPTED, "INTERRUPTED")}
    assert all(cause.strip() for _, _, cause, _ in rows)
    assert all(remedy.strip() for number, _, _, remedy in rows if number != "0")


def test_every_exit_code_but_success_has_a_page_behind_its_number(repository: Path) -> None:
    table = (repository / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    codes = {int(code): code.name for code in ExitCode if code} | {
        insula.INTERRUPTED: "INTERRUPTED"
    }
    for number, name in codes.items():
        page = f"exit-codes/{number}-{name.lower().replace('_', '-')}.md"
        assert f"| [{number}]({page}) | {name} |" in table
        text = (repository / "docs" / page).read_text(encoding="utf-8")
        assert text.startswith(f"# Exit code {number}: {name}\n")
        for part in ("**Where to look.** ", "**What to do.** ", "**What is as it was.** "):
            assert len(text.partition(part)[2].partition("\n")[0]) > 20, (page, part)
    assert len(list((repository / "docs" / "exit-codes").iterdir())) == len(codes)


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


def leaves(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command below a group."""
    if not isinstance(command, click.Group):
        yield words
        return
    here = click.Context(command)
    for name in command.list_commands(here):
        one = command.get_command(here, name)
        assert one is not None, name
        yield from leaves(one, (*words, name))


def test_every_command_is_run_by_some_test(repository: Path) -> None:
    sources = [path.read_text(encoding="utf-8") for path in (repository / "tests").rglob("*.py")]
    flat = " ".join(" ".join(sources).split())
    unrun, every = [], list(leaves(typer.main.get_group(insula.app)))
    assert {("study", "resume"), ("simulate", "share"), ("report",)} <= set(every)
    listed = [
        line for lines in DOCUMENTED.values() for line, run in lines.items() if run.how == "typed"
    ]
    for words in every:
        if any(line.startswith(f"insula {' '.join(words)} ") for line in listed):
            continue
        typed_as = [", ".join(f'"{word}"' for word in words), f'(capsys, "{words[-1]}"']
        if not any(each in flat for each in typed_as) and f'["{words[-1]}", str(' not in flat:
            unrun.append(" ".join(words))
    assert unrun == []
