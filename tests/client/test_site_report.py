"""The site data report as words, table and plain values."""

import io
import json
from dataclasses import replace
from typing import Any

from rich.console import Console

from client.site_report import FINDINGS, PatientReport, SiteReport, findings, report_table

GOOD = PatientReport(
    "2301", days=110.04, readings=31_375, coverage_pct=99.0, gaps=13, longest_gap_h=2.33
)
DRAWN = PatientReport("h7", days=13.4, sensor_period_min=15, interpolated_rows=2585, dst_hours=1)
BAD = PatientReport("h9", interpolated_rows=3787, unusable="only 25 of 1271 readings are real")
SITE = SiteReport("uom", "Europe/London", (GOOD, DRAWN, BAD), ("q has no glucose file",))


def shown(width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as captured:
        console.print(report_table(SITE))
    return captured.get()


def test_findings_name_each_count_that_is_not_zero() -> None:
    assert findings(GOOD) == ""
    assert findings(DRAWN) == "2585 interpolated before us; 1 clock changes"


def test_every_count_of_the_report_has_words() -> None:
    sevens: dict[str, Any] = dict.fromkeys(FINDINGS, 7)
    full = replace(GOOD, **sevens)
    assert all(f"7 {words}" in findings(full) for words in FINDINGS.values())
    counts = {name for name, value in vars(GOOD).items() if isinstance(value, int)}
    assert counts - set(FINDINGS) == {"sensor_period_min", "readings", "gaps"}


def test_why_a_patient_cannot_be_used_comes_first() -> None:
    assert findings(BAD).startswith("not usable: only 25 of 1271 readings are real; 3787")


def test_the_table_has_a_line_for_each_patient_and_fits_a_terminal() -> None:
    for width in (80, 100, 200):
        text = shown(width)
        assert max(map(len, text.splitlines())) <= width
        assert all(name in text for name in ("2301", "h7", "h9", "Europe/London"))
        assert "110.0" in text and "15 min" in text and "99.0 %" in text and "2.3 h" in text


def test_the_unusable_are_listed() -> None:
    assert SITE.unusable == (BAD,)


def test_plain_values_are_json_with_every_field() -> None:
    plain = json.loads(json.dumps(SITE.as_dict()))
    assert plain["layout"] == "uom" and plain["time_zone"] == "Europe/London"
    assert plain["notes"] == ["q has no glucose file"]
    assert [PatientReport(**one) for one in plain["patients"]] == [GOOD, DRAWN, BAD]
