"""Calibration: known heads found again, 15-minute sensors, CGM-only people, privacy, refusals."""

import numpy as np
import pytest

from models import calibration as module
from models.calibration import (
    NOT_IDENTIFIED,
    Calibration,
    CalibrationError,
    calibrate,
)
from models.heads import BOOK_PRIOR, NAMES, HeadPrior, physical
from models.inputs import physiology_inputs
from models.openloop import open_loop
from models.residuals import Noise
from models.trace import STEPS_PER_DAY, FloatArray, Trace
from simulations.living import VirtualPatient, virtual_patient
from simulations.padova import glucose_mg_dl, simulate
from tests.models.virtual import MIDNIGHT_UTC_S, columns, eventful, heads, read_by_sensor, trace_of

pytestmark = pytest.mark.slow

PLACE = {name: place for place, name in enumerate(NAMES)}


def patient(seed: int, days: int = 14, period_min: int = 5) -> tuple[Trace, FloatArray]:
    """A virtual patient and the head behind the readings."""
    theta = heads(1, seed)[0]
    trace = eventful(days, seed)
    sensor = Trace("p", "UTC", period_min, trace.start_utc_s, trace.columns, 70.0)
    return read_by_sensor(sensor, theta, seed), theta


@pytest.fixture(scope="module")
def found() -> tuple[Calibration, FloatArray, Trace]:
    trace, theta = patient(seed=1)
    return calibrate([trace])[0], theta, trace


def bolus_effect(theta: FloatArray) -> float:
    """Greatest fall, mg/dL, after 2 U from rest: what a treatment decision rests on."""
    table = columns(1)
    table["bolus_u"][12] = 2.0
    low = open_loop(theta, physiology_inputs(trace_of(table)), physical(theta)[0])
    return float(physical(theta)[0] - low.interstitial_mg_dl.min())


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "period_min"), [(1, 5), (2, 15), (3, 5), (5, 15)])
def test_the_effect_of_insulin_is_found_again(seed: int, period_min: int) -> None:
    trace, theta = patient(seed, period_min=period_min)
    (calibration,) = calibrate([trace])
    assert bolus_effect(calibration.head.theta) == pytest.approx(bolus_effect(theta), rel=0.2)
    assert abs(calibration.head.theta[0] - theta[0]) < 8.0
    assert calibration.head.residual_phi == pytest.approx(0.97, abs=0.015)
    assert calibration.head.residual_sd_mg_dl == pytest.approx(3.0, rel=0.12)
    assert calibration.identified and calibration.known_days == 14.0


@pytest.mark.slow
def test_errors_are_of_the_size_that_the_covariance_says() -> None:
    scores = []
    for seed in range(10, 16):
        trace, theta = patient(seed, days=7)
        (calibration,) = calibrate([trace])
        scores.append((calibration.head.theta - theta) / np.sqrt(np.diag(calibration.covariance)))
    spread = np.median(np.abs(scores))
    assert 0.4 < spread < 1.2


def test_it_is_deterministic(found: tuple[Calibration, FloatArray, Trace]) -> None:
    again = calibrate([found[2]])[0]
    assert np.array_equal(again.head.theta, found[0].head.theta)
    assert again.objective == found[0].objective


def test_a_patients_head_does_not_depend_on_who_else_is_there(
    found: tuple[Calibration, FloatArray, Trace],
) -> None:
    other, _ = patient(seed=9, days=2)
    together = calibrate([other, found[2]])[1]
    assert np.array_equal(together.head.theta, found[0].head.theta)
    assert np.array_equal(together.covariance, found[0].covariance)


def test_many_patients_come_back_in_their_order_and_as_if_alone() -> None:
    """Threads share the machine and nothing else."""
    traces = [patient(seed, days=1)[0] for seed in range(30, 36)]
    together = calibrate(traces)
    for trace, calibration in zip(traces, together, strict=True):
        (alone,) = calibrate([trace])
        assert np.array_equal(calibration.head.theta, alone.head.theta)
        assert calibration.objective == alone.objective


def test_a_failure_in_one_thread_is_not_lost() -> None:
    trace, _ = patient(seed=30, days=1)
    empty = trace_of({"glucose_mg_dl": np.full(STEPS_PER_DAY, np.nan)})
    with pytest.raises(CalibrationError, match="No twin was made"):
        calibrate([trace, empty, trace])


