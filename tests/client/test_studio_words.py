"""Every word of the studio's pages stands in the catalogue, and every word there is used."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from client.quality_page import TEMPLATES
from client.studio_pages import studio_words
from client.studio_rows import KINDS

STUDIO = TEMPLATES / "studio"
JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
SPOKEN = re.compile(r'(?:aria-label|title|placeholder|alt|value)="([^"]*)"')
TAG = re.compile(r"<[^>]*>")
LITERAL = re.compile(r'"([^"\n]*)"|\'([^\'\n]*)\'|`([^`\n]*)`')
PROSE = re.compile(r"[A-Za-z]{2,}[,.:]? [a-z]{2,}|[A-Z][a-z]+\.|^[A-Z][a-z]+$")
NO_WORDS = {"use strict", "input, select", "Enter", "Delete"}


def loose_words(template: str) -> list[str]:
    """Words that a template shows or speaks of its own."""
    bare = JINJA.sub("", template)
    shown = [*SPOKEN.findall(bare), *TAG.sub("\n", bare).split("\n")]
    return [one.strip() for one in shown if re.search(r"[A-Za-z]{2,}", one)]


def loose_sentences(script: str) -> list[str]:
    """Literals of a script that read like something said; selectors and classes do not."""
    code = re.sub(r"^\s*//.*$", "", script, flags=re.MULTILINE)
    found = (next(filter(None, one), "") for one in LITERAL.findall(code))
    bare = (re.sub(r"\$\{.*?\}", "", one) for one in found)
    said = (one for one in bare if PROSE.search(one) and not re.search(r"[\[\]#=>]", one))
    return [one for one in said if one not in NO_WORDS and not one.startswith("lanes-help")]


@pytest.mark.parametrize("page", sorted(STUDIO.glob("*.j2")), ids=lambda page: page.name)
def test_no_page_has_words_of_its_own(page: Path) -> None:
    assert loose_words(page.read_text()) == []


def test_the_script_has_no_words_of_its_own() -> None:
    assert loose_sentences((STUDIO / "bench.js").read_text()) == []


@pytest.mark.parametrize(
    "planted",
    ["<p>Hello there</p>", '<i aria-label="Hello"></i>', '<input placeholder="unknown">'],
)
def test_a_word_in_a_page_would_be_seen(planted: str) -> None:
    assert loose_words((STUDIO / "bench.html.j2").read_text() + planted) != []


@pytest.mark.parametrize(
    "planted", ['say("It is done now.");', "x.textContent = `left out`;", 'say("Done");']
)
def test_a_word_in_the_script_would_be_seen(planted: str) -> None:
    assert loose_sentences((STUDIO / "bench.js").read_text() + planted) != []


def test_every_row_and_field_has_a_name_and_no_name_is_without() -> None:
    rows = studio_words()["rows"]
    assert set(rows) == set(KINDS)
    for kind in KINDS.values():
        assert set(rows[kind.key]) == {"title", *(one.key for one in kind.fields)}
        assert kind.title and all(kind.label(one.key) for one in kind.fields)


def unused(words: Mapping[str, Any], told: str) -> list[str]:
    """Keys, rows and choices apart, that neither a page nor the code names."""
    return [
        f"{page}.{key}"
        for page, those in words.items()
        if page not in ("rows", "choices", "hints")
        for key in those
        if not re.search(rf'["._]{key}\b|["_]{key.partition("_")[0]}_(" ~|\{{key)', told)
    ]


def test_no_word_is_there_for_nothing() -> None:
    client = [*STUDIO.iterdir(), *TEMPLATES.parent.glob("studio*.py")]
    told = "\n".join(path.read_text() for path in client)
    assert unused(studio_words(), told) == []
    assert unused({"card": {"nothing_of_the_kind": "x"}}, told) == ["card.nothing_of_the_kind"]


def test_the_script_asks_for_words_that_are_there() -> None:
    script = (STUDIO / "bench.js").read_text()
    asked = {*re.findall(r'tell\("(\w+)"', script), *re.findall(r"\bwords\.(\w+)", script)}
    assert asked == set(studio_words()["script"])
