"""What is learned of effects: from the right people, kept to the last bit, refused when foreign."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import descent
from models.effect import EffectCalibration
from models.heads import BOOK_PRIOR, NAMES
from simulations import effects_learning
from simulations.effects_learning import (
    EFFECT_SEED,
    PRIOR_SEED,
    TEACHERS,
    Learned,
    Lesson,
    head_of,
    learn,
    read_learned,
    write_learned,
)
from simulations.effects_people import drawn_subject
from simulations.effects_twin import QUESTIONS, TRAINING_ROWS, Window
from study.failure import ExitCode, Failure
from tests.simulations.effect_cases import someone

pytestmark = pytest.mark.slow

PEOPLE = 8


@pytest.fixture(scope="module")
def learned() -> Learned:
    """Eight people to each lesson, with short descents: what is learned is rough but real."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(effects_learning, "ROUNDS", 1)
        for name in ("MAX_ITERATIONS", "SCREEN_ITERATIONS", "SCATTERED", "SCREENED"):
            patch.setattr(descent, name, 1)
        said: list[str] = []
        result = learn(PEOPLE, None, said.append)
    assert len(said) == 6 * PEOPLE
    return result


def test_there_is_a_prior_for_each_world_and_a_lesson_for_each_question(learned: Learned) -> None:
    assert set(learned.priors) == {"A", "B"}
    assert set(learned.lessons) == set(TEACHERS)
    assert all(set(lessons) == set(QUESTIONS) for lessons in learned.lessons.values())
    assert learned.people == PEOPLE
    easy, hard = (learned.priors[world].mean for world in ("A", "B"))
    assert not np.allclose(easy, hard)


def test_the_twins_lesson_has_three_features_and_the_thumbs_one(learned: Learned) -> None:
    for lesson in learned.lessons["both"].values():
        assert lesson.twin.slopes.shape == (3,)
        assert lesson.thumb.slopes.shape == (1,)
        assert lesson.twin.width > 0.0


def test_what_is_written_is_read_back_to_the_last_bit(learned: Learned, tmp_path: Path) -> None:
    path = tmp_path / "learned.json"
    write_learned(learned, path)
    again = read_learned(path)
    assert again.people == learned.people
    for world, prior in learned.priors.items():
        np.testing.assert_array_equal(again.priors[world].covariance, prior.covariance)
    for question, lesson in learned.lessons["B"].items():
        read = again.lessons["B"][question]
        np.testing.assert_array_equal(read.twin.slopes, lesson.twin.slopes)
        np.testing.assert_array_equal(read.twin.widening, lesson.twin.widening)
        assert read.thumb.width == lesson.thumb.width


def test_what_is_shipped_can_be_read_and_comes_of_many_people() -> None:
    shipped = read_learned()
    assert shipped.people >= 20
    for prior in shipped.priors.values():
        assert np.linalg.eigvalsh(prior.covariance).min() > 0.0
    for (window, _), lesson in shipped.lessons["B"].items():
        assert 0.05 < lesson.twin.width < 1.5, window


def test_the_shipped_lessons_of_both_worlds_tell_one_from_the_other() -> None:
    """The same answers mean more in a world that leaves larger residuals, as B does."""
    for question, lesson in read_learned().lessons["both"].items():
        calm, restless = (
            lesson.twin.predict(np.array([25.0, 80.0, unrest]), 1) for unrest in (15.0, 45.0)
        )
        assert restless.change_mg_dl > 1.1 * calm.change_mg_dl, question


def test_teachers_of_the_prior_and_of_the_lessons_are_different_people() -> None:
    one, other = (drawn_subject("adult", 0, "B", seed) for seed in (PRIOR_SEED, EFFECT_SEED))
    assert not np.array_equal(one.patient.constants, other.patient.constants)


def test_a_twin_is_made_from_the_training_days_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAX_ITERATIONS", "SCREEN_ITERATIONS", "SCATTERED", "SCREENED"):
        monkeypatch.setattr(descent, name, 1)
    who = someone()
    sensor = who.life.sensor_mg_dl.copy()
    sensor[TRAINING_ROWS:] = 400.0
    planted = replace(who, life=who.life._replace(sensor_mg_dl=sensor))
    one, other = head_of(who, BOOK_PRIOR), head_of(planted, BOOK_PRIOR)
    np.testing.assert_array_equal(one.head.theta, other.head.theta)
    assert one.readings <= TRAINING_ROWS


@pytest.mark.parametrize("text", ["", "{", json.dumps({"parameters": [*NAMES, "more"]})])
def test_a_file_of_another_twin_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "learned.json"
    path.write_text(text)
    with pytest.raises(Failure, match="No effect was estimated") as refused:
        read_learned(path)
    assert refused.value.code is ExitCode.MISSING_INPUT
    assert "--learn" in refused.value.remedy


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="no file"):
        read_learned(tmp_path / "nowhere.json")


def test_lessons_are_equal_only_when_their_numbers_are() -> None:
    features = np.exp(np.random.default_rng(0).normal(3.0, 0.5, (20, 2)))
    lesson = Lesson(
        EffectCalibration.fit(features, features[:, 0]),
        EffectCalibration.fit(features[:, 1:], features[:, 0]),
    )
    twin = lesson.twin.predict(features[0], 1).change_mg_dl
    assert twin == pytest.approx(features[0, 0], rel=0.02)
    assert (Window.COMING, QUESTIONS[-1][1]) == QUESTIONS[-1]
