"""Lessons about effects as a file: what is written is read, and nothing else is taken for it."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.effect import EffectCalibration
from study.effect_lessons import EffectLessons, read_lessons, write_lessons
from study.failure import ExitCode, Failure


@pytest.fixture
def lessons() -> EffectLessons:
    rng = np.random.default_rng(1)
    twin = rng.uniform(5.0, 40.0, 30)
    true = twin * np.exp(rng.normal(0.1, 0.2, 30))
    return EffectLessons(
        30, {"basal-20%": EffectCalibration.fit(twin[:, None], true)}, {"basal-20%": 2.5}
    )


def test_what_is_written_is_read_to_the_last_bit(lessons: EffectLessons, tmp_path: Path) -> None:
    write_lessons(lessons, tmp_path / "lessons.json")
    back = read_lessons(tmp_path / "lessons.json")
    one, other = lessons.calibrations["basal-20%"], back.calibrations["basal-20%"]
    assert back.teachers == 30 and back.left_out_mg_dl == {"basal-20%": 2.5}
    feature = np.array([12.0])
    assert one.predict(feature, -1) == other.predict(feature, -1)


def test_the_shipped_lessons_are_read_and_plausible() -> None:
    """Shrunk or stretched by less than a half, and surer than a factor of two."""
    shipped = read_lessons()
    assert shipped.teachers >= 48
    for change in ("basal-20%", "basal+20%", "bolus-20%", "bolus+20%"):
        told = shipped.calibrations[change].predict(np.array([20.0]), 1)
        assert 10.0 < told.change_mg_dl < 30.0
        assert told.low_mg_dl < told.change_mg_dl < told.high_mg_dl < 2.0 * told.change_mg_dl
        assert 0.5 < shipped.left_out_mg_dl[change] < 10.0


def damaged(lessons: EffectLessons, path: Path, **change: object) -> Path:
    write_lessons(lessons, path)
    plain = json.loads(path.read_text())
    if "parameters" in change:
        plain |= change
    else:
        plain["changes"]["basal-20%"] |= change
    path.write_text(json.dumps(plain))
    return path


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": ["Gb"]},
        {"slopes": [1.0, 2.0]},
        {"width": None},
        {"offset": float("nan")},
        {"centres": "3"},
        {"left_out_mg_dl": "much"},
    ],
)
def test_lessons_of_something_else_are_refused(
    change: dict[str, object], lessons: EffectLessons, tmp_path: Path
) -> None:
    """Planted: two slopes, as the study of effects has them; NaN, which any interval would hold."""
    with pytest.raises(Failure, match="lessons about effects that cannot be used") as raised:
        read_lessons(damaged(lessons, tmp_path / "lessons.json", **change))
    assert raised.value.code is ExitCode.MISSING_INPUT


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", "\x00"])
def test_what_is_no_such_file_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "lessons.json"
    path.write_text(content)
    with pytest.raises(Failure):
        read_lessons(path)
    with pytest.raises(Failure, match="No effect of a treatment was judged"):
        read_lessons(tmp_path / "absent.json")
