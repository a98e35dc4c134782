"""`insula twin plan` as people and scripts call it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from client.site_table import write_site
from insula import main
from tests.client.recorded_person import recorded_person

pytestmark = pytest.mark.slow


def test_json_and_prose(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_site(tmp_path / "site.parquet", (replace(recorded_person(), weight_kg=70.0),))
    words = ["twin", "plan", "P1", "--site", str(tmp_path)]
    assert main([*words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {one["lever"] for one in said["settings"]} >= {"basal night", "ratio dinner"}
    assert said["sentences"]
    assert main(words) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "ratio dinner" in printed and "not for treatment" in printed
