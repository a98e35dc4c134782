"""Virtual patients of our own minimal model: possible lives, from the stated population."""

from collections.abc import Callable

import numpy as np
import pytest

from models.heads import BOOK_PRIOR, NAMES, THETA_HIGH, THETA_LOW, Head, prior_head
from models.trace import STEPS_PER_DAY
from simulations import minimal_world
from simulations.minimal_world import (
    COUNTING_SD,
    LOWEST_MG_DL,
    MEAN_RANGE_MG_DL,
    MinimalPatient,
    carb_ratio_g_per_u,
    draw_patients,
)

DAYS = 4


def drawn(count: int = 8, seed: int = 0, **more: np.ndarray) -> list[MinimalPatient]:
    return draw_patients(count, DAYS, np.random.default_rng(seed), **more)


@pytest.fixture(scope="module")
def patients() -> list[MinimalPatient]:
    return drawn(12)


def test_as_many_as_asked_for_and_as_long(patients: list[MinimalPatient]) -> None:
    assert len(patients) == 12
    assert len({one.trace.patient for one in patients}) == 12
    assert {len(one.trace) for one in patients} == {DAYS * STEPS_PER_DAY}


def test_a_seed_decides_everything() -> None:
    once, again, other = drawn(3, 4), drawn(3, 4), drawn(3, 5)
    for one, two in zip(once, again, strict=True):
        np.testing.assert_array_equal(one.head.theta, two.head.theta)
        for name, column in one.trace.columns.items():
            np.testing.assert_array_equal(column, two.trace[name])
    assert not np.array_equal(once[0].head.theta, other[0].head.theta)


def test_impossible_lives_are_thrown_away(patients: list[MinimalPatient]) -> None:
    for one in patients:
        glucose = one.trace["glucose_mg_dl"]
        assert glucose.min() > LOWEST_MG_DL
        assert MEAN_RANGE_MG_DL[0] <= glucose.mean() <= MEAN_RANGE_MG_DL[1]


def test_without_that_sieve_impossible_lives_would_come(monkeypatch: pytest.MonkeyPatch) -> None:
    everybody: Callable[[float, tuple[float, float]], bool] = lambda value, limits: True  # noqa: E731
    monkeypatch.setattr(minimal_world, "_within", everybody)
    monkeypatch.setattr(minimal_world, "LOWEST_MG_DL", -1e9)
    means = [one.trace["glucose_mg_dl"].mean() for one in drawn(30, 1)]
    assert min(means) < MEAN_RANGE_MG_DL[0] or max(means) > MEAN_RANGE_MG_DL[1]


def test_heads_come_from_the_book(patients: list[MinimalPatient]) -> None:
    for one in patients:
        z = (one.head.theta - BOOK_PRIOR.mean) / BOOK_PRIOR.sd
        assert np.abs(z).max() <= 2.5 + 1e-9
        assert (one.head.theta >= THETA_LOW).all() and (one.head.theta <= THETA_HIGH).all()


def test_a_population_can_lie_elsewhere() -> None:
    centre = np.zeros(len(NAMES))
    centre[NAMES.index("kempt")] = 1.5
    there = np.mean([one.head.values["kempt"] for one in drawn(12, 2, centre=centre)])
    here = np.mean([one.head.values["kempt"] for one in drawn(12, 2)])
    assert there > 1.5 * here


def test_every_reading_is_a_reading_and_doses_are_known(patients: list[MinimalPatient]) -> None:
    for one in patients:
        for name in ("glucose_mg_dl", "basal_u_per_h", "bolus_u", "carbs_g"):
            assert np.isfinite(one.trace[name]).all() and (one.trace[name] >= 0.0).all()


def test_people_eat_and_mostly_dose(patients: list[MinimalPatient]) -> None:
    carbs = np.mean([one.trace["carbs_g"].sum() / DAYS for one in patients])
    meals = sum((one.trace["carbs_g"] > 0).sum() for one in patients)
    boluses = sum((one.trace["bolus_u"] > 0).sum() for one in patients)
    assert 120.0 < carbs < 320.0
    assert 0.8 * meals < boluses <= meals, "one in seventeen is forgotten"


def test_what_is_seen_is_counted_and_not_eaten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted carbs differ from those that made the glucose by about the counting error."""
    monkeypatch.setattr(minimal_world, "COUNTING_SD", 0.0)
    exact = drawn(1, 7)[0].trace["carbs_g"]
    monkeypatch.undo()
    counted = drawn(1, 7)[0].trace["carbs_g"]
    assert COUNTING_SD == 0.2
    assert not np.allclose(exact[exact > 0][:5], counted[counted > 0][:5])


def test_a_more_sensitive_patient_covers_more_with_a_unit() -> None:
    plain = prior_head()
    theta = plain.theta.copy()
    theta[NAMES.index("SI")] += 0.5
    sensitive = Head(theta, plain.latent, plain.residual_phi, plain.residual_sd_mg_dl)
    assert carb_ratio_g_per_u(sensitive) > 1.2 * carb_ratio_g_per_u(plain)
    assert 2.0 <= carb_ratio_g_per_u(plain) <= 60.0
