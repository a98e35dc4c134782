"""The recipe of the public start: repeatable to the byte, and it says what it is made of."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.trace import Trace
from simulations import pretrain as module
from simulations.pretrain import Recipe, data_card, main, pretrain
from simulations.public_people import PUBLIC_SETS, PublicSet
from study.public_start import LOCAL_STEPS, PublicStart, read_public_start, sha256_of, to_bytes
from tests.models.people import made_up_trace

TINY = Recipe(
    virtual_patients=3,
    virtual_days=3,
    virtual_views=1,
    windows_a_view=150,
    steps=12,
    virtual_steps=6,
    populations=2,
    people_a_population=2,
    windows_a_direction=80,
    directions=5,
)
People = list[tuple[PublicSet, Trace]]


@pytest.fixture(scope="module")
def people() -> People:
    """Two made-up people in place of published ones, one seen through two sensors."""
    few = replace(PUBLIC_SETS[0], views=2)
    return [(few, made_up_trace(1, days=3)), (PUBLIC_SETS[2], made_up_trace(2, days=3))]


@pytest.fixture(scope="module")
def start(people: People) -> PublicStart:
    return pretrain(TINY, people, lambda step: None)


@pytest.mark.slow
def test_the_same_recipe_gives_the_same_bytes(start: PublicStart, people: People) -> None:
    again = pretrain(TINY, people, lambda step: None)
    assert to_bytes(again) == to_bytes(start)


@pytest.mark.slow
def test_another_seed_gives_others(start: PublicStart, people: People) -> None:
    other = pretrain(replace(TINY, seed=1), people, lambda step: None)
    assert sha256_of(other) != sha256_of(start)


@pytest.mark.slow
def test_it_is_whole_and_finite(start: PublicStart) -> None:
    for name in ("weights", "virtual_only", "basis", "curvature", "variance", "body_units"):
        assert np.isfinite(getattr(start, name)).all(), name
    assert start.basis.shape[1] == len(start.curvature) == len(start.variance) == 5
    assert (start.curvature > 0).all() and (start.variance > 0).all()
    assert start.body_units.shape == (len(LOCAL_STEPS),) and (start.body_units > 0).all()


@pytest.mark.slow
def test_published_people_change_the_body_and_not_the_virtual_one(start: PublicStart) -> None:
    alone = pretrain(TINY, [], lambda step: None)
    np.testing.assert_array_equal(alone.virtual_only, start.virtual_only)
    assert not np.array_equal(alone.weights, start.weights)


@pytest.mark.slow
def test_every_stage_is_announced(people: People) -> None:
    said: list[str] = []
    pretrain(TINY, people, said.append)
    assert len(said) == 6 and said[0].startswith("virtual patients")


def test_the_card_says_what_went_in(people: People) -> None:
    start = read_public_start()
    card = json.loads(json.dumps(data_card(TINY, start, people)))
    assert card["sha256"] == sha256_of(start)
    assert card["recipe"]["steps"] == 12
    sets = {one["folder"]: one for one in card["published_sets"]}
    assert sets["colas"]["people_used"] == 1 and sets["hall"]["people_used"] == 0
    glucose = people[1][1]["glucose_mg_dl"].astype("<f8").tobytes()
    assert sets["colas"]["sha256_of_glucose"] == hashlib.sha256(glucose).hexdigest()
    assert "uom" in card["never_used"] and "UVA/Padova" in card["never_used"]


def test_the_shipped_card_is_of_the_shipped_recipe(repository: Path) -> None:
    card = json.loads((repository / "study/artefacts/public_start.json").read_text())
    assert (
        card["recipe"]
        == json.loads(json.dumps(data_card(Recipe(), read_public_start(), [])))["recipe"]
    )
    assert {one["licence"] for one in card["published_sets"]} == {"CC BY 4.0"}


def test_without_the_data_nothing_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "start.safetensors"
    out.write_bytes(b"as it was")
    monkeypatch.setattr(
        "sys.argv", ["pretrain", "--data", str(tmp_path / "absent"), "--out", str(out)]
    )
    main()
    assert out.read_bytes() == b"as it was"
    assert "stays in use" in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_the_command_writes_start_and_card(
    tmp_path: Path, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Recipe", lambda: TINY)
    monkeypatch.setattr(module, "public_traces", lambda data: people)
    out = tmp_path / "new" / "start.safetensors"
    monkeypatch.setattr("sys.argv", ["pretrain", "--data", str(tmp_path), "--out", str(out)])
    main()
    card = json.loads(out.with_suffix(".json").read_text())
    assert card["sha256"] == sha256_of(read_public_start(out))
