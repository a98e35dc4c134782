"""The rivals of the twin: what they predict by hand, and what they must never be given."""

import numpy as np
import pytest

from simulations.baselines import (
    BaselineData,
    OwnMean,
    Persistence,
    Standardised,
    fit_baselines,
    fit_boosting,
    fit_mean,
    fit_ridge,
    patient_balanced,
)
from simulations.scoring import score
from study.failure import ExitCode, Failure

pytestmark = pytest.mark.slow

SEED = 7


def windows(count: int = 900, seed: int = 1, doses_known: bool = True) -> BaselineData:
    """Three patients whose change depends on the last slope, on insulin and on chance."""
    rng = np.random.default_rng(seed)
    glucose = rng.normal(150.0, 40.0, count)
    slope = rng.normal(0.0, 5.0, count)
    bolus = rng.exponential(2.0, count)
    change = np.column_stack([3.0 * slope - 4.0 * bolus, 5.0 * slope - 9.0 * bolus])
    target = glucose[:, None] + change + rng.normal(0.0, 2.0, change.shape)
    doses = bolus[:, None] if doses_known else np.full((count, 1), np.nan)
    return BaselineData(
        features=np.column_stack([glucose, slope]),
        doses=doses,
        glucose_now=glucose,
        target=target,
        patient=np.arange(count, dtype=np.int64) % 3,
    )


def with_parts(data: BaselineData, **parts: object) -> BaselineData:
    return BaselineData(**{**vars(data), **parts})


def rmse(data: BaselineData, prediction: np.ndarray) -> np.ndarray:
    return score(prediction, data.target, data.patient).mean_over_patients()[0]


def test_persistence_repeats_the_glucose_of_now() -> None:
    data = windows(4)
    assert np.array_equal(Persistence().predict(data)[:, 1], data.glucose_now)
    assert Persistence().predict(data).shape == (4, 2)


def test_the_mean_is_each_patients_own() -> None:
    data = windows(6)
    predicted = fit_mean(data, SEED).predict(data)
    own = data.glucose_now[data.patient == 1].mean()
    assert np.allclose(predicted[data.patient == 1], own)


def test_the_mean_of_a_new_patient_is_the_mean_of_means_not_of_readings() -> None:
    data = windows(3)
    model = OwnMean({0: 100.0, 1: 200.0})
    assert np.allclose(model.predict(data)[2], 150.0)


def test_the_fitted_rivals_find_what_there_is_to_find() -> None:
    train, test = windows(seed=1), windows(seed=2)
    errors = {
        name: rmse(test, model.predict(test)) for name, model in fit_baselines(train, 7).items()
    }
    assert set(errors) == {"persistence", "mean", "ridge", "boosting"}
    assert (errors["ridge"] < 2.5).all()
    assert (errors["boosting"] < 0.5 * errors["persistence"]).all()
    assert (errors["persistence"] < errors["mean"]).all()


def test_doses_help_where_they_are_known() -> None:
    known = windows(seed=1), windows(seed=2)
    unknown = windows(seed=1, doses_known=False), windows(seed=2, doses_known=False)
    for fit in (fit_ridge, fit_boosting):
        with_doses = rmse(known[1], fit(known[0], SEED).predict(known[1]))
        without = rmse(unknown[1], fit(unknown[0], SEED).predict(unknown[1]))
        assert (with_doses < without).all()


def test_a_clinic_without_insulin_data_trains_and_forecasts_beside_one_that_has_it() -> None:
    train = windows()
    doses = train.doses.copy()
    doses[train.patient == 0] = np.nan
    mixed = with_parts(train, doses=doses)
    for model in fit_baselines(mixed, SEED).values():
        assert np.isfinite(model.predict(mixed)).all()


def test_a_study_without_any_insulin_data_can_be_boosted() -> None:
    """scikit-learn 1.9 raises on a column that is NaN throughout."""
    train = windows(doses_known=False)
    model = fit_boosting(train, SEED)
    assert model.ever_known.tolist() == [0, 1]
    assert np.isfinite(model.predict(windows(seed=2))).all()


