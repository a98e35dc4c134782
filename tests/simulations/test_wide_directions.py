"""Directions from populations further apart: repeatable, and of virtual and published people."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.correction import OUTPUT_DIMENSION
from simulations import wide_directions as module
from simulations.public_people import PUBLIC_SETS, PublicSet
from simulations.wide_directions import Recipe, learn, main
from study.adapter_directions import to_bytes
from study.public_start import read_public_start
from tests.models.people import made_up_trace

TINY = Recipe(populations=2, people_a_population=2, virtual_days=3, windows_a_person=80)
TINY = replace(TINY, directions=4)


@pytest.mark.slow
def test_the_same_recipe_gives_the_same_bytes_and_another_seed_others() -> None:
    weights = read_public_start().weights
    people = [(PUBLIC_SETS[0], made_up_trace(n, days=3)) for n in (1, 2)]
    said: list[str] = []
    first = learn(TINY, weights, people, said.append)
    assert said[-1] == "directions from 6 people"
    assert first.basis.shape == (OUTPUT_DIMENSION, 4)
    assert to_bytes(learn(TINY, weights, people, said.append)) == to_bytes(first)
    other = learn(replace(TINY, seed=1), weights, people, said.append)
    assert not np.array_equal(other.basis, first.basis)


def test_without_data_nothing_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.safetensors"
    words = ["wide_directions", "--data", str(tmp_path / "none"), "--out", str(out)]
    monkeypatch.setattr("sys.argv", words)
    main()
    assert not out.exists() and "stay in use" in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_people_at_risk_teach_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def noted(data: Path, sets: list[PublicSet]) -> list[object]:
        asked.extend(one.folder for one in sets)
        return []

    monkeypatch.setattr(module, "public_traces", noted)
    monkeypatch.setattr(module, "Recipe", lambda: TINY)
    out = tmp_path / "out.safetensors"
    monkeypatch.setattr("sys.argv", ["x", "--data", str(tmp_path), "--out", str(out)])
    main()
    assert asked == ["azt1d", "hall"] and out.is_file()