def test_only_the_last_days_are_used() -> None:
    trace, _ = patient(seed=4, days=4)
    disturbed = {name: column.copy() for name, column in trace.columns.items()}
    disturbed["glucose_mg_dl"][:STEPS_PER_DAY] += 100.0
    short = calibrate([trace], days=2)[0]
    assert short.readings == 2 * STEPS_PER_DAY and short.known_days == 2.0
    assert np.array_equal(calibrate([trace_of(disturbed)], days=2)[0].head.theta, short.head.theta)


def test_a_strong_prior_is_believed() -> None:
    trace, _ = patient(seed=4, days=2)
    belief = heads(1, seed=20)[0]
    sure = HeadPrior(belief, 1e-8 * np.diag(BOOK_PRIOR.sd**2))
    assert calibrate([trace], sure)[0].head.theta == pytest.approx(belief, abs=1e-2)


def test_a_correlated_prior_is_taken() -> None:
    trace, _ = patient(seed=4, days=2)
    covariance = BOOK_PRIOR.covariance.copy()
    shared = 0.95 * BOOK_PRIOR.sd[PLACE["SI"]] * BOOK_PRIOR.sd[PLACE["meal_gain"]]
    covariance[PLACE["SI"], PLACE["meal_gain"]] = covariance[PLACE["meal_gain"], PLACE["SI"]] = (
        shared
    )
    posterior = calibrate([trace], HeadPrior(BOOK_PRIOR.mean, covariance))[0].covariance
    si, gain = PLACE["SI"], PLACE["meal_gain"]
    assert posterior[si, gain] / np.sqrt(posterior[si, si] * posterior[gain, gain]) > 0.5


def test_people_with_readings_only_get_a_level_and_a_flag() -> None:
    readings = 160.0 + np.random.default_rng(1).normal(0.0, 10.0, 3 * STEPS_PER_DAY)
    (calibration,) = calibrate([trace_of({"glucose_mg_dl": readings})])
    assert calibration.flags == (NOT_IDENTIFIED,) and not calibration.identified
    assert calibration.head.theta[0] == pytest.approx(readings.mean())
    assert np.array_equal(calibration.head.theta[1:], BOOK_PRIOR.mean[1:])
    assert calibration.head.residual_sd_mg_dl == pytest.approx(10.0, rel=0.1)
    assert calibration.known_days == 0.0
    assert np.linalg.eigvalsh(calibration.covariance).min() > 0.0
    level_sd = np.sqrt(calibration.covariance[0, 0])
    assert 0.1 < level_sd < 2.0


def test_records_without_any_insulin_or_meal_do_not_identify() -> None:
    (calibration,) = calibrate([trace_of(columns(2))])
    assert NOT_IDENTIFIED in calibration.flags
    assert calibration.known_days == 0.0


def test_the_last_days_with_records_are_used_however_old() -> None:
    trace, _ = patient(seed=6, days=4)
    table = {name: column.copy() for name, column in trace.columns.items()}
    table["bolus_u"][-STEPS_PER_DAY:] = table["carbs_g"][-STEPS_PER_DAY:] = np.nan
    (calibration,) = calibrate([trace_of(table)], days=3)
    assert calibration.identified and calibration.known_days == 3.0
    expected = calibrate([trace.rows(0, 3 * STEPS_PER_DAY)])[0].head.theta
    assert calibration.head.theta == pytest.approx(expected, rel=1e-6)


def test_unknown_days_do_not_count() -> None:
    trace, _ = patient(seed=6, days=4)
    table = {name: column.copy() for name, column in trace.columns.items()}
    unknown = slice(STEPS_PER_DAY, 2 * STEPS_PER_DAY)
    table["bolus_u"][unknown] = table["carbs_g"][unknown] = np.nan
    before = calibrate([trace_of(table)])[0]
    assert before.known_days == 3.0
    assert before.readings == 3 * STEPS_PER_DAY - 4 * 12
    table["glucose_mg_dl"][unknown] = 400.0
    assert np.array_equal(calibrate([trace_of(table)])[0].head.theta, before.head.theta)


