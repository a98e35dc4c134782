"""Drawing between public patients, prescribing, and rejecting who does not hold a fast."""

import numpy as np
import pytest

from simulations import padova_population
from simulations.padova import PadovaError
from simulations.padova_parameters import FREE, GROUPS, PadovaPatient, free_constants
from simulations.padova_population import (
    FASTING_RANGE_MG_DL,
    draw_between,
    draw_patient,
    fast,
    prescribe,
    respond,
)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def children() -> list[PadovaPatient]:
    return [draw_between("child", str(seed), rng(seed)) for seed in range(300)]


def kept(patient: PadovaPatient, name: str) -> float:
    """A free constant read back from a patient."""
    gaps = {"Gb": patient.fasting_glucose_mg_dl}
    return gaps[name] if name in gaps else patient.constant(name)


@pytest.mark.parametrize("name", ["BW", "kabs", "Vmx", "kp3", "ki", "ka1", "b", "Gb"])
def test_drawn_constants_stay_in_the_range_of_the_group(
    children: list[PadovaPatient], name: str
) -> None:
    public = free_constants("child")[:, FREE.index(name)]
    drawn = np.array([kept(child, name) for child in children])
    assert drawn.min() >= public.min() * (1 - 1e-9)
    assert drawn.max() <= public.max() * (1 + 1e-9)


@pytest.mark.parametrize("name", ["kmax", "Vmx", "kp3", "ki", "p2u"])
def test_drawn_constants_keep_the_spread_of_the_group(
    children: list[PadovaPatient], name: str
) -> None:
    public = np.log(free_constants("child")[:, FREE.index(name)])
    drawn = np.log([child.constant(name) for child in children])
    assert 0.6 < drawn.std() / public.std(ddof=1) < 1.1
    assert abs(drawn.mean() - public.mean()) < 0.35 * public.std()


def test_drawn_patients_are_new_and_all_different(children: list[PadovaPatient]) -> None:
    weights = {child.weight_kg for child in children}
    public = set(free_constants("child")[:, FREE.index("BW")])
    assert len(weights) > 0.9 * len(children)
    assert len(weights & public) < 0.1 * len(children)


def test_the_stomach_never_empties_slower_at_its_fastest(children: list[PadovaPatient]) -> None:
    assert all(child.constant("kmin") <= child.constant("kmax") for child in children)


def test_a_drawn_patient_rests_at_its_fasting_glucose(children: list[PadovaPatient]) -> None:
    for child in children[:10]:
        glucose = fast(child, child.basal_u_per_h)
        assert np.abs(glucose - child.fasting_glucose_mg_dl).max() < 1e-6


@pytest.mark.parametrize("group", GROUPS)
def test_the_same_seed_draws_the_same_patient(group: str) -> None:
    first, again, other = (draw_patient(group, "x", rng(seed)) for seed in (4, 4, 5))
    assert np.array_equal(first.patient.constants, again.patient.constants)
    assert first.prescription == again.prescription
    assert not np.array_equal(first.patient.constants, other.patient.constants)


def test_the_prescription_is_what_the_patient_s_own_response_asks_for(
    children: list[PadovaPatient], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("BASAL_ERROR", 0.0), ("RATIO_ERROR", 0.0), ("CAUTION", 1.0)):
        monkeypatch.setattr(padova_population, name, value)
    child = children[0]
    prescription = prescribe(child, rng(0))
    grams = 0.3 * child.weight_kg
    units = grams / prescription.carb_ratio_g_per_u
    rise, fall = respond(child, 0.0, grams), respond(child, units, 0.0)
    assert -fall.sum() / rise.sum() == pytest.approx(1.0, abs=0.1)
    small = 0.02 * child.weight_kg
    deepest = -float(respond(child, small, 0.0).min())
    assert prescription.correction_mg_dl_per_u == pytest.approx(deepest / small, abs=0.06)
    assert prescription.basal_u_per_h == pytest.approx(child.basal_u_per_h, abs=6e-4)


def test_titration_errs_by_its_stated_spread(children: list[PadovaPatient]) -> None:
    basal = [
        np.log(prescribe(child, rng(i)).basal_u_per_h / child.basal_u_per_h)
        for i, child in enumerate(children[:120])
    ]
    assert np.std(basal) == pytest.approx(0.08, rel=0.25)
    assert abs(np.mean(basal)) < 0.03


@pytest.mark.parametrize("group", GROUPS)
def test_accepted_patients_hold_a_fast(group: str) -> None:
    low, high = FASTING_RANGE_MG_DL
    for seed in range(15):
        drawn = draw_patient(group, "x", rng(seed))
        glucose = fast(drawn.patient, drawn.prescription.basal_u_per_h)
        assert low <= glucose.min()
        assert glucose.max() <= high


def test_a_badly_set_basal_gets_patients_rejected_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(padova_population, "BASAL_ERROR", 0.6)
    drawn = [draw_patient("child", "x", rng(seed)) for seed in range(20)]
    rejected = [each for one in drawn for each in one.rejected]
    low, high = FASTING_RANGE_MG_DL
    assert len(rejected) >= 5
    assert all(each.lowest_mg_dl < low or each.highest_mg_dl > high for each in rejected)
    assert {(each.group, each.during) for each in rejected} == {("child", "fast")}
    for one in drawn:
        glucose = fast(one.patient, one.prescription.basal_u_per_h)
        assert low <= glucose.min() <= glucose.max() <= high


def test_a_range_nobody_holds_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(padova_population, "FASTING_RANGE_MG_DL", (70.0, 71.0))
    monkeypatch.setattr(padova_population, "_MOST_DRAWS", 3)
    with pytest.raises(PadovaError, match="3 drawn patients of group 'adult' in a row"):
        draw_patient("adult", "x", rng(0))


def test_an_unknown_group_is_refused() -> None:
    with pytest.raises(PadovaError, match=r"group 'infant' is unknown.*Nobody was drawn"):
        draw_patient("infant", "x", rng(0))
