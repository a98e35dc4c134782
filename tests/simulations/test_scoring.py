"""Errors of forecasts, by hand: people count the same, and silence is no way to a good score."""

import numpy as np
import pytest

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
