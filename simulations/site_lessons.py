"""What a clinic's own twins get wrong about treatments: makes study/artefacts/effect_lessons.json.

As `simulations/effects_learning.py`, but of the twin that `insula twin` makes: the book's prior and
nothing on file, so the twin's answer is the only feature. Teachers come from both worlds in equal
numbers, since nobody knows which of them a real patient resembles. `python -m
simulations.site_lessons 24` takes a few minutes.
"""

import sys
from collections.abc import Sequence
from functools import partial

import numpy as np

from models.calibration import calibrate
from models.effect import EffectCalibration
from models.heads import BOOK_PRIOR
from models.trace import FloatArray
from simulations.effects_learning import EFFECT_SEED, GROUP
from simulations.effects_people import CHANGES, Change, drawn_subject
from simulations.effects_twin import TRAINING_ROWS, Case, Window, case
from simulations.padova_world import WORLDS, World
from simulations.parallel import crew, spread
from study.effect_lessons import SHIPPED, EffectLessons, write_lessons

Pair = tuple[float, float]
"""Change of mean glucose on the coming days, mg/dL: the twin's and the true one."""


def site_lessons(cases: Sequence[Sequence[Pair]]) -> EffectLessons:
    """Lessons from cases, each with one pair for every change of CHANGES, in that order."""
    by_change = {
        change.label: np.array([one[place] for one in cases])
        for place, change in enumerate(CHANGES)
    }
    return EffectLessons(
        len(cases),
        {change: _fit(pairs) for change, pairs in by_change.items()},
        {change: _left_out(pairs) for change, pairs in by_change.items()},
    )


def pairs_of(world: World, number: int) -> list[Pair]:
    """One drawn adult's pairs: the world run twice, and this clinic's twin asked."""
    subject = drawn_subject(GROUP, number, world, EFFECT_SEED)
    training = subject.trace().rows(0, TRAINING_ROWS)
    one = case(subject, calibrate([training], BOOK_PRIOR)[0])
    return [_pair(one, change) for change in CHANGES]


def _pair(one: Case, change: Change) -> Pair:
    question = (Window.COMING, change)
    return float(one.features_mg_dl(question)[0]), one.truth[question].mean_mg_dl


def _fit(pairs: FloatArray) -> EffectCalibration:
    return EffectCalibration.fit(pairs[:, :1], pairs[:, 1])


def _left_out(pairs: FloatArray) -> float:
    """Median absolute error, mg/dL, of each pair estimated from the others."""
    errors = []
    for place, (twin, true) in enumerate(pairs):
        estimate = _fit(np.delete(pairs, place, axis=0)).predict(
            np.array([twin]), 1 if twin > 0.0 else -1
        )
        errors.append(abs(estimate.change_mg_dl - true))
    return float(np.median(errors))


def main(people: int) -> None:
    """Writes the shipped file from so many adults of each world."""
    cases: list[list[Pair]] = []
    with crew(1) as pool:
        for world in WORLDS:
            cases += spread(partial(pairs_of, world), range(people), pool, partial(print, world))
    write_lessons(site_lessons(cases), SHIPPED)


if __name__ == "__main__":
    main(int(sys.argv[1]))
