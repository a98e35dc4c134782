"""The study of priors: who is judged never taught, noise only where privacy is, plain means."""

from dataclasses import replace

import numpy as np
import pytest

from models.calibration import Calibration, calibrate
from models.head_prior import SIZES, HeadMoments
from models.heads import BOOK_PRIOR, LATENT, NAMES, Head, HeadPrior
from simulations import prior_study
from simulations.effects_people import Treatment, drawn_subject
from simulations.effects_twin import Window, truth
from simulations.prior_study import (
    ASKED,
    GROUP,
    NEW_SEED,
    TEACHERS_SEED,
    Judgement,
    PriorPlan,
    PriorStudy,
    all_priors,
    released_prior,
)

PLAN = PriorPlan(sites=3, patients=20, new_patients=1, days=(3,), draws=2)
OFF = 0.8
"""How far the made-up population lies from the public prior, in public sds."""


def made_up_heads(count: int, off: float = OFF, seed: int = 0) -> list[Calibration]:
    random = np.random.default_rng(seed)
    z = off + 0.4 * random.standard_normal((count, len(NAMES)))
    return [
        Calibration(
            patient=str(place),
            head=Head(BOOK_PRIOR.mean + BOOK_PRIOR.sd * one, np.zeros(LATENT), 0.97, 4.0),
            covariance=0.1 * BOOK_PRIOR.covariance,
            objective=0.0,
            flags=(),
            known_days=14.0,
            readings=4000,
        )
        for place, one in enumerate(z)
    ]


def away(prior: HeadPrior) -> float:
    """Mean distance of a prior's mean from the public one, public sds."""
    return float(np.mean((prior.mean - BOOK_PRIOR.mean) / BOOK_PRIOR.sd))


@pytest.fixture(scope="module")
def heads() -> list[Calibration]:
    return made_up_heads(PLAN.teachers)


def test_each_prior_is_there_once_and_each_private_one_once_a_draw(
    heads: list[Calibration],
) -> None:
    names = [name for name, _ in all_priors(PLAN, heads)]
    private = ["epsilon 8"] * 2 + ["epsilon 4"] * 2 + ["epsilon 2"] * 2
    assert names == ["book", "own clinic", "federated", *private]


def test_a_prior_under_privacy_goes_where_the_population_is(heads: list[Calibration]) -> None:
    reached = {e: away(released_prior(PLAN, heads, e, 0)) for e in (40.0, 8.0, 0.05)}
    assert reached[40.0] == pytest.approx(OFF, abs=0.15)
    assert reached[8.0] == pytest.approx(OFF, abs=0.25)
    assert abs(reached[0.05]) < 0.15, "noise alone teaches nothing"


def test_a_population_that_is_the_public_one_teaches_nothing() -> None:
    usual = made_up_heads(PLAN.teachers, off=0.0)
    for seed in range(4):
        prior = released_prior(PLAN, usual, 8.0, seed)
        assert np.abs((prior.mean - BOOK_PRIOR.mean) / BOOK_PRIOR.sd).max() < 0.3


def test_draws_of_the_noise_differ_and_come_again(heads: list[Calibration]) -> None:
    one, again, other = (released_prior(PLAN, heads, 8.0, seed) for seed in (0, 0, 1))
    assert one.mean.tobytes() == again.mean.tobytes() != other.mean.tobytes()


def test_variances_are_learned_only_where_they_are_released(heads: list[Calibration]) -> None:
    wide = replace(PLAN, numbers=SIZES[1])
    learned = released_prior(wide, heads, 40.0, 0)
    ratio = np.diag(learned.covariance) / BOOK_PRIOR.sd**2
    assert ratio.mean() < 0.6, "the population is narrower than the public one"
    alone = released_prior(PLAN, heads, 40.0, 0)
    np.testing.assert_allclose(np.diag(alone.covariance), BOOK_PRIOR.sd**2)


def test_a_clinic_larger_than_it_declares_moves_nobody_s_bound(heads: list[Calibration]) -> None:
    """Every answer is clipped to the same norm before it is added."""
    vector = HeadMoments(np.zeros(1, dtype=np.float32), SIZES[0])
    loud = replace(heads[0], head=replace(heads[0].head, theta=BOOK_PRIOR.mean + 1e6))
    quiet = released_prior(PLAN, heads, 8.0, 0)
    moved = released_prior(PLAN, [loud, *heads[1:]], 8.0, 0)
    assert np.linalg.norm(vector.moments(loud.head, loud.covariance)) > 1e3
    assert abs(away(moved) - away(quiet)) < 0.25


def test_who_is_judged_never_taught() -> None:
    assert TEACHERS_SEED != NEW_SEED
    taught = drawn_subject(GROUP, 0, "A", TEACHERS_SEED, days=1)
    judged = drawn_subject(GROUP, 0, "A", NEW_SEED, days=1)
    assert not np.array_equal(taught.patient.constants, judged.patient.constants)


def test_what_is_asked_lies_in_the_days_to_come() -> None:
    assert len(ASKED) == 4
    assert {question[0] for question in ASKED} == {Window.COMING}
    assert {question[1].treatment for question in ASKED} == {Treatment.BASAL, Treatment.BOLUS}


@pytest.mark.slow
def test_a_judgement_sees_only_the_last_days(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    known = calibrate

    def noted(traces: list[object], *rest: object, **more: object) -> object:
        seen.extend(len(one) for one in traces)  # type: ignore[arg-type]
        return known(traces, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(prior_study, "calibrate", noted)
    subject = drawn_subject(GROUP, 1, "A", NEW_SEED)
    true = truth(subject)
    one = prior_study._judgement(subject, true, "book", BOOK_PRIOR, 1)
    assert seen == [288] and one.days == 1 and one.prior == "book"
    assert 0.0 < one.effect_error_mg_dl < 60.0 and 0.0 < one.mard_24h_pct < 80.0
    perfect = {q: replace(true[q], mean_mg_dl=true[q].mean_mg_dl + 100.0) for q in true}
    worse = prior_study._judgement(subject, perfect, "book", BOOK_PRIOR, 1)
    assert worse.effect_error_mg_dl > one.effect_error_mg_dl + 50.0


def test_shares_and_means_by_hand() -> None:
    def said(prior: str, error: float) -> Judgement:
        return Judgement(prior, 3, error, 10.0)

    study = PriorStudy(
        PLAN,
        (
            said("book", 8.0),
            said("federated", 4.0),
            said("epsilon 8", 4.0),
            said("epsilon 8", 6.0),
        ),
    )
    assert study.mean("epsilon 8", 3, lambda one: one.effect_error_mg_dl) == 5.0
    assert study.kept_pct("epsilon 8", 3) == pytest.approx(75.0)
    assert study.kept_pct("book", 3) == 0.0 and study.kept_pct("federated", 3) == 100.0
    assert study.priors == ["book", "federated", "epsilon 8"]
