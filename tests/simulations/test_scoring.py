"""Errors of forecasts, by hand: people count the same, and silence is no way to a good score."""

import numpy as np
import pytest

from models.trace import FloatArray, IntArray
from simulations.scoring import PatientScores, score
from study.failure import Failure

TARGET = np.array([[100.0], [100.0], [200.0], [50.0]])
PREDICTION = np.array([[103.0], [96.0], [200.0], [60.0]])
PATIENT = np.array([8, 8, 8, 3], dtype=np.int64)


def test_errors_of_each_patient_by_hand() -> None:
    scores = score(PREDICTION, TARGET, PATIENT)
    assert scores.patients.tolist() == [3, 8]
    assert scores.rmse_mg_dl[:, 0] == pytest.approx([10.0, np.sqrt(25.0 / 3.0)])
    assert scores.mard_pct[:, 0] == pytest.approx([20.0, 7.0 / 3.0])


def test_the_mean_is_over_people_not_over_readings() -> None:
    rmse, mard, people = score(PREDICTION, TARGET, PATIENT).mean_over_patients()
    assert rmse[0] == pytest.approx((10.0 + np.sqrt(25.0 / 3.0)) / 2)
    assert mard[0] == pytest.approx((20.0 + 7.0 / 3.0) / 2)
    assert people.tolist() == [2]
    planted_mean_over_readings = np.sqrt(np.mean((PREDICTION - TARGET) ** 2))
    assert rmse[0] != pytest.approx(planted_mean_over_readings, rel=0.05)


def test_moments_without_a_reading_are_left_out() -> None:
    target = TARGET.copy()
    target[0] = np.nan
    prediction = np.where(np.isnan(target), np.nan, PREDICTION)
    assert score(prediction, target, PATIENT).rmse_mg_dl[1, 0] == pytest.approx(np.sqrt(8.0))


def test_a_patient_without_readings_does_not_enter_the_mean() -> None:
    target = TARGET.copy()
    target[3] = np.nan
    scores = score(PREDICTION, target, PATIENT)
    rmse, _, people = scores.mean_over_patients()
    assert np.isnan(scores.rmse_mg_dl[0, 0])
    assert (rmse[0], people[0]) == (pytest.approx(np.sqrt(25.0 / 3.0)), 1)


def test_nobody_to_score_is_not_a_number_rather_than_zero() -> None:
    scores = PatientScores(np.array([1], dtype=np.int64), np.full((1, 1), np.nan), np.zeros((1, 1)))
    rmse, _, people = scores.mean_over_patients()
    assert np.isnan(rmse[0]) and people[0] == 0


def test_a_model_cannot_skip_a_hard_moment() -> None:
    prediction = PREDICTION.copy()
    prediction[3] = np.nan
    with pytest.raises(Failure, match="1 readings without a forecast"):
        score(prediction, TARGET, PATIENT)


def made_up(seed: int = 5) -> tuple[FloatArray, FloatArray, IntArray]:
    """Forecasts, readings with gaps, and patients of 200 windows at two horizons."""
    rng = np.random.default_rng(seed)
    target = rng.normal(150.0, 30.0, (200, 2)).clip(50.0)
    prediction = target + rng.normal(0.0, 10.0, target.shape)
    target[rng.random(target.shape) < 0.2] = np.nan
    prediction = np.where(np.isnan(target), 0.0, np.nan_to_num(prediction))
    return prediction, target, rng.integers(0, 7, 200)


def test_the_order_of_windows_does_not_matter() -> None:
    prediction, target, patient = made_up()
    shuffled = np.random.default_rng(6).permutation(len(patient))
    straight = score(prediction, target, patient)
    mixed = score(prediction[shuffled], target[shuffled], patient[shuffled])
    assert np.allclose(straight.rmse_mg_dl, mixed.rmse_mg_dl)
    assert np.allclose(straight.mard_pct, mixed.mard_pct)


def test_each_patient_is_scored_as_if_alone() -> None:
    prediction, target, patient = made_up()
    together = score(prediction, target, patient)
    for row, person in enumerate(together.patients):
        own = patient == person
        alone = score(prediction[own], target[own], patient[own])
        assert np.allclose(alone.rmse_mg_dl[0], together.rmse_mg_dl[row])


def test_rmse_doubles_with_the_error_and_mard_is_free_of_units() -> None:
    prediction, target, patient = made_up()
    once = score(prediction, target, patient)
    twice = score(target + 2.0 * (prediction - target), target, patient)
    assert np.allclose(twice.rmse_mg_dl, 2.0 * once.rmse_mg_dl)
    in_mmol_l = score(prediction / 18.0, target / 18.0, patient)
    assert np.allclose(in_mmol_l.mard_pct, once.mard_pct)
