import numpy as np
import pytest

from models.effect import EffectError
from models.size_doubt import KINDS
from simulations.plan_teachers import Taught, plan_lessons, taught_by

pytestmark = pytest.mark.slow


def people(count: int) -> list[Taught]:
    """Truths half as large again as what the twin says, whatever it leaves."""
    rng = np.random.default_rng(2)
    sizes = rng.uniform(3.0, 20.0, count)
    return [
        Taught(dict.fromkeys(KINDS, said), dict.fromkeys(KINDS, 1.5 * said), left)
        for said, left in zip(sizes, rng.uniform(15.0, 30.0, count), strict=True)
    ]


def test_twins_that_say_too_little_are_corrected() -> None:
    lessons = plan_lessons(people(20))
    assert lessons.teachers == 20 and set(lessons.calibrations) == set(KINDS)
    for one in lessons.calibrations.values():
        said = one.predict(np.array([10.0, 20.0]), 1)
        assert said.change_mg_dl == pytest.approx(15.0, rel=0.02)


def test_too_few_teach_nothing() -> None:
    with pytest.raises(EffectError):
        plan_lessons(people(4))


def test_a_person_s_sizes_are_those_of_twin_and_truth() -> None:
    one = taught_by(("A", 0.15, 1))
    for kind in KINDS:
        assert one.said[kind] == pytest.approx(one.true[kind], rel=0.5)
    assert 10.0 < one.unrest_mg_dl < 40.0
