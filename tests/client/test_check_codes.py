"""Every code has a remedy, a heading in the docs with cause and remedy, and a test meets it."""

import re
from pathlib import Path

from client.check_codes import REMEDIES

HEADING = re.compile(r"^### ([\w-]+)\n\*\*Cause\.\*\* (.+)\n\*\*Remedy\.\*\* (.+)$", re.MULTILINE)


def test_the_page_has_a_heading_with_cause_and_remedy_for_each_code(repository: Path) -> None:
    page = (repository / "docs" / "site-check.md").read_text()
    assert sorted(name for name, _, _ in HEADING.findall(page)) == sorted(REMEDIES)
    assert page.count("\n### ") == len(REMEDIES)


def test_each_code_is_raised_somewhere_and_met_by_a_test(repository: Path) -> None:
    modules = [*(repository / "client").glob("*.py")]
    code = "".join(path.read_text() for path in modules if path.name != "check_codes.py")
    tests = repository / "tests" / "client"
    met = "".join(path.read_text() for path in tests.glob("test_*.py") if path != Path(__file__))
    assert [name for name in REMEDIES if f'"{name}"' not in code] == []
    assert [name for name in REMEDIES if f'"{name}"' not in met] == []
