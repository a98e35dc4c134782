"""Lessons for a clinic's own twins: learned from pairs, left-out errors truly left out."""

import numpy as np
import pytest

from models.effect import EffectError
from simulations.effects_people import CHANGES
from simulations.site_lessons import Pair, pairs_of, site_lessons


def cases(people: int, factor: float, spread: float, seed: int = 3) -> list[list[Pair]]:
    """True effects that are `factor` of the twin's, in one direction for each change."""
    rng = np.random.default_rng(seed)
    return [
        [
            (change.sign * size, change.sign * size * factor * float(np.exp(rng.normal(0, spread))))
            for change, size in zip(CHANGES, rng.uniform(5.0, 40.0, len(CHANGES)), strict=True)
        ]
        for _ in range(people)
    ]


def test_a_twin_that_says_half_is_doubled() -> None:
    lessons = site_lessons(cases(40, factor=2.0, spread=0.01))
    assert lessons.teachers == 40
    assert set(lessons.calibrations) == {change.label for change in CHANGES}
    for change in CHANGES:
        told = lessons.calibrations[change.label].predict(np.array([change.sign * 15.0]), 1)
        assert told.change_mg_dl == pytest.approx(30.0, rel=0.05)
        assert lessons.left_out_mg_dl[change.label] < 2.0


def test_more_scatter_is_a_wider_interval_and_a_larger_error() -> None:
    calm, wild = (site_lessons(cases(40, 1.0, spread)) for spread in (0.05, 0.5))
    for change in calm.calibrations:
        assert calm.calibrations[change].width < wild.calibrations[change].width
        assert calm.left_out_mg_dl[change] < wild.left_out_mg_dl[change]


def test_the_error_is_of_people_left_out() -> None:
    """Planted: six people fitted to themselves look better than six who were left out."""
    lessons = site_lessons(cases(6, 1.0, 0.6, seed=1))
    fitted, left_out = [], []
    for place, change in enumerate(CHANGES):
        pairs = [one[place] for one in cases(6, 1.0, 0.6, seed=1)]
        calibration = lessons.calibrations[change.label]
        told = [calibration.predict(np.array([twin]), change.sign) for twin, _ in pairs]
        errors = [abs(t.change_mg_dl - p[1]) for t, p in zip(told, pairs, strict=True)]
        fitted.append(np.median(errors))
        left_out.append(lessons.left_out_mg_dl[change.label])
    assert np.mean(left_out) > np.mean(fitted)


def test_too_few_teach_nothing() -> None:
    with pytest.raises(EffectError, match="Simulate more patients"):
        site_lessons(cases(3, 1.0, 0.1))


@pytest.mark.slow
def test_a_drawn_adult_gives_a_pair_of_the_right_sign_for_every_change() -> None:
    for (twin, true), change in zip(pairs_of("B", 3), CHANGES, strict=True):
        assert np.sign(twin) == np.sign(true) == change.sign
