"""Clinic knowledge: the factors a head implies, their misfit, and refusals."""

import numpy as np
import pytest

from models.calibration import CalibrationError, calibrate
from models.heads import BOOK_PRIOR, physical
from models.inputs import Background, physiology_inputs
from models.knowledge import (
    CORRECTION_SD,
    DAILY_DOSE_SD,
    HOURLY,
    ClinicKnowledge,
    KnowledgeError,
    dose_factors,
    mismatch,
)
from models.openloop import open_loop
from models.trace import FloatArray
from tests.models.virtual import columns, eventful, heads, read_by_sensor, trace_of

NO_BACKGROUND = Background(0.0, 0.0)


def course(theta: FloatArray, start: float, bolus_u: float, carbs_g: float) -> FloatArray:
    """Eight hours of a 70 kg patient through the same door as any record."""
    table = columns(1, basal_u_per_h=np.zeros(288))
    table["bolus_u"][0], table["carbs_g"][0] = bolus_u, carbs_g
    inputs = physiology_inputs(trace_of(table), NO_BACKGROUND)
    return open_loop(theta, inputs, start).interstitial_mg_dl[0, :96]


def test_the_correction_factor_is_the_deepest_fall_of_a_unit_from_200() -> None:
    theta = heads(1, seed=1)[0]
    theta[HOURLY] = 0.0
    fall = course(theta, 200.0, 0.0, 0.0) - course(theta, 200.0, 1.0, 0.0)
    assert dose_factors(theta[None], 70.0)[0, 0] == pytest.approx(fall.max(), rel=1e-9)
    assert fall.max() > 1.0


def test_the_ratio_is_the_grams_whose_area_a_unit_cancels() -> None:
    theta = heads(1, seed=2)[0]
    theta[HOURLY] = 0.0
    rest = physical(theta)[0]
    unit = (rest - course(theta, rest, 1.0, 0.0))[:72].sum()
    gram = (course(theta, rest, 0.0, 40.0) - rest)[:72].sum() / 40.0
    assert dose_factors(theta[None], 70.0)[0, 1] == pytest.approx(unit / gram, rel=1e-9)


def test_factors_do_not_depend_on_the_hour() -> None:
    theta = np.stack([BOOK_PRIOR.mean, BOOK_PRIOR.mean])
    theta[1, HOURLY] = np.linspace(-0.3, 0.4, 6)
    one, other = dose_factors(theta, 70.0)
    assert np.array_equal(one, other)


def test_a_heavier_patient_needs_more_per_gram_but_not_per_ratio() -> None:
    light, heavy = (dose_factors(BOOK_PRIOR.mean[None], kg)[0] for kg in (40.0, 80.0))
    assert heavy[0] < 0.6 * light[0]
    assert heavy[1] == pytest.approx(light[1], rel=0.1)


def test_a_head_that_fits_what_is_known_has_no_misfit() -> None:
    theta = heads(3, seed=3)
    factor, ratio = dose_factors(theta[:1], 70.0)[0]
    misfit = mismatch(ClinicKnowledge(float(factor), float(ratio)), theta, 70.0)
    assert misfit.shape == (3, 2)
    assert np.abs(misfit[0]).max() < 1e-12 < 0.1 < np.abs(misfit[1:]).max()


def test_misfits_are_in_sds_of_the_logarithm() -> None:
    factor = float(dose_factors(BOOK_PRIOR.mean[None], 70.0)[0, 0])
    known = ClinicKnowledge(correction_factor_mg_dl_per_u=factor * np.exp(-CORRECTION_SD))
    assert mismatch(known, BOOK_PRIOR.mean[None], 70.0) == pytest.approx(np.array([[1.0]]))


def test_a_total_daily_dose_speaks_only_where_no_factor_is_on_file() -> None:
    rules = ClinicKnowledge(total_daily_dose_u=50.0).terms
    assert [place for place, _, _ in rules] == [0, 1]
    assert [ln for _, ln, _ in rules] == pytest.approx([np.log(34.0), np.log(10.0)])
    assert [sd for _, _, sd in rules] == [DAILY_DOSE_SD, DAILY_DOSE_SD]
    both = ClinicKnowledge(carb_ratio_g_per_u=8.0, total_daily_dose_u=50.0).terms
    assert both[1] == pytest.approx((1, np.log(8.0), 0.2))
    assert ClinicKnowledge().terms == ()


def test_no_knowledge_is_no_term() -> None:
    for nothing in (None, ClinicKnowledge()):
        assert mismatch(nothing, heads(2, seed=4), 70.0).shape == (2, 0)


@pytest.mark.parametrize("value", [0.0, -3.0, np.nan, np.inf])
def test_settings_that_cannot_be_are_refused(value: float) -> None:
    with pytest.raises(KnowledgeError, match=r"carb_ratio_g_per_u is .* No knowledge was taken"):
        ClinicKnowledge(carb_ratio_g_per_u=value)


def test_knowledge_pulls_a_head_towards_what_the_clinic_says() -> None:
    trace = eventful(2, seed=5)
    patient = read_by_sensor(trace, heads(1, seed=5)[0], seed=5)
    plain = calibrate([patient])[0].head.theta
    factor, ratio = dose_factors(plain[None], 70.0)[0]
    doubled = ClinicKnowledge(2.0 * float(factor), float(ratio))
    pulled = calibrate([patient], knowledge=[doubled])[0].head.theta
    assert dose_factors(pulled[None], 70.0)[0, 0] > 1.15 * factor
    unmoved = calibrate([patient], knowledge=[None])[0].head.theta
    assert np.array_equal(unmoved, plain)


def test_knowledge_of_another_number_of_patients_is_refused() -> None:
    with pytest.raises(CalibrationError, match=r"knowledge of 2 patients for 1 traces"):
        calibrate([eventful(1, seed=1)], knowledge=[None, None])
