import numpy as np
import pytest

from models.dose_response import Response, Responses
from models.effect import EffectCalibration
from models.levers import PARTS_OF_DAY, Lever
from models.scenario import Daily
from models.size_doubt import KINDS, OWN_SD, SizeDoubt, doubt_of_sizes, lesson_of
from models.trace import STEPS_PER_DAY, FloatArray

BASAL = Lever("basal night", "basal", PARTS_OF_DAY["night"], 1.0, 0.05, "U/h")
RATIO = Lever("ratio lunch", "carb_ratio", PARTS_OF_DAY["afternoon"], 10.0, 0.5, "g/U")
PEN = Lever("long-acting dose", "long_acting", Daily(), 20.0, 1.0, "U a day")


def responses(*sizes_mg_dl: float) -> Responses:
    """A day with levers of these sizes."""
    flat = [np.full((3, STEPS_PER_DAY), size) for size in sizes_mg_dl]
    levers = (BASAL, RATIO, PEN)
    measured = np.full(STEPS_PER_DAY, 140.0)
    pairs = zip(levers, flat, strict=False)
    return Responses(measured, tuple(Response(lever, path, -path) for lever, path in pairs))


def taught(factor: float, scatter: float, seed: int = 1) -> EffectCalibration:
    """A lesson of 40 people whose truth is `factor` of what the twin says, whatever is left."""
    rng = np.random.default_rng(seed)
    said: FloatArray = np.column_stack([rng.uniform(3.0, 20.0, 40), rng.uniform(15.0, 30.0, 40)])
    return EffectCalibration.fit(said, factor * said[:, 0] * np.exp(rng.normal(0, scatter, 40)))


def test_who_teaches_that_effects_are_larger_makes_them_larger() -> None:
    lessons = {"basal": taught(1.5, 0.05), "carb_ratio": taught(1.0, 0.3)}
    doubt = doubt_of_sizes(lessons, responses(8.0, 8.0), 20.0)
    assert np.exp(doubt.ln_factor["basal"]) == pytest.approx(1.5, rel=0.05)
    assert np.exp(doubt.ln_factor["carb_ratio"]) == pytest.approx(1.0, rel=0.15)
    assert doubt.sd["basal"] < 0.1 < 0.2 < doubt.sd["carb_ratio"]


def test_injections_are_doubted_as_basal_rates() -> None:
    assert lesson_of(PEN) == lesson_of(BASAL) == "basal" != lesson_of(RATIO)
    assert responses(1.0, 2.0, 4.0).size_mg_dl(KINDS["basal"]) == pytest.approx(5.0)


def test_levers_of_one_patient_err_together_and_a_little_alone() -> None:
    doubt = SizeDoubt({"basal": 0.2, "carb_ratio": 0.0}, {"basal": 0.4, "carb_ratio": 0.4})
    basal, ratio = np.log(doubt.sizes([BASAL, RATIO], 4000))
    assert basal.mean() == pytest.approx(0.2, abs=0.03)
    assert basal.std() == pytest.approx(np.hypot(0.4, OWN_SD), rel=0.05)
    assert np.corrcoef(basal, ratio)[0, 1] > 0.85
    again = doubt.sizes([BASAL, RATIO], 4000)
    assert np.array_equal(np.log(again[0]), basal)


def test_an_effect_of_nearly_nothing_is_no_fault() -> None:
    lessons = {kind: taught(1.0, 0.1) for kind in KINDS}
    doubt = doubt_of_sizes(lessons, responses(0.0, 0.01), 20.0)
    assert all(np.isfinite([*doubt.ln_factor.values(), *doubt.sd.values()]))
