"""The reference itself: what it answers, and what it says when it is not installed."""

import sys

import numpy as np
import pytest

from simulations.padova_parameters import public_patients
from simulations.padova_reference import reference_glucose
from study.failure import ExitCode, Failure


def test_simglucose_rests_at_the_fasting_glucose_of_its_file() -> None:
    patient = public_patients()[3]
    basal = np.full(30, patient.basal_u_per_h / 60.0)
    glucose = reference_glucose(patient.name, np.zeros(30), basal)
    assert glucose == pytest.approx(patient.fasting_glucose_mg_dl, abs=1e-4)


def test_without_simglucose_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "simglucose.patient", None)
    with pytest.raises(Failure, match="extra `reference`") as refusal:
        reference_glucose("adult#001", np.zeros(1), np.zeros(1))
    assert refusal.value.code is ExitCode.MISSING_INPUT
