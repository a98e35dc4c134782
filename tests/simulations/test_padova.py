"""The compiled UVA/Padova model against simglucose, against mass balance, and against sense."""

from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

import numba
import numpy as np
import pytest
from numba import njit

from models.trace import FloatArray
from simulations import padova
from simulations.padova import MEAL_MEMORY, PadovaError, glucose_mg_dl, simulate
from simulations.padova_parameters import STATES, PadovaPatient, public_patients
from simulations.padova_reference import reference_glucose
from tests.golden.make_padova import EVERY_MIN, GOLDEN

DAY = 24 * 60
PATIENTS = public_patients()


def at_rest(patients: tuple[PadovaPatient, ...], minutes: int) -> tuple[FloatArray, FloatArray]:
    """No carbohydrate, and each patient's own basal."""
    insulin = np.array([np.full(minutes, p.basal_u_per_h / 60.0) for p in patients])
    return np.zeros_like(insulin), insulin


def states(path: FloatArray, *names: str) -> tuple[FloatArray, ...]:
    return tuple(path[..., STATES.index(name)] for name in names)


def constant(patients: tuple[PadovaPatient, ...], name: str) -> FloatArray:
    return np.array([[p.constant(name)] for p in patients])


@pytest.fixture(scope="module")
def golden() -> dict[str, FloatArray]:
    with np.load(GOLDEN) as arrays:
        return {name: arrays[name] for name in arrays.files}


def a_copy_of_the_module() -> ModuleType:
    """Not compiled yet: what is changed in it is what it will be compiled with."""
    spec = spec_from_file_location("padova_copy", padova.__file__)
    assert spec is not None
    assert spec.loader is not None
    copy = module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:  # machine code kept on the disk knows no change
        patch.setattr(numba, "njit", lambda cache, **options: njit(**options))
        spec.loader.exec_module(copy)
    return copy


def difference_mg_dl(
    golden: dict[str, FloatArray], carbs: FloatArray, insulin: FloatArray
) -> float:
    glucose = glucose_mg_dl(PATIENTS, simulate(PATIENTS, carbs, insulin))
    seen = glucose[:, EVERY_MIN - 1 :: EVERY_MIN]
    return float(np.abs(seen - golden["glucose_mg_dl"]).max())


@pytest.mark.slow
def test_all_public_patients_agree_with_simglucose_over_72_hours(
    golden: dict[str, FloatArray],
) -> None:
    assert list(golden["names"]) == [p.name for p in PATIENTS]
    assert golden["carbs_g"].sum(axis=1).min() > 50.0
    assert np.ptp(golden["glucose_mg_dl"], axis=1).min() > 30.0
    assert difference_mg_dl(golden, golden["carbs_g"], golden["insulin_u"]) < 0.001


def test_the_golden_days_notice_a_meal_one_minute_late(golden: dict[str, FloatArray]) -> None:
    late = np.roll(golden["carbs_g"], 1, axis=1)
    assert difference_mg_dl(golden, late, golden["insulin_u"]) > 0.01


def test_the_golden_days_notice_a_bolus_one_per_cent_too_large(
    golden: dict[str, FloatArray],
) -> None:
    assert difference_mg_dl(golden, golden["carbs_g"], 1.01 * golden["insulin_u"]) > 0.01


@pytest.mark.slow
@pytest.mark.parametrize(("constant", "value"), [("STEPS_EATING", 2), ("EATING_G_PER_MIN", 6.0)])
def test_the_golden_days_notice_coarse_steps_and_fast_eaters(
    golden: dict[str, FloatArray], constant: str, value: float
) -> None:
    spoilt = a_copy_of_the_module()
    setattr(spoilt, constant, value)
    path = spoilt.simulate(PATIENTS, golden["carbs_g"], golden["insulin_u"])
    seen = glucose_mg_dl(PATIENTS, path)[:, EVERY_MIN - 1 :: EVERY_MIN]
    assert np.abs(seen - golden["glucose_mg_dl"]).max() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", ["child#007", "adult#006"])
def test_a_day_agrees_with_simglucose_run_now(name: str) -> None:
    patient = tuple(p for p in PATIENTS if p.name == name)
    carbs, insulin = at_rest(patient, DAY)
    for minute, grams in ((420, 45.0), (600, 4.0), (750, 60.0), (755, 10.0), (1140, 70.0)):
        carbs[0, minute] += grams
        insulin[0, minute + 10] += grams / 15.0
    insulin[0, 900:960] = 0.0
    glucose = glucose_mg_dl(patient, simulate(patient, carbs, insulin))[0]
    reference = reference_glucose(name, carbs[0], insulin[0])
    assert np.ptp(reference) > 40.0
    assert np.abs(glucose - reference).max() < 0.001


@pytest.mark.slow
def test_plain_attributes_change_no_bit_of_simglucose() -> None:
    carbs, insulin = (a[0, :90] for a in at_rest(PATIENTS[:1], DAY))
    carbs[5], insulin[5] = 30.0, 3.0
    plain = reference_glucose("adolescent#001", carbs, insulin)
    shipped = reference_glucose("adolescent#001", carbs, insulin, as_shipped=True)
    assert np.array_equal(plain, shipped)


def test_basal_holds_every_public_patient_at_the_fasting_glucose() -> None:
    glucose = glucose_mg_dl(PATIENTS, simulate(PATIENTS, *at_rest(PATIENTS, DAY)))
    fasting = np.array([[p.fasting_glucose_mg_dl] for p in PATIENTS])
    assert np.abs(glucose - fasting).max() < 1e-3


