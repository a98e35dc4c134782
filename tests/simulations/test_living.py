"""Virtual days: what people do on what they see, and that the body answers what was done."""

from dataclasses import replace

import numpy as np
import pytest

from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray
from simulations import living
from simulations.behaviour import DAY_MIN, Bolus, Meals, draw_habits
from simulations.cgm_error import SensorError
from simulations.living import Life, Person, VirtualPatient, live, settings, virtual_patient
from simulations.padova import PadovaError, glucose_mg_dl, simulate
from simulations.padova_parameters import GROUPS, PadovaPatient, public_patients
from simulations.padova_population import Prescription

pytestmark = pytest.mark.slow

ADULT = public_patients()[10]
CALM = Person(
    basal_u_per_h=ADULT.basal_u_per_h,
    carb_ratio_g_per_u=10.0,
    correction_mg_dl_per_u=20.0,
    rescue_g=20.0,
    attention=0.0,
    temporary_basal_share=0.0,
)
SEED = np.random.SeedSequence(5)


def meals(*each: tuple[int, float, float, Bolus]) -> Meals:
    """Meals of (minute, grams, counted grams, bolus), late ones by 30 minutes."""
    minute, grams, counted, bolus = (np.array(column) for column in zip(*each, strict=True))
    ones = np.ones(len(each), dtype=np.int64)
    return Meals(
        minute=minute,
        carbs_g=grams.astype(float),
        counted_g=counted.astype(float),
        bolus=bolus,
        delay_min=30 * ones,
        logged=ones.astype(bool),
        course=0 * ones,
    )


def a_day(person: Person, plan: Meals, offset: float = 0.0, days: int = 1) -> Life:
    """Days on a sensor without error but for a constant `offset` (NaN: no reading at all)."""
    steps = days * STEPS_PER_DAY
    sensor = SensorError(np.ones(steps), np.full(steps, offset))
    return live(ADULT, person, plan, sensor, np.random.default_rng(0))


def doses(life: Life) -> dict[int, float]:
    return {int(k): round(float(life.bolus_u[k]), 2) for k in np.flatnonzero(life.bolus_u)}


@pytest.fixture(scope="module")
def people() -> list[VirtualPatient]:
    return [
        virtual_patient(f"{i}", GROUPS[i % 3], 21, 0, np.random.SeedSequence([9, i]))
        for i in range(24)
    ]


def test_the_bolus_is_for_what_was_counted_not_for_what_was_eaten() -> None:
    plan = meals((480, 60.0, 44.0, Bolus.WITH_MEAL), (800, 50.0, 50.0, Bolus.WITH_MEAL))
    life = a_day(CALM, plan, offset=np.nan)
    assert doses(life) == {480: 4.4, 800: 5.0}


def test_a_missed_bolus_is_not_given_and_a_late_one_is_given_late() -> None:
    plan = meals((480, 60.0, 40.0, Bolus.MISSED), (800, 50.0, 50.0, Bolus.LATE))
    assert doses(a_day(CALM, plan, offset=np.nan)) == {830: 5.0}


def test_a_bolus_that_would_be_late_beyond_the_stay_is_never_given() -> None:
    plan = meals((DAY_MIN - 10, 50.0, 50.0, Bolus.LATE))
    assert doses(a_day(CALM, plan, offset=np.nan)) == {}


def test_a_high_reading_adds_a_correction_to_the_meal_bolus() -> None:
    plan = meals((60, 20.0, 20.0, Bolus.WITH_MEAL))
    life = a_day(CALM, plan, offset=60.0)
    reading = life.sensor_mg_dl[12]
    expected = 20.0 / 10.0 + (reading - 120.0) / 20.0
    assert reading > 180.0
    assert doses(life) == {60: pytest.approx(expected, abs=0.026)}


def test_no_second_correction_while_insulin_acts() -> None:
    plan = meals((60, 20.0, 20.0, Bolus.WITH_MEAL), (120, 20.0, 20.0, Bolus.WITH_MEAL))
    assert doses(a_day(CALM, plan, offset=60.0))[120] == 2.0


def test_a_low_reading_cuts_the_meal_bolus() -> None:
    plan = meals((60, 40.0, 40.0, Bolus.WITH_MEAL))
    life = a_day(CALM, plan, offset=-70.0)
    reading = life.sensor_mg_dl[12]
    assert reading < 80.0
    assert doses(life)[60] == pytest.approx(4.0 + (reading - 120.0) / 20.0, abs=0.026)


