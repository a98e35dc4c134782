"""People of the study: honest records, changes that change what they say, a clinic that knows."""

from dataclasses import replace

import numpy as np
import pytest

from models.knowledge import ClinicKnowledge
from models.trace import STEP_MIN, STEPS_PER_DAY
from simulations import effects_people
from simulations.behaviour import COUNTING_SD, DAY_MIN, Bolus
from simulations.effects_people import (
    CAUTION,
    CHANGES,
    COMING_DAYS,
    TRAINING_DAYS,
    Change,
    Treatment,
    clinic_knowledge,
    drawn_subject,
    subject,
)
from simulations.padova import PadovaError
from simulations.padova_parameters import public_patients
from tests.simulations.effect_cases import drawn, someone

pytestmark = pytest.mark.slow

DAYS = TRAINING_DAYS + COMING_DAYS
MORE_BASAL = Change(Treatment.BASAL, 1.2)


def test_a_stay_has_training_days_and_coming_days() -> None:
    record = someone().trace()
    assert len(record) == DAYS * STEPS_PER_DAY
    assert record.local_hour[0] == 0.0
    assert record.weight_kg == someone().patient.weight_kg


@pytest.mark.parametrize("world", ["A", "B"])
def test_the_world_run_again_on_the_same_doses_is_the_same_bit_for_bit(world: str) -> None:
    who = someone("B" if world == "B" else "A")
    np.testing.assert_array_equal(who.lived(who.doses), who.life.glucose_mg_dl)


def test_whatever_is_eaten_is_logged_with_the_error_of_counting() -> None:
    errors = []
    for number in range(6):
        who = drawn(number)
        assert np.all((who.counted_g > 0.0) == (who.eaten_g > 0.0))
        large = who.meals.carbs_g > 20.0
        errors += (who.meals.counted_g[large] / who.meals.carbs_g[large] - 1.0).tolist()
    assert np.mean(errors) == pytest.approx(0.0, abs=0.03)
    assert np.std(errors) == pytest.approx(COUNTING_SD, rel=0.15)


def test_the_twins_record_holds_counted_and_never_true_carbohydrate() -> None:
    who = someone()
    counted, true = who.trace()["carbs_g"], who.trace(true_carbs=True)["carbs_g"]
    assert counted.sum() == pytest.approx(who.counted_g.sum())
    assert true.sum() == pytest.approx(who.eaten_g.sum())
    assert not np.allclose(counted, true)


def test_the_sensor_is_noisy_and_without_gap_or_drift() -> None:
    error = someone().life.sensor_mg_dl - someone().life.glucose_mg_dl
    assert np.isfinite(error).all()
    assert error.std() == pytest.approx(8.1, rel=0.15)
    assert abs(error.mean()) < 1.0


def test_there_are_natural_experiments() -> None:
    bolus = np.concatenate([drawn(number).meals.bolus for number in range(6)])
    assert 0.01 < np.mean(bolus == Bolus.MISSED) < 0.2
    assert 0.03 < np.mean(bolus == Bolus.LATE) < 0.25
    lowered = [np.ptp(drawn(number).life.basal_u_per_h) > 0.0 for number in range(6)]
    assert any(lowered)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.label)
@pytest.mark.parametrize("world", ["A", "B"])
def test_each_change_moves_true_glucose_the_way_its_sign_says(change: Change, world: str) -> None:
    who = someone("B" if world == "B" else "A", 1)
    after = who.lived(who.changed(change, TRAINING_DAYS))[TRAINING_DAYS * STEPS_PER_DAY :]
    before = who.life.glucose_mg_dl[TRAINING_DAYS * STEPS_PER_DAY :]
    assert (after.mean() - before.mean()) * change.sign > 1.0


def test_nothing_changes_before_the_first_day_of_a_change() -> None:
    who = someone()
    for change in CHANGES:
        doses = who.changed(change, TRAINING_DAYS)
        before = slice(0, TRAINING_DAYS * DAY_MIN)
        np.testing.assert_array_equal(doses.insulin_u[before], who.doses.insulin_u[before])
        assert doses.insulin_u.sum() != who.doses.insulin_u.sum()


def test_basal_and_bolus_scale_what_they_name() -> None:
    who = someone()
    basal = who.changed(MORE_BASAL, 0)
    np.testing.assert_allclose(basal.basal_u_per_h, 1.2 * who.life.basal_u_per_h)
    np.testing.assert_array_equal(basal.bolus_u, who.life.bolus_u)
    bolus = who.changed(Change(Treatment.BOLUS, 0.8), 0)
    np.testing.assert_allclose(bolus.bolus_u, 0.8 * who.life.bolus_u)
    np.testing.assert_array_equal(bolus.basal_u_per_h, who.life.basal_u_per_h)


