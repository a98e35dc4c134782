from pathlib import Path

import pytest

from client.scenario_file import read_scenario
from study.failure import ExitCode, Failure


def written(folder: Path, text: str) -> Path:
    path = folder / "scenario.yaml"
    path.write_bytes(text.encode())
    return path


def test_every_example_in_the_documents_is_a_scenario(repository: Path) -> None:
    examples = sorted((repository / "docs" / "scenarios").glob("*.yaml"))
    assert len(examples) >= 3
    assert len({read_scenario(path).name for path in examples}) == len(examples)


def test_a_bare_time_is_read_as_it_was_meant(tmp_path: Path) -> None:
    text = "name: a\nboluses: [{at: 12:30, units: 2}]\n"
    assert read_scenario(written(tmp_path, text)).therapy.boluses[0].minute == 750


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("name: [", "not YAML"),
        ("", "names and values"),
        ("name: a\nhours: 24\nhours: 72", "the key 'hours' twice, line 3"),
        ("name: a\nboluses: [{at: '12:30', units: 4, units: 40}]", "the key 'units' twice"),
        ("name: a\nboluses: [{at: '12:30', units: 100}]", "a bolus of 100 U"),
        ("name: a\nmeals: [{at: '12:30', carbs_g: 2000}]", "a carbohydrate of 2000 g"),
        ("name: !!python/object/apply:os.system ['true']", "not YAML"),
    ],
)
def test_what_is_no_scenario_is_named_with_its_file(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(Failure, match=found) as raised:
        read_scenario(written(tmp_path, text))
    assert raised.value.code is ExitCode.USAGE
    assert "scenario.yaml" in raised.value.found


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="cannot be read") as raised:
        read_scenario(tmp_path / "none.yaml")
    assert raised.value.code is ExitCode.MISSING_INPUT


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Failure, match="cannot be read"):
        read_scenario(tmp_path / "scenario.yaml")
