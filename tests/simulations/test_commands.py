"""Each long `insula simulate` command as it is typed, on few people, without standing in for it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import insula
from simulations import effects, prior_study, prior_teachers, streaming
from simulations.cohort import CohortSpec, virtual_clinic
from study.head_prior_file import read_prior

pytestmark = pytest.mark.slow

TINY = """
study: tiny
clinics:
  - name: harbour
    declared_patients: 3
    source: {layout: virtual, groups: [child, adolescent], patients: 4, days: 5, seed: 31}
    hold_out_patients: 1
  - name: lagoon
    declared_patients: 3
    source: {layout: virtual, groups: [child, adolescent], patients: 4, days: 5, seed: 32}
release: {kind: adapter, rounds: 1, clip_norm: 0.5, dimension: 16}
privacy: {epsilon: 8.0, delta: 1.0e-5}
server: {quorum: 2}
"""


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to type in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def exports(empty: Path) -> Path:
    """Exports of two virtual people over nine days, in the layout of the published ones."""
    spec = CohortSpec(("adolescent",), patients=2, days=9, seed=4)
    return virtual_clinic(spec, empty / "cache", lambda done, total: None)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """What `insula simulate WORDS --json` prints."""
    assert insula.main(["simulate", *words, "--json"]) == 0, words
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_share(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (empty / "tiny.yaml").write_text(TINY)
    small = ("--splits", "1", "--draws", "1", "--smaller", "2", "3")
    found = said(capsys, "share", "tiny.yaml", *small)
    assert [one["epsilon"] for one in found["own"]["epsilons"]] == [8.0, 4.0, 2.0]


def test_effects(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(effects, "DRAWN", 1)
    found = said(capsys, "effects", "--patients", "drawn", "--seed", "1", "--processes", "1")
    assert {"mard_24h_pct", "coverage_80_pct", "sign_right_pct_hard"} <= set(found["summary"])


def test_streaming(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(streaming, "MEMBERS", 16)
    found = said(capsys, "streaming", "--world", "B", "--people", "1", "--processes", "1")
    assert found["world"] == "B"


def test_plans(capsys: pytest.CaptureFixture[str]) -> None:
    found = said(capsys, "plans", "--people", "1", "--seed", "1", "--processes", "1")
    assert found["summary"]["people"] == 2  # one in each world


def test_own_effects(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "own-effects", "--people", "1", "--seed", "1", "--processes", "1")


def test_forecasts(exports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = said(capsys, "forecasts", str(exports), "--out", "page.md")
    assert found and Path("page.md").read_text().count("|") > 20


def test_prior(
    empty: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Few(prior_study.PriorPlan):
        """Two new patients are judged."""

        @property
        def quick(self) -> prior_study.PriorPlan:
            return replace(super().quick, new_patients=2)

    monkeypatch.setattr("simulations.prior_cli.PriorPlan", Few)
    monkeypatch.setitem(prior_study.SIZE, "middle", (2, 2))
    found = said(capsys, "prior", "--size", "middle", "--quick", "--processes", "1")
    assert {one["patient"] for one in found["patients"]} == {"adult-0", "adult-1"}
    assert list((empty / "runs" / "prior-teachers").iterdir())


def test_prior_virtual(
    empty: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prior_teachers, "VIRTUAL_PEOPLE", 3)
    found = said(capsys, "prior-virtual", "prior.json", "--processes", "1")
    assert found == {"prior": "prior.json", "people": 6}
    assert read_prior(empty / "prior.json").mean.shape == (18,)
