"""How strongly life acts in one patient, as people and scripts ask for it."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from client.card_verdict import Judgement
from client.known_twin import KnownTwin
from client.own_effects import effects_of, events_of, own_effects, strengths
from client.site_table import write_site
from insula import main
from models.calibration import calibrate
from models.life_effect import (
    FEVER,
    LIFE_EFFECTS,
    LUTEAL_PHASE,
    MENTAL_STRESS,
    MOVEMENT_SENSITIVITY,
    POPULATION,
    PROTEIN,
    Belief,
)
from models.life_events import Event
from models.mixed_meal import MealMake
from models.movement import Bout, Kind
from models.own_effect import NOT_LEARNED, OwnEffects
from models.scenario import Eaten, Life
from models.strain import Illness, Stretch
from models.trace import Trace
from study.failure import ExitCode
from tests.models.living_person import bouts, lived_with, planted

pytestmark = pytest.mark.slow

DAYS = 8
HEADER = "patient,time,kind,minutes,intensity,heart_rate_bpm,temperature_c\n"
RIDE = """
name: A ride after work
exercise: [{at: "17:00", minutes: 45, kind: aerobic}]
"""
LATER = """
name: Later
meal_boluses: [{from: "06:00", to: "11:00", later_min: -10}]
"""


def lived() -> tuple[Trace, tuple[Event, ...]]:
    events = bouts(DAYS, seed=5)
    trace = lived_with(events, planted({MOVEMENT_SENSITIVITY: 1.5}), DAYS, seed=2)
    return replace(trace, patient="P1"), events


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    trace, events = lived()
    write_site(folder / "site.parquet", (trace,))
    rows = []
    for event in events:
        clock = datetime.fromtimestamp(trace.start_utc_s + 300 * event.row, UTC)
        rows.append(f"P1,{clock:%Y-%m-%d %H:%M},aerobic,45,moderate,,\n")
    (folder / "events.csv").write_text(HEADER + "".join(rows))
    (folder / "ride.yaml").write_text(RIDE)
    (folder / "later.yaml").write_text(LATER)
    return folder


def test_the_command_shows_this_person_beside_the_groups(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["twin", "effects", "P1", "--site", str(site), "--json"]) == 0
    told = {one["effect"]: one for one in json.loads(capsys.readouterr().out)["effects"]}
    sensitivity, protein = told["movement_sensitivity"], told["protein"]
    assert sensitivity["learned"] and sensitivity["events"] == 4
    assert sensitivity["middle"] > sensitivity["population"]["middle"]
    assert not protein["learned"] and protein["middle"] == protein["population"]["middle"]


def test_what_hardly_anybody_had_is_said_to_be_odd(
    site: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = LIFE_EFFECTS.index(MOVEMENT_SENSITIVITY)
    mean = POPULATION.mean.copy()
    mean[place] += 2.5 * MOVEMENT_SENSITIVITY.spread
    odd = OwnEffects(Belief(mean, POPULATION.covariance), {}, ("movement_sensitivity",))
    monkeypatch.setattr("client.own_effects.learn", lambda *_: odd)
    assert main(["twin", "effects", "P1", "--site", str(site)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Caution: movement_sensitivity: far from what any group had." in said
    assert [one.far for one in strengths(odd)].count(True) == 1
    assert not any(one.far for one in strengths(NOT_LEARNED))


def test_a_scenario_with_exercise_uses_what_was_learned_and_says_so(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["twin", "try", "P1", str(site / "ride.yaml"), "--site", str(site), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["own_events"] == 4
    assert any("was learned from 4 events" in one for one in said["sentences"])
    assert not any("is not known" in one for one in said["sentences"])


def test_a_scenario_of_insulin_alone_learns_nothing(
    site: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("client.own_effects.learn", None)
    assert main(["twin", "try", "P1", str(site / "later.yaml"), "--site", str(site), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["own_events"] == 0 and said["own_effects"] == []


def test_a_wrong_file_stops_the_trial(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "site.parquet").write_bytes((site / "site.parquet").read_bytes())
    (tmp_path / "events.csv").write_text(HEADER + "P1,yesterday,stress,,,,\n")
    words = ["twin", "try", "P1", str(site / "ride.yaml"), "--site", str(tmp_path)]
    assert main(words) == ExitCode.BAD_DATA
    assert "yesterday" in capsys.readouterr().err


def test_a_kind_that_the_file_has_is_not_read_from_the_record_too(site: Path) -> None:
    trace, _ = lived()
    steps = trace["bolus_u"] * 0.0 + 700.0
    walked = replace(trace, columns={**trace.columns, "steps": steps})
    assert len(events_of(walked, site / "nothing.csv")) == 1
    assert len(events_of(walked, site / "events.csv")) == 4


def test_too_few_events_cost_no_time(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace, events = lived()
    monkeypatch.setattr("client.own_effects.learn", None)
    twin = KnownTwin(trace, calibrate([trace])[0], Judgement(None, "good", ()))
    assert own_effects(twin, events[:2]) is NOT_LEARNED
    assert own_effects(twin, events, Life(stress_minutes=(600,))) is NOT_LEARNED


def test_each_part_of_a_life_has_its_effects() -> None:
    rich = Eaten(MealMake(600, 50.0, 20.0, 30.0))
    assert PROTEIN in effects_of(Life(meals=(rich,)))
    assert effects_of(Life(meals=(Eaten(MealMake(600, 50.0)),))) == ()
    assert MOVEMENT_SENSITIVITY in effects_of(Life(exercise=(Bout(0, 30, Kind.AEROBIC, 55.0),)))
    stretch = Stretch(0, 1440)
    assert effects_of(
        Life(stress_minutes=(1,), illness=(Illness(stretch, 38.0),), luteal=(stretch,))
    ) == (MENTAL_STRESS, FEVER, LUTEAL_PHASE)