def test_ridge_tells_unknown_from_zero() -> None:
    scaling = Standardised.of(np.array([[0.0], [2.0], [np.nan]]))
    assert np.allclose(scaling(np.array([[0.0], [np.nan], [2.0]])), [[-1, 0], [0, 1], [1, 0]])


def test_a_constant_column_does_no_harm() -> None:
    assert np.isfinite(Standardised.of(np.ones((5, 2)))(np.ones((5, 2)))).all()


def test_equal_seeds_give_equal_forecasts() -> None:
    data = windows()
    first, second = (fit_boosting(data, SEED).predict(data) for _ in range(2))
    assert np.array_equal(first, second)


def test_every_patient_weighs_the_same() -> None:
    weights = patient_balanced(np.array([4, 4, 4, 9], dtype=np.int64))
    assert np.allclose(weights, [2 / 3, 2 / 3, 2 / 3, 2.0])
    assert weights.mean() == pytest.approx(1.0)


def test_a_patient_with_many_windows_does_not_drown_one_with_few() -> None:
    """Two people disagree on the change: balanced, the fit of a constant lands half-way."""
    patient = np.array([0] * 90 + [1] * 10, dtype=np.int64)
    now = np.full(100, 120.0)
    target = (now + np.where(patient == 0, 0.0, 20.0))[:, None]
    data = BaselineData(np.ones((100, 1)), np.zeros((100, 1)), now, target, patient)
    assert fit_ridge(data, SEED).predict(data)[0, 0] == pytest.approx(130.0)
    planted_unbalanced = 120.0 + np.mean(target[:, 0] - now)
    assert planted_unbalanced == pytest.approx(122.0)


def test_readings_that_are_not_there_are_not_learned_from() -> None:
    data = windows()
    target = data.target.copy()
    target[::2, 0] = np.nan
    partly = with_parts(data, target=target)
    assert np.isfinite(fit_ridge(partly, SEED).predict(partly)).all()


def test_a_horizon_without_readings_is_refused() -> None:
    data = windows()
    target = data.target.copy()
    target[:, 1] = np.nan
    with pytest.raises(Failure, match="a horizon without a single reading") as raised:
        fit_boosting(with_parts(data, target=target), SEED)
    assert raised.value.code is ExitCode.BAD_DATA


def test_windows_of_unequal_number_are_refused() -> None:
    with pytest.raises(Failure, match="of one W"):
        with_parts(windows(6), patient=np.zeros(5, dtype=np.int64))


def test_windows_that_start_without_a_reading_are_refused() -> None:
    with pytest.raises(Failure, match="without a reading at the moment of forecast"):
        with_parts(windows(2), glucose_now=np.array([100.0, np.nan]))


def test_only_the_change_from_now_is_learned() -> None:
    """Everybody 30 mg/dL higher, level hidden from the inputs: forecasts are 30 mg/dL higher."""
    low = windows()
    low = with_parts(low, features=low.features[:, 1:])
    high = with_parts(low, glucose_now=low.glucose_now + 30.0, target=low.target + 30.0)
    for fit in (fit_ridge, fit_boosting):
        assert np.allclose(fit(high, SEED).predict(high), fit(low, SEED).predict(low) + 30.0)


def test_a_forecast_does_not_depend_on_the_other_windows_asked_for() -> None:
    train, test = windows(seed=1), windows(60, seed=2)
    first = with_parts(test, **{name: part[:5] for name, part in vars(test).items()})
    for model in fit_baselines(train, SEED).values():
        assert np.allclose(model.predict(first), model.predict(test)[:5])


def test_no_forecast_looks_at_its_target() -> None:
    """Planted by handing over targets that are all NaN: a forecast that used them would be NaN."""
    train, test = windows(seed=1), windows(60, seed=2)
    blind = with_parts(test, target=np.full_like(test.target, np.nan))
    for model in fit_baselines(train, SEED).values():
        assert np.array_equal(model.predict(blind), model.predict(test))
