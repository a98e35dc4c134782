"""The documents' pictures: small, told in words, of nobody real, and each of them shown."""

import re
from pathlib import Path

import pytest

MOST_BYTES = 150_000
PICTURE = re.compile(r"!\[([^\]]*)\]\(pictures/([\w-]+\.webp)\)")


def wrong_pictures(docs: Path) -> list[str]:
    """Pictures that are large, absent, not shown, or shown without words."""
    shown = [
        found for page in sorted(docs.glob("*.md")) for found in PICTURE.findall(page.read_text())
    ]
    there = {path.name: path for path in (docs / "pictures").iterdir()}
    names = {name for _, name in shown}
    return [
        *(f"{name} has no words" for words, name in shown if len(words) < 20),
        *(f"{name} is not there" for name in sorted(names - set(there))),
        *(f"{name} is shown nowhere" for name in sorted(set(there) - names)),
        *(f"{name} is large" for name, at in there.items() if at.stat().st_size > MOST_BYTES),
        *(f"{name} is no WebP" for name, at in there.items() if at.read_bytes()[8:12] != b"WEBP"),
    ]


def test_the_pictures_are_small_and_told(repository: Path) -> None:
    assert wrong_pictures(repository / "docs") == []


@pytest.mark.parametrize(
    ("text", "content", "found"),
    [
        ("![Curves](pictures/a.webp)", b"", "a.webp has no words"),
        ("nothing", b"", "a.webp is shown nowhere"),
        ("![A long enough text to tell](pictures/b.webp)", b"", "b.webp is not there"),
        ("![A long enough text to tell](pictures/a.webp)", b"x" * 150_001, "a.webp is large"),
        ("![A long enough text to tell](pictures/a.webp)", b"x" * 90, "a.webp is no WebP"),
    ],
)
def test_each_guard_sees_what_it_guards_against(
    tmp_path: Path, text: str, content: bytes, found: str
) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.webp").write_bytes(content or b"RIFF0000WEBP")
    (tmp_path / "page.md").write_text(text)
    assert found in wrong_pictures(tmp_path)