def test_a_ratio_changes_the_part_of_boluses_that_was_for_food() -> None:
    who = someone()
    weaker = who.changed(Change(Treatment.CARB_RATIO, 1.2), 0).bolus_u
    given = (who.meals.bolus == Bolus.WITH_MEAL) & (who.life.bolus_u[who.meals.minute] > 0.0)
    minute, counted = who.meals.minute[given], who.meals.counted_g[given]
    for_food = counted / who.prescription.carb_ratio_g_per_u
    expected = np.maximum(who.life.bolus_u[minute] - for_food * (1.0 - 1.0 / 1.2), 0.0)
    np.testing.assert_allclose(weaker[minute], expected)
    unchanged = who.life.bolus_u[weaker == who.life.bolus_u]
    assert 0.0 < who.for_meals_u.sum() < who.life.bolus_u.sum() + 1.0
    assert np.count_nonzero(unchanged) > 0 or who.for_meals_u.sum() == who.life.bolus_u.sum()


def test_no_bolus_is_made_where_none_was_given() -> None:
    who = drawn(3)
    for change in CHANGES:
        assert not who.changed(change, 0).bolus_u[who.life.bolus_u == 0.0].any()


def test_what_the_clinic_knows_is_right_but_for_its_error() -> None:
    adult = public_patients()[10]
    known = [clinic_knowledge(adult, 0.0, np.random.default_rng(seed)) for seed in range(40)]
    factors = np.log([k.correction_factor_mg_dl_per_u or np.nan for k in known])
    ratios = np.log([k.carb_ratio_g_per_u or np.nan for k in known])
    assert factors.std() == pytest.approx(effects_people.CORRECTION_ERROR, rel=0.3)
    assert ratios.std() == pytest.approx(effects_people.RATIO_ERROR, rel=0.3)


def test_a_correction_factor_is_what_a_unit_does_at_200(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects_people, "CORRECTION_ERROR", 0.0)
    monkeypatch.setattr(effects_people, "RATIO_ERROR", 0.0)
    factors = []
    for patient in public_patients()[10:20]:
        known = clinic_knowledge(patient, 0.0, np.random.default_rng(0))
        assert known.correction_factor_mg_dl_per_u is not None
        factors.append(known.correction_factor_mg_dl_per_u * patient.basal_u_per_h * 24.0)
    # A day of basal is worth some 400 mg/dL of single corrections in these adults.
    assert np.median(factors) == pytest.approx(400.0, rel=0.3)


def test_people_live_by_what_the_clinic_believes() -> None:
    who = someone()
    known, set_to = who.knowledge, who.prescription
    assert known.carb_ratio_g_per_u is not None and known.total_daily_dose_u is not None
    assert set_to.carb_ratio_g_per_u == pytest.approx(CAUTION * known.carb_ratio_g_per_u)
    per_day = who.doses.insulin_u.sum() / DAYS
    assert known.total_daily_dose_u == pytest.approx(per_day, rel=1e-6)


def test_the_basal_is_right_in_world_a_and_wrong_in_b() -> None:
    right = someone("A").patient.basal_u_per_h
    assert someone("A").prescription.basal_u_per_h == right
    assert someone("B").prescription.basal_u_per_h != right


def test_a_person_depends_on_seed_and_number_alone() -> None:
    again = drawn_subject("adult", 2, "A", 5)
    np.testing.assert_array_equal(again.life.sensor_mg_dl, drawn(2).life.sensor_mg_dl)
    other = drawn_subject("adult", 2, "A", 6)
    assert not np.array_equal(other.life.sensor_mg_dl, again.life.sensor_mg_dl)


def test_stays_that_leave_the_models_field_are_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects_people, "SURVIVED_ABOVE_MG_DL", 500.0)
    monkeypatch.setattr(effects_people, "_MOST_STAYS", 2)
    with pytest.raises(PadovaError, match="2 stays of x in world A in a row"):
        subject("x", public_patients()[10], "A", np.random.SeedSequence(1), days=1)


def test_no_prescription_without_knowledge() -> None:
    nothing = ClinicKnowledge()
    with pytest.raises(PadovaError, match="Nobody was studied"):
        effects_people._prescription(public_patients()[10], nothing, 1.0)


def test_labels_say_what_is_changed_and_by_how_much() -> None:
    labels = [change.label for change in CHANGES]
    assert labels[:2] == ["basal-20%", "basal+20%"]
    assert labels[-1] == "carb_ratio+20%"
    assert [change.sign for change in CHANGES] == [1, -1, 1, -1, -1, 1]


def test_a_planted_carbohydrate_error_would_be_seen() -> None:
    who = someone()
    planted = replace(who, meals=replace(who.meals, counted_g=who.meals.carbs_g))
    assert np.array_equal(planted.counted_g, planted.eaten_g)
    assert not np.array_equal(who.counted_g, who.eaten_g)
    assert len(who.counted_g) == STEP_MIN * len(who.trace())
