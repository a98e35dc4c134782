"""`insula study rehearse`, run for real on three tiny clinics, twice each."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import insula
from privacy.verifier import verify
from server.run_record import read_run_record
from study.failure import ExitCode
from study.protocol import parse_protocol, read_protocol

pytestmark = pytest.mark.slow
TEXT = """
study: tiny
clinics:
  - name: harbour
    declared_patients: 3
    source: {layout: uom, folder: nowhere}
  - name: lagoon
    declared_patients: 3
    source: {layout: virtual, groups: [child, adolescent], patients: 3, days: 5, seed: 32}
release: {kind: adapter, rounds: 2, clip_norm: 0.5, dimension: 16}
privacy: {epsilon: 8.0, delta: 1.0e-5, noise: exact}
server: {quorum: 2}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rehearsed")


@pytest.fixture(scope="module")
def told(folder: Path) -> Iterator[dict[str, Any]]:
    """What the command says as JSON."""
    path, out = folder / "tiny.yaml", folder / "out"
    path.write_text(TEXT)
    with pytest.MonkeyPatch.context() as patch:
        said: list[str] = []
        patch.setattr("builtins.print", lambda *words, **how: said.append(str(words[0])))
        words = ["study", "rehearse", str(path), "--out", str(out), "--repeats", "2"]
        assert insula.main([*words, "--days", "5", "--like", "adult", "--json"]) == ExitCode.SUCCESS
    yield json.loads(said[-1])


def test_it_says_and_writes_the_same(told: dict[str, Any], folder: Path) -> None:
    written = json.loads((folder / "out" / "rehearsal.json").read_text())
    assert told == {"rehearsal": str(folder / "out"), **written}
    assert written["protocol_sha256"] == parse_protocol(TEXT).digest()
    assert "tiny" in (folder / "out" / "rehearsal.html").read_text()


def test_no_clinics_files_are_needed(told: dict[str, Any]) -> None:
    assert told["virtual_people"] == {"replaced": ["harbour"], "groups": ["adult"], "days": 5}


def test_every_repeat_is_a_whole_run_with_other_people(told: dict[str, Any], folder: Path) -> None:
    records = [read_run_record(folder / "out" / f"repeat-{n}") for n in (1, 2)]
    assert told["repeats"] == 2 and {one.noise for one in records} == {"simulated"}
    assert len({one.body_sha256 for one in records}) == 2
    for number in (1, 2):
        run = folder / "out" / f"repeat-{number}"
        assert verify(run).holds
        assert read_protocol(run / "protocol.yaml").clinics[0].source.layout == "virtual"


def test_figures_are_those_of_the_repeats(told: dict[str, Any], folder: Path) -> None:
    scores = [
        one.rmse_mg_dl
        for n in (1, 2)
        for one in read_run_record(folder / "out" / f"repeat-{n}").scores
        if (one.cohort, one.clinic, one.horizon_min) == ("same_patients", "all", 60)
        and one.model == "federated_dp_local"
    ]
    found = told["errors_mg_dl"]["same_patients"]["federated_dp_local"]["60"]
    assert found["of_repeats"] == pytest.approx(scores)
    assert told["time"]["work_s_per_round"] > 0.0
    assert told["privacy"]["epsilon"] == pytest.approx(8.0)


def test_a_protocol_that_is_none(tmp_path: Path) -> None:
    assert insula.main(["study", "rehearse", str(tmp_path / "no.yaml")]) == ExitCode.MISSING_INPUT
