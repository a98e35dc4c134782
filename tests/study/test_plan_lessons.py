"""Lessons about plans as a file: what is written is read, and nothing else is taken for it."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.effect import EffectCalibration
from models.size_doubt import KINDS
from study.failure import ExitCode, Failure
from study.plan_lessons import PlanLessons, read_plan_lessons, write_plan_lessons


@pytest.fixture
def lessons() -> PlanLessons:
    rng = np.random.default_rng(1)
    said = rng.uniform(3.0, 30.0, (30, 2))
    fitted = EffectCalibration.fit(said, said[:, 0] * np.exp(rng.normal(0.1, 0.2, 30)))
    return PlanLessons(30, dict.fromkeys(KINDS, fitted))


def test_what_is_written_is_read_to_the_last_bit(lessons: PlanLessons, tmp_path: Path) -> None:
    write_plan_lessons(lessons, tmp_path / "lessons.json")
    back = read_plan_lessons(tmp_path / "lessons.json")
    features = np.array([12.0, 20.0])
    assert back.teachers == 30
    for kind in KINDS:
        one, other = lessons.calibrations[kind], back.calibrations[kind]
        assert one.predict(features, -1) == other.predict(features, -1)


def test_the_shipped_lessons_doubt_the_restless_more() -> None:
    """Twins of those whose days differ say too little, and are less sure."""
    shipped = read_plan_lessons()
    assert shipped.teachers >= 48
    for one in shipped.calibrations.values():
        calm, restless = (one.predict(np.array([10.0, left]), 1) for left in (15.0, 28.0))
        assert 6.0 < calm.change_mg_dl < restless.change_mg_dl < 20.0
        spans = [said.high_mg_dl / said.low_mg_dl for said in (calm, restless)]
        assert 1.1 < spans[0] < spans[1] < 5.0


@pytest.mark.parametrize(
    "damage",
    [
        {"parameters": ["Gb"]},
        {"kinds": {}},
        {"kinds": {kind: {"offset": 0.0} for kind in KINDS}},
        {"teachers": None},
    ],
)
def test_others_are_refused(
    lessons: PlanLessons, tmp_path: Path, damage: dict[str, object]
) -> None:
    path = tmp_path / "lessons.json"
    write_plan_lessons(lessons, path)
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(Failure) as refused:
        read_plan_lessons(path)
    assert refused.value.code == ExitCode.MISSING_INPUT and "No plan" in str(refused.value)


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure):
        read_plan_lessons(tmp_path / "none.json")