def test_somebody_far_from_a_narrow_prior_is_flagged() -> None:
    trace, _ = patient(seed=7, days=3)
    narrow = HeadPrior(BOOK_PRIOR.mean, 0.01 * BOOK_PRIOR.covariance)
    assert any("prior sds from its mean" in flag for flag in calibrate([trace], narrow)[0].flags)
    assert calibrate([trace])[0].flags == ()


def test_a_parameter_at_its_bound_is_flagged() -> None:
    theta = BOOK_PRIOR.mean.copy()
    theta[PLACE["Gb"]], theta[PLACE["risk"]] = 400.0, -0.2
    flags = module.flags_of(theta, BOOK_PRIOR)
    assert flags == (
        "Gb at its bound 260 mg/dL",
        "risk at its bound 0 -",
        "Gb +13.4 prior sds from its mean",
    )


def test_too_few_readings_are_refused() -> None:
    glucose = np.full(STEPS_PER_DAY, np.nan)
    with pytest.raises(CalibrationError, match=r"p has 0 readings .* No twin was made"):
        calibrate([trace_of({"glucose_mg_dl": glucose})])
    glucose[:95] = 120.0
    with pytest.raises(CalibrationError, match=r"p has 95 readings .* No twin was made"):
        calibrate([trace_of({"glucose_mg_dl": glucose})])


def test_independent_residuals_are_a_planted_fault_that_shows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With phi held at 0 the noise is far from the one planted: the check above has teeth."""
    trace, _ = patient(seed=3, days=3)
    monkeypatch.setattr(module, "fit_noise", lambda r, gaps: Noise(0.0, float(np.std(r))))
    wrong = calibrate([trace])[0].head
    assert wrong.residual_sd_mg_dl > 1.5 * 3.0


def as_recorded(person: VirtualPatient) -> Trace:
    """What the clinic of a virtual person has on file: counted carbohydrate, sensor readings."""
    counted = np.where(person.rescue_logged, person.life.rescue_g, 0.0)
    np.add.at(counted, person.meals.minute, person.meals.counted_g)
    table = {
        "glucose_mg_dl": person.life.sensor_mg_dl,
        "basal_u_per_h": person.life.basal_u_per_h,
        "bolus_u": person.life.bolus_u.reshape(-1, 5).sum(axis=1),
        "carbs_g": counted.reshape(-1, 5).sum(axis=1),
    }
    return Trace("p", "UTC", 5, MIDNIGHT_UTC_S, table)


@pytest.mark.slow
@pytest.mark.parametrize("group", ["adult", "adolescent"])
def test_a_twin_of_somebody_with_other_equations_foresees_a_day_and_a_dose(group: str) -> None:
    """Fourteen days of a UVA/Padova person, then a day with a fifth more basal insulin."""
    person = virtual_patient("p", group, 15, 0, np.random.SeedSequence(3))
    trace, split = as_recorded(person), 14 * STEPS_PER_DAY
    (calibration,) = calibrate([trace.rows(0, split)])
    head = calibration.head
    table = dict(trace.columns) | {"basal_u_per_h": trace["basal_u_per_h"].copy()}
    table["basal_u_per_h"][split:] *= 1.2
    days = [
        open_loop(head.theta, physiology_inputs(t, head.background), 140.0).interstitial_mg_dl[0]
        for t in (trace, trace_of(table))
    ]
    readings = trace["glucose_mg_dl"]
    mard_pct = 100.0 * np.nanmean(np.abs(days[0] - readings)[split:] / readings[split:])
    constant_pct = 100.0 * np.nanmean(np.abs(np.nanmean(readings) / readings[split:] - 1.0))
    assert mard_pct < min(15.0, constant_pct)
    extra = np.zeros(len(person.insulin_u))
    extra[5 * split :] = 0.2 * np.repeat(trace["basal_u_per_h"], 5)[5 * split :] / 60.0
    both = [person.patient] * 2
    insulin = np.stack([person.insulin_u, person.insulin_u + extra])
    truth = glucose_mg_dl(both, simulate(both, np.stack([person.carbs_g] * 2), insulin))
    true_change = float((truth[1] - truth[0])[5 * split :].mean())
    change = float((days[1] - days[0])[split:].mean())
    assert true_change < -3.0
    assert change == pytest.approx(true_change, rel=0.5)
