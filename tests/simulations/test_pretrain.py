"""The recipe of the public start: repeatable to the byte, and it says what it is made of."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.trace import FloatArray, Trace
from models.windows import Windows
from simulations import pretrain as module
from simulations.minimal_world import MinimalPatient, draw_patients
from simulations.pretrain import FEWEST_WINDOWS, Recipe, data_card, main, pretrain
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
def stages() -> list[str]:
    """What `start` said while it was made."""
    return []


@pytest.fixture(scope="module")
def start(people: People, stages: list[str]) -> PublicStart:
    return pretrain(TINY, people, stages.append)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[FloatArray | None, MinimalPatient]]:
    """Fills with every virtual patient drawn, and the centre of the population."""
    found: list[tuple[FloatArray | None, MinimalPatient]] = []

    def noted(
        count: int, days: int, random: np.random.Generator, centre: FloatArray | None = None
    ) -> list[MinimalPatient]:
        patients = draw_patients(count, days, random, centre)
        found.extend((centre, one) for one in patients)
        return patients

    monkeypatch.setattr(module, "draw_patients", noted)
    return found


@pytest.mark.slow
def test_the_same_recipe_gives_the_same_bytes(start: PublicStart, people: People) -> None:
    again = pretrain(TINY, people, lambda step: None)
    assert to_bytes(again) == to_bytes(start)


@pytest.mark.slow
def test_another_seed_gives_others(
    start: PublicStart,
    people: People,
    drawn: list[tuple[FloatArray | None, MinimalPatient]],
) -> None:
    other = pretrain(replace(TINY, seed=1), people, lambda step: None)
    assert sha256_of(other) != sha256_of(start)
    expected = draw_patients(3, 3, np.random.default_rng(1))
    for (_, one), two in zip(drawn, expected, strict=False):
        np.testing.assert_array_equal(one.head.theta, two.head.theta)


@pytest.mark.slow
def test_it_is_whole_and_finite(start: PublicStart) -> None:
    for name in ("weights", "virtual_only", "basis", "curvature", "variance", "body_units"):
        assert np.isfinite(getattr(start, name)).all(), name
    assert start.basis.shape[1] == len(start.curvature) == len(start.variance) == 5
    assert (start.curvature > 0).all() and (start.variance > 0).all()
    assert start.body_units.shape == (len(LOCAL_STEPS),) and (start.body_units > 0).all()
    assert len(set(start.body_units.tolist())) == len(LOCAL_STEPS), "one for each number of steps"


@pytest.mark.slow
def test_published_people_change_the_body_and_not_the_virtual_one(start: PublicStart) -> None:
    alone = pretrain(TINY, [], lambda step: None)
    np.testing.assert_array_equal(alone.virtual_only, start.virtual_only)
    assert not np.array_equal(alone.weights, start.weights)


@pytest.mark.slow
def test_every_stage_is_announced(start: PublicStart, stages: list[str]) -> None:
    assert len(stages) == 6 and stages[0].startswith("virtual patients")


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


def views_of(people: People, *, seed: int = 0) -> list[Windows]:
    return module._published_views(people, TINY, np.random.default_rng(seed))


def unshifted(trace: Trace, random: np.random.Generator) -> Trace:
    return trace


def test_a_person_is_seen_as_recorded_and_then_through_other_sensors(people: People) -> None:
    one, two = views_of(people[:1], seed=0), views_of(people[:1], seed=1)
    assert len(one) == len(two) == people[0][0].views == 2
    np.testing.assert_array_equal(one[0].glucose_now, two[0].glucose_now)
    assert one[1].glucose_now.tobytes() != one[0].glucose_now.tobytes()
    assert one[1].glucose_now.tobytes() != two[1].glucose_now.tobytes()


def test_views_through_one_sensor_alone_would_be_noticed(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "shifted", unshifted)
    with pytest.raises(AssertionError):
        test_a_person_is_seen_as_recorded_and_then_through_other_sensors(people)


def sensors_of_populations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The first draw of each sensor that two virtual populations of two are seen through."""
    first: list[int] = []

    def noted(trace: Trace, random: np.random.Generator) -> Trace:
        first.append(int(random.integers(1 << 40)))
        return trace

    monkeypatch.setattr(module, "shifted", noted)
    module._populations(TINY, np.random.default_rng(0))
    return first


@pytest.mark.slow
def test_a_population_wears_one_make_of_sensor(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, c, d = sensors_of_populations(monkeypatch)
    assert a == b and c == d and a != c


@pytest.mark.slow
def test_a_sensor_for_everybody_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    sensors = iter(range(100))
    make = np.random.default_rng
    monkeypatch.setattr(np.random, "default_rng", lambda seed: make(next(sensors)))
    with pytest.raises(AssertionError):
        test_a_population_wears_one_make_of_sensor(monkeypatch)


def test_populations_lie_around_centres_of_their_own(
    drawn: list[tuple[FloatArray | None, MinimalPatient]],
) -> None:
    many = replace(TINY, populations=6, people_a_population=1, virtual_days=1)
    module._populations(many, np.random.default_rng(0))
    centres = np.array([centre for centre, _ in drawn])
    assert centres.std() == pytest.approx(0.5, rel=0.25)
    assert len(np.unique(centres, axis=0)) == 6


def test_populations_in_one_place_would_be_noticed(
    drawn: list[tuple[FloatArray | None, MinimalPatient]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CENTRE_SD", 0.0)
    with pytest.raises(AssertionError):
        test_populations_lie_around_centres_of_their_own(drawn)


def first_readings(readings: int) -> Trace:
    """A record of three days whose sensor stopped after so many readings."""
    whole = made_up_trace(3, days=3)
    glucose = np.where(np.arange(len(whole)) < readings, whole["glucose_mg_dl"], np.nan)
    return replace(whole, columns={"glucose_mg_dl": glucose})


def broken_record() -> Trace:
    """Readings enough to calibrate, but so many gaps that hardly a window has its history."""
    whole = made_up_trace(3, days=3)
    worn = np.arange(len(whole)) % 60 < 26
    return replace(whole, columns={"glucose_mg_dl": np.where(worn, whole["glucose_mg_dl"], np.nan)})


def test_short_and_broken_records_teach_nobody() -> None:
    assert module._usable([first_readings(150)], 10_000) == []
    assert module._usable([broken_record()], 10_000) == []
    (kept,) = module._usable([first_readings(500)], 10_000)
    assert len(kept) >= FEWEST_WINDOWS


def test_a_broken_record_that_teaches_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEWEST_WINDOWS", 0)
    with pytest.raises(AssertionError):
        test_short_and_broken_records_teach_nobody()


def test_a_long_record_is_thinned() -> None:
    (kept,) = module._usable([first_readings(800)], 60)
    assert len(kept) == 60