def test_an_attentive_person_corrects_a_high_between_meals_by_day_only() -> None:
    attentive = CALM._replace(attention=1.0)
    plan = meals((1, 4.0, 1.0, Bolus.MISSED))
    life = a_day(attentive, plan, offset=120.0)
    given = doses(life)
    assert given
    assert all(7 * 60 <= minute < 23 * 60 and minute % STEP_MIN == 0 for minute in given)
    first = min(given)
    reading = life.sensor_mg_dl[first // STEP_MIN]
    assert given[first] == pytest.approx((reading - 120.0) / 20.0, abs=0.026)
    assert all(b - a > 180 for a, b in zip(list(given), list(given)[1:], strict=False))


def test_nobody_acts_on_a_reading_that_is_missing() -> None:
    busy = CALM._replace(attention=1.0, basal_u_per_h=0.8 * ADULT.basal_u_per_h)
    plan = meals((400, 60.0, 60.0, Bolus.MISSED))
    life = a_day(busy, plan, offset=np.nan)
    assert life.glucose_mg_dl.max() > 230.0
    assert doses(life) == {}
    assert life.rescue_g.sum() == 0.0
    assert np.ptp(life.basal_u_per_h) == 0.0


def test_a_low_on_the_sensor_is_treated_and_basal_lowered() -> None:
    attentive = CALM._replace(attention=1.0)
    life = a_day(attentive, meals((1, 4.0, 1.0, Bolus.MISSED)), offset=-130.0)
    rescues = np.flatnonzero(life.rescue_g)
    assert len(rescues) > 2
    assert set(life.rescue_g[rescues]) == {20.0}
    assert np.diff(rescues).min() > 15
    assert set(np.unique(life.basal_u_per_h / ADULT.basal_u_per_h).round(6)) <= {0.0, 0.5, 1.0}
    assert life.basal_u_per_h.min() < ADULT.basal_u_per_h


def test_a_deep_low_is_felt_without_a_sensor() -> None:
    plan = meals((60, 5.0, 150.0, Bolus.WITH_MEAL))
    life = a_day(CALM, plan, offset=np.nan)
    assert life.rescue_g.sum() > 0.0
    first = int(np.flatnonzero(life.rescue_g)[0])
    assert life.glucose_mg_dl[first // STEP_MIN] < 54.0


def test_planned_temporary_basals_come_at_their_rate() -> None:
    share = 1.0 / STEPS_PER_DAY
    life = a_day(
        CALM._replace(temporary_basal_share=share),
        meals((1, 4.0, 1.0, Bolus.MISSED)),
        offset=np.nan,
        days=120,
    )
    factor = life.basal_u_per_h / ADULT.basal_u_per_h
    assert set(factor.round(6)) == {0.5, 0.7, 1.0, 1.3, 1.5}
    starts = np.flatnonzero((factor[1:] != 1.0) & (factor[:-1] == 1.0)).size
    assert starts == pytest.approx(120, rel=0.3)


def test_readings_stay_within_what_a_sensor_can_show() -> None:
    plan = meals((1, 4.0, 1.0, Bolus.MISSED))
    assert a_day(CALM, plan, offset=500.0).sensor_mg_dl.max() == 400.0
    assert a_day(CALM, plan, offset=-500.0).sensor_mg_dl.min() == 40.0


def test_settings_carry_the_prescription_and_a_rescue_of_a_third_of_a_gram_per_kg() -> None:
    habits = replace(
        draw_habits("adult", np.random.default_rng(0)),
        attention=0.7,
        temporary_basals_per_week=2.0,
    )
    prescription = Prescription(0.9, 12.0, 35.0)
    by_name = {patient.name: patient for patient in public_patients()}
    adult = settings(by_name["adult#001"], prescription, habits)
    assert adult[:3] == (0.9, 12.0, 35.0)
    assert adult.attention == 0.7
    assert adult.temporary_basal_share * 7 * STEPS_PER_DAY == pytest.approx(2.0)
    assert adult.rescue_g == 20.0
    assert settings(by_name["child#001"], prescription, habits).rescue_g == 10.0
    assert settings(by_name["adolescent#002"], prescription, habits).rescue_g == 15.0


def test_a_person_is_never_both_rejected_and_kept(people: list[VirtualPatient]) -> None:
    for person in people:
        assert person.life.glucose_mg_dl.min() >= living.SURVIVED_ABOVE_MG_DL
        assert all(each.group == person.patient.group for each in person.rejected)


def replayed(person: VirtualPatient) -> FloatArray:
    patient: PadovaPatient = person.patient
    path = simulate([patient], person.carbs_g[None], person.insulin_u[None])
    glucose: FloatArray = glucose_mg_dl([patient], path)[0]
    return glucose


def test_replaying_what_was_done_gives_the_same_glucose(people: list[VirtualPatient]) -> None:
    for person in people[:3]:
        glucose = replayed(person)[STEP_MIN - 1 : -1 : STEP_MIN]
        assert np.abs(glucose - person.life.glucose_mg_dl[1:]).max() < 1e-6


def test_a_replay_with_the_counted_meals_does_not(people: list[VirtualPatient]) -> None:
    person = people[0]
    lied = replace(person, meals=replace(person.meals, carbs_g=person.meals.counted_g))
    glucose = replayed(lied)[STEP_MIN - 1 : -1 : STEP_MIN]
    assert np.abs(glucose - person.life.glucose_mg_dl[1:]).max() > 5.0


def test_people_resemble_people_with_type_1_diabetes(people: list[VirtualPatient]) -> None:
    mean = [np.nanmean(p.life.sensor_mg_dl) for p in people]
    in_range = [
        np.mean((p.life.glucose_mg_dl >= 70) & (p.life.glucose_mg_dl <= 180)) for p in people
    ]
    low = [np.mean(p.life.glucose_mg_dl < 70) for p in people]
    units = [p.insulin_u.sum() / 21 / p.patient.weight_kg for p in people]
    assert 120 < np.mean(mean) < 175
    assert 0.6 < np.mean(in_range) < 0.9
    assert 0.005 < np.mean(low) < 0.06
    assert 0.3 < np.mean(units) < 1.2


def test_sensor_readings_differ_from_true_glucose_and_have_gaps(
    people: list[VirtualPatient],
) -> None:
    for person in people:
        sensor, glucose = person.life.sensor_mg_dl, person.life.glucose_mg_dl
        assert np.isnan(sensor).any()
        assert 1.0 < np.nanmean(np.abs(sensor - glucose)) < 40.0


def test_some_rescues_are_logged_and_some_are_not(people: list[VirtualPatient]) -> None:
    eaten = sum(int((p.life.rescue_g > 0).sum()) for p in people)
    logged = sum(int(p.rescue_logged.sum()) for p in people)
    assert 0.3 < logged / eaten < 0.9
    assert all(not np.any(p.rescue_logged & (p.life.rescue_g == 0.0)) for p in people)


def test_boluses_come_in_the_pump_s_steps(people: list[VirtualPatient]) -> None:
    units = np.concatenate([p.life.bolus_u for p in people]) / 0.05
    assert np.abs(units - np.round(units)).max() < 1e-9


def test_the_same_seed_lives_the_same_days() -> None:
    first, again = (
        virtual_patient("x", "child", 3, 0, np.random.SeedSequence(5)) for _ in range(2)
    )
    other = virtual_patient("x", "child", 3, 0, np.random.SeedSequence(6))
    assert all(map(np.array_equal, first.life[::2], again.life[::2]))
    assert not np.array_equal(first.life.glucose_mg_dl, other.life.glucose_mg_dl)


def test_a_stay_that_nobody_survives_is_rejected_counted_and_drawn_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = virtual_patient("x", "adolescent", 7, 0, np.random.SeedSequence(0))
    floor = float(plain.life.glucose_mg_dl.min()) + 0.1
    monkeypatch.setattr(living, "SURVIVED_ABOVE_MG_DL", floor)
    again = virtual_patient("x", "adolescent", 7, 0, np.random.SeedSequence(0))
    assert again.life.glucose_mg_dl.min() >= floor
    stays = [each for each in again.rejected if each.during == "stay"]
    assert stays[0].lowest_mg_dl == pytest.approx(floor - 0.1)
    assert not np.array_equal(again.patient.constants, plain.patient.constants)


def test_a_stay_that_never_succeeds_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(living, "SURVIVED_ABOVE_MG_DL", 200.0)
    with pytest.raises(PadovaError, match=r"20 stays of 1 days.*Nobody was drawn"):
        virtual_patient("x", "adult", 1, 0, SEED)
