"""Virtual patients of our own minimal model: possible lives, from the stated population."""

from collections.abc import Callable

import numpy as np
import pytest

from models.heads import BOOK_PRIOR, NAMES, THETA_HIGH, THETA_LOW, Head, prior_head
from models.inputs import Inputs, physiology_inputs
from models.openloop import open_loop
from models.trace import STEPS_PER_DAY, Trace
from simulations import minimal_world
from simulations.minimal_world import (
    BASAL_U_PER_H,
    CHANCE_LATE,
    CHANCE_MISSED,
    COUNTING_SD,
    DAY_SENSITIVITY_SD,
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


def lived(days: int = DAYS) -> Trace:
    """The life of the book's own patient, possible or not."""
    return minimal_world._live("book", prior_head(), 0.9, days, np.random.default_rng(11)).trace


def quiet(monkeypatch: pytest.MonkeyPatch, *kept: str) -> None:
    """No counting error, no change between days, no disturbance; `kept` stay as they are."""
    none = {
        "COUNTING_SD": 0.0,
        "DAY_SENSITIVITY_SD": 0.0,
        "DISTURBANCE_SD_MG_DL_MIN": (0.0, 0.0),
    }
    for name in none.keys() - set(kept):
        monkeypatch.setattr(minimal_world, name, none[name])


def test_means_are_within_the_range_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minimal_world, "MEAN_RANGE_MG_DL", (130.0, 150.0))
    means = [one.trace["glucose_mg_dl"].mean() for one in drawn(6, 3)]
    assert min(means) >= 130.0 and max(means) <= 150.0


def test_a_range_that_is_ignored_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minimal_world, "_within", lambda value, limits: True)
    with pytest.raises(AssertionError):
        test_means_are_within_the_range_asked_for(monkeypatch)


def test_everybody_has_a_basal_rate_of_their_own(patients: list[MinimalPatient]) -> None:
    rates = [set(one.trace["basal_u_per_h"].tolist()) for one in patients]
    assert {len(each) for each in rates} == {1}
    together = set.union(*rates)
    assert len(together) == len(patients)
    assert min(together) >= BASAL_U_PER_H[0] and max(together) <= BASAL_U_PER_H[1]


def test_a_quiet_life_is_the_model_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any chance, glucose is what head, doses and carbs of the trace give."""
    quiet(monkeypatch)
    trace, head = lived(), prior_head()
    path = open_loop(head.theta, physiology_inputs(trace), head.values["Gb"])
    np.testing.assert_allclose(trace["glucose_mg_dl"], path.interstitial_mg_dl[0])


@pytest.mark.parametrize("column", ["carbs_g", "bolus_u"])
def test_meals_or_doses_that_do_nothing_would_be_noticed(
    monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    def without(trace: Trace) -> Inputs:
        if trace.patient == "probe":
            return physiology_inputs(trace)
        columns = {**trace.columns, column: 0.0 * trace[column]}
        return physiology_inputs(Trace(trace.patient, "UTC", 5, 0, columns))

    monkeypatch.setattr(minimal_world, "physiology_inputs", without)
    with pytest.raises(AssertionError):
        test_a_quiet_life_is_the_model_itself(monkeypatch)


@pytest.mark.parametrize("chance", ["DAY_SENSITIVITY_SD", "DISTURBANCE_SD_MG_DL_MIN"])
def test_days_and_disturbance_move_glucose(monkeypatch: pytest.MonkeyPatch, chance: str) -> None:
    quiet(monkeypatch)
    still = lived()["glucose_mg_dl"]
    monkeypatch.undo()
    quiet(monkeypatch, chance)
    moved = lived()["glucose_mg_dl"]
    assert np.abs(moved - still).mean() > 1.0


@pytest.mark.parametrize(
    ("chance", "maker"),
    [("DAY_SENSITIVITY_SD", "_day_sensitivity"), ("DISTURBANCE_SD_MG_DL_MIN", "_disturbance")],
)
def test_one_that_is_left_out_would_be_noticed(
    monkeypatch: pytest.MonkeyPatch, chance: str, maker: str
) -> None:
    rows = DAYS * STEPS_PER_DAY
    monkeypatch.setattr(minimal_world, maker, lambda length, random: np.zeros(rows))
    with pytest.MonkeyPatch.context() as inner, pytest.raises(AssertionError):
        test_days_and_disturbance_move_glucose(inner, chance)


def test_sensitivity_runs_straight_from_day_to_day() -> None:
    ln = minimal_world._day_sensitivity(400, np.random.default_rng(5))
    assert len(ln) == 400 * STEPS_PER_DAY
    assert ln[::STEPS_PER_DAY].std() == pytest.approx(DAY_SENSITIVITY_SD, rel=0.15)
    np.testing.assert_allclose(np.diff(ln[:STEPS_PER_DAY], 2), 0.0, atol=1e-12)
    assert ln[STEPS_PER_DAY // 2] == pytest.approx((ln[0] + ln[STEPS_PER_DAY]) / 2)


def test_disturbance_keeps_its_spread_and_remembers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minimal_world, "DISTURBANCE_SD_MG_DL_MIN", (0.7, 0.7))
    monkeypatch.setattr(minimal_world, "DISTURBANCE_MEMORY_MIN", (50.0, 50.0))
    noise = minimal_world._disturbance(200_000, np.random.default_rng(5))
    assert noise.std() == pytest.approx(0.7, rel=0.05)
    assert np.corrcoef(noise[1:], noise[:-1])[0, 1] == pytest.approx(np.exp(-0.1), abs=0.01)


def test_some_doses_are_forgotten_and_some_are_late() -> None:
    eaten, dosed = minimal_world._plan(600, 10.0, np.random.default_rng(6))
    meals, doses = np.count_nonzero(eaten), np.count_nonzero(dosed)
    assert 1 - doses / meals == pytest.approx(CHANCE_MISSED, abs=0.025)
    late = np.flatnonzero((dosed > 0) & (eaten == 0))
    assert len(late) / doses == pytest.approx(CHANCE_LATE, abs=0.035)
    assert all(eaten[max(row - 12, 0) : row - 2].any() for row in late), "15 to 60 minutes late"


@pytest.mark.parametrize("chance", ["CHANCE_MISSED", "CHANCE_LATE"])
def test_a_patient_who_never_errs_would_be_noticed(
    monkeypatch: pytest.MonkeyPatch, chance: str
) -> None:
    monkeypatch.setattr(minimal_world, chance, 0.0)
    with pytest.raises(AssertionError):
        test_some_doses_are_forgotten_and_some_are_late()


def test_a_dose_covers_its_meal_by_the_patients_own_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet(monkeypatch)
    for chance in ("CHANCE_MISSED", "CHANCE_LATE"):
        monkeypatch.setattr(minimal_world, chance, 0.0)
    trace = lived()
    ratio = carb_ratio_g_per_u(prior_head())
    np.testing.assert_allclose(trace["bolus_u"], trace["carbs_g"] / ratio, atol=0.0501)


def test_a_ratio_of_somebody_else_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    ratio = 1.5 * carb_ratio_g_per_u(prior_head())
    monkeypatch.setattr(minimal_world, "carb_ratio_g_per_u", lambda head: ratio)
    with pytest.raises(AssertionError):
        test_a_dose_covers_its_meal_by_the_patients_own_ratio(monkeypatch)