def test_without_insulin_everybody_rises_all_day() -> None:
    carbs, insulin = at_rest(PATIENTS, DAY)
    glucose = glucose_mg_dl(PATIENTS, simulate(PATIENTS, carbs, np.zeros_like(insulin)))
    assert (glucose[:, -1] - glucose[:, 0]).min() > 50.0
    assert np.median(glucose[:, -1]) > 300.0
    assert np.all(np.diff(glucose, axis=1) > -1e-9)


def test_every_gram_leaves_the_gut_or_is_still_in_it() -> None:
    carbs, insulin = at_rest(PATIENTS, 8 * 60)
    carbs[:, 10], carbs[:, 100] = 50.0, 20.0
    path = simulate(PATIENTS, carbs, insulin)
    solid, liquid, gut = states(path, "qsto1", "qsto2", "qgut")
    absorbed = constant(PATIENTS, "kabs")[:, 0] * np.trapezoid(gut, axis=1)
    held = solid[:, -1] + liquid[:, -1] + gut[:, -1]
    assert held.max() > 100.0
    assert absorbed + held == pytest.approx(70_000.0, rel=2e-3)


def test_all_insulin_infused_is_cleared_or_still_in_the_body() -> None:
    carbs, insulin = at_rest(PATIENTS, 6 * 60)
    insulin[:, 30:40] += 0.2
    path = simulate(PATIENTS, carbs, insulin)
    skin1, skin2, plasma, liver = states(path, "isc1", "isc2", "ip", "il")
    body = skin1 + skin2 + plasma + liver
    start = np.array([[p.fasting_state[STATES.index(s)] for s in ("isc1", "isc2", "ip", "il")]
                      for p in PATIENTS]).sum(axis=1)  # fmt: skip
    cleared = constant(PATIENTS, "m4") * plasma + constant(PATIENTS, "m30") * liver
    infused = (6000.0 * insulin / constant(PATIENTS, "BW")).sum(axis=1)
    change = infused - np.trapezoid(cleared, axis=1) - cleared[:, 0]
    assert body[:, -1] - start == pytest.approx(change, abs=2e-3 * float(infused.max()))


def test_food_goes_in_at_five_grams_a_minute() -> None:
    carbs, insulin = at_rest(PATIENTS[:1], 30)
    carbs[0, 0] = 52.0
    solid, liquid, gut = states(simulate(PATIENTS[:1], carbs, insulin), "qsto1", "qsto2", "qgut")
    eaten = (solid + liquid + gut)[0]
    assert eaten[0] == pytest.approx(5_000.0, rel=1e-3)
    assert eaten[9] == pytest.approx(50_000.0, rel=1e-2)
    assert np.all(np.diff(eaten[10:]) < 0.0)


def test_a_meal_is_counted_until_a_minute_without_a_bite() -> None:
    meal = np.zeros(MEAL_MEMORY)
    announced = (12.0, 0.0, 3.0, 0.0, 0.0, 7.0)
    stomach_mg = (100.0, 200.0, 300.0, 400.0, 500.0, 600.0)
    bites, sizes, found = [], [], []
    for grams, held in zip(announced, stomach_mg, strict=True):
        bites.append(padova._bite(meal, grams, held))
        sizes.append(meal[padova.EATEN_G])
        found.append(meal[padova.STOMACH_AT_START_MG])
    assert bites == [5.0, 5.0, 5.0, 0.0, 0.0, 5.0]
    assert sizes == [5.0, 10.0, 15.0, 15.0, 15.0, 5.0]
    assert found == [100.0, 100.0, 100.0, 100.0, 100.0, 600.0]
    assert meal[padova.PLANNED_G] == 2.0


def test_more_food_raises_and_more_insulin_lowers_everybody() -> None:
    carbs, insulin = at_rest(PATIENTS, 300)
    rest = glucose_mg_dl(PATIENTS, simulate(PATIENTS, carbs, insulin))
    fed, dosed = carbs.copy(), insulin.copy()
    fed[:, 0], dosed[:, 0] = 20.0, dosed[:, 0] + 0.5
    assert np.all(glucose_mg_dl(PATIENTS, simulate(PATIENTS, fed, insulin)) - rest > -1e-6)
    assert np.all(glucose_mg_dl(PATIENTS, simulate(PATIENTS, carbs, dosed)) - rest < 1e-6)


def test_a_patient_is_the_same_alone_and_among_others() -> None:
    carbs, insulin = at_rest(PATIENTS[:4], 200)
    carbs[:, 3] = 40.0
    together = simulate(PATIENTS[:4], carbs, insulin)
    for i in range(4):
        alone = simulate(PATIENTS[i : i + 1], carbs[i : i + 1], insulin[i : i + 1])
        assert np.array_equal(alone[0], together[i])


def test_inputs_of_another_shape_are_refused() -> None:
    carbs, insulin = at_rest(PATIENTS[:2], 10)
    with pytest.raises(PadovaError, match=r"\(2, 9\).*2 patients.*Nothing was simulated"):
        simulate(PATIENTS[:2], carbs, insulin[:, :9])
    with pytest.raises(PadovaError, match="3 patients"):
        simulate(PATIENTS[:3], carbs, insulin)


@pytest.mark.parametrize("amount", [-0.1, float("nan")])
def test_negative_or_unknown_amounts_are_refused(amount: float) -> None:
    carbs, insulin = at_rest(PATIENTS[:1], 10)
    carbs[0, 4] = amount
    with pytest.raises(PadovaError, match="negative or unknown"):
        simulate(PATIENTS[:1], carbs, insulin)
