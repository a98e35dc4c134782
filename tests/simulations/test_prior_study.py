"""The study of priors: who is judged never taught, noise only where privacy is, plain means."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from models.calibration import Calibration, calibrate
from models.head_prior import SIZES
from models.heads import BOOK_PRIOR, LATENT, NAMES, Head, HeadPrior
from models.trace import FloatArray
from simulations import prior_study
from simulations.cli import app
from simulations.effects_people import Treatment, drawn_subject
from simulations.effects_twin import Window, truth
from simulations.prior_study import (
    ASKED,
    NEW_SEED,
    SIZE,
    TEACHERS_SEED,
    Judgement,
    PriorPlan,
    PriorStudy,
    all_priors,
    run_prior_study,
)
from simulations.prior_teachers import VIRTUAL_SEED, Class, PriorRelease, released_prior
from study.failure import Failure

pytestmark = pytest.mark.slow

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


def released(heads: list[Calibration], epsilon: float, seed: int, **other: int) -> HeadPrior:
    clinics = [heads[n : n + PLAN.patients] for n in range(0, len(heads), PLAN.patients)]
    return released_prior(clinics, PriorRelease(**other), epsilon, seed)  # type: ignore[arg-type]


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
    reached = {e: away(released(heads, e, 0)) for e in (40.0, 8.0, 0.05)}
    assert reached[40.0] == pytest.approx(OFF, abs=0.15)
    assert reached[8.0] == pytest.approx(OFF, abs=0.25)
    assert abs(reached[0.05]) < 0.15, "noise alone teaches nothing"


def test_a_population_that_is_the_public_one_teaches_nothing() -> None:
    usual = made_up_heads(PLAN.teachers, off=0.0)
    for seed in range(4):
        prior = released(usual, 8.0, seed)
        assert np.abs((prior.mean - BOOK_PRIOR.mean) / BOOK_PRIOR.sd).max() < 0.3


def test_draws_of_the_noise_differ_and_come_again(heads: list[Calibration]) -> None:
    one, again, other = (released(heads, 8.0, seed) for seed in (0, 0, 1))
    assert one.mean.tobytes() == again.mean.tobytes() != other.mean.tobytes()


def test_variances_are_learned_only_where_they_are_released(heads: list[Calibration]) -> None:
    learned = released(heads, 40.0, 0, numbers=SIZES[1])
    ratio = np.diag(learned.covariance) / BOOK_PRIOR.sd**2
    assert ratio.mean() < 0.6, "the population is narrower than the public one"
    alone = released(heads, 40.0, 0)
    np.testing.assert_allclose(np.diag(alone.covariance), BOOK_PRIOR.sd**2)


def test_nobody_s_answer_moves_a_prior_far(heads: list[Calibration]) -> None:
    """Every answer is clipped to the same norm before it is added."""
    loud = replace(heads[0], head=replace(heads[0].head, theta=BOOK_PRIOR.mean + 1e6))
    quiet = released(heads, 8.0, 0)
    louder = released([loud, *heads[1:]], 8.0, 0)
    assert abs(away(louder) - away(quiet)) < 0.25


def moved(epsilon: float, draws: int = 40) -> FloatArray:
    """How far noise moves the prior of seven people, two clinics, of the public population, z."""
    usual = made_up_heads(7, off=0.0)
    priors = [
        released_prior([usual[:3], usual[3:]], PriorRelease(), epsilon, seed)
        for seed in range(draws)
    ]
    z = np.array([(one.mean - BOOK_PRIOR.mean) / BOOK_PRIOR.sd for one in priors])
    away: FloatArray = np.linalg.norm(z, axis=1)
    return away


@pytest.mark.parametrize("epsilon", [8.0, 4.0, 2.0])
def test_few_people_hardly_ever_move_the_public_prior(epsilon: float) -> None:
    far = moved(epsilon)
    assert (far > 0.0).mean() <= 0.15, "one in twenty by chance"
    assert far.max() < 3.0, "a typical person is sqrt(18) = 4.2 away"


def test_without_evidence_noise_would_move_it_in_many_draws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Planted: whatever is likelier than nothing is believed, as before."""
    monkeypatch.setattr("simulations.prior_teachers.LEAST_EVIDENCE", 0.0)
    assert (moved(2.0) > 0.0).mean() > 0.25


def test_without_shrinkage_few_people_would_move_it_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: the noise is taken for what the people said."""

    def as_it_came(u: FloatArray, *rest: object) -> FloatArray:
        return u

    monkeypatch.setattr("simulations.prior_teachers.shrunk", as_it_came)
    usual = made_up_heads(7, off=0.0)
    prior = released_prior([usual[:3], usual[3:]], PriorRelease(), 2.0, 0)
    assert np.linalg.norm((prior.mean - BOOK_PRIOR.mean) / BOOK_PRIOR.sd) > 2.0


def test_about_the_virtual_prior_nothing_learned_is_the_virtual_prior(
    heads: list[Calibration],
) -> None:
    plan = replace(PLAN, release=PriorRelease(about="virtual"))
    named = all_priors(plan, heads)
    assert [name for name, _ in named][:3] == ["book", "virtual", "own clinic"]
    virtual = dict(named)["virtual"]
    noise = released_prior([heads[:3]], plan.release, 0.02, 0)
    np.testing.assert_allclose(noise.covariance, virtual.covariance)
    off = np.linalg.solve(np.linalg.cholesky(virtual.covariance), noise.mean - virtual.mean)
    assert np.linalg.norm(off) < 0.8


def test_who_is_judged_never_taught() -> None:
    assert len({TEACHERS_SEED, NEW_SEED, VIRTUAL_SEED}) == 3
    taught = drawn_subject("adult", 0, "A", TEACHERS_SEED, days=1)
    judged = drawn_subject("adult", 0, "A", NEW_SEED, days=1)
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
    subject = drawn_subject("adult", 1, "A", NEW_SEED)
    true = truth(subject)
    one = prior_study._judgement(subject, true, None, ("book", 1), BOOK_PRIOR)
    assert seen == [288] and one.days == 1 and one.prior == "book"
    assert 0.0 < one.effect_error_mg_dl < 60.0 and 0.0 < one.mard_24h_pct < 80.0
    perfect = {q: replace(true[q], mean_mg_dl=true[q].mean_mg_dl + 100.0) for q in true}
    worse = prior_study._judgement(subject, perfect, None, ("book", 1), BOOK_PRIOR)
    assert worse.effect_error_mg_dl > one.effect_error_mg_dl + 50.0


@pytest.mark.slow
def test_factors_on_file_make_another_twin() -> None:
    subject = drawn_subject("adult", 1, "A", NEW_SEED)
    true = truth(subject)
    with_, without = (
        prior_study._judgement(subject, true, known, ("book", 1), BOOK_PRIOR)
        for known in (subject.knowledge, None)
    )
    assert with_.effect_error_mg_dl != without.effect_error_mg_dl


def said(prior: str, error: float, patient: str = "one") -> Judgement:
    return Judgement(patient, prior, 3, error, 10.0)


def test_shares_and_means_by_hand() -> None:
    found = (("book", 8.0), ("federated", 4.0), ("epsilon 8", 4.0), ("epsilon 8", 6.0))
    study = PriorStudy(PLAN, tuple(said(*one) for one in found))
    assert study.mean("epsilon 8", 3, lambda one: one.effect_error_mg_dl) == 5.0
    assert study.kept_pct("epsilon 8", 3) == pytest.approx((75.0, 75.0, 75.0))
    assert study.kept_pct("book", 3)[0] == 0.0 and study.kept_pct("federated", 3)[0] == 100.0
    assert study.priors == ["book", "federated", "epsilon 8"]


def test_splits_have_other_teachers_and_other_noise() -> None:
    heads = made_up_heads(2 * PLAN.teachers)
    plan = replace(PLAN, splits=2)
    first, second = (all_priors(plan, heads, split) for split in (0, 1))
    assert [name for name, _ in first] == [name for name, _ in second]
    np.testing.assert_array_equal(first[-1][1].mean, all_priors(PLAN, heads)[-1][1].mean)
    again = all_priors(PLAN, heads[PLAN.teachers :])
    np.testing.assert_array_equal(again[2][1].mean, second[2][1].mean, "taught by the second half")
    assert not np.array_equal(again[-1][1].mean, second[-1][1].mean), "the same noise twice"


def test_people_are_judged_under_the_priors_of_their_own_split(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = replace(PLAN, splits=2, new_patients=1)
    other = replace(BOOK_PRIOR, mean=BOOK_PRIOR.mean + 1.0)
    priors = [[("book", BOOK_PRIOR)] * 2, [("book", other)] * 2]
    seen = []

    def noted(*said: object) -> Judgement:
        seen.append(said[-1])
        return Judgement("one", "book", 3, 1.0, 1.0)

    monkeypatch.setattr(prior_study, "_judgement", noted)
    found = prior_study._judged(plan, priors, 1)
    assert seen == [other, other]
    assert [(one.split, one.draw) for one in found] == [(1, 0), (1, 1)]


def test_children_are_taught_by_children_and_children_are_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = replace(PLAN, group="child", days=(), new_patients=1)
    asked: list[object] = []

    def taught(people: Class, count: int, *_: object) -> list[Calibration]:
        asked.append(people.groups)
        return made_up_heads(count)

    def judged(group: str, number: int, *_: object) -> object:
        asked.append(group)
        return drawn_subject("child", number, "A", NEW_SEED)

    monkeypatch.setattr(prior_study, "taught", taught)
    monkeypatch.setattr(prior_study, "drawn_subject", judged)
    run_prior_study(plan, None, lambda step: None)
    assert asked == [("child",), "child"]


def test_draws_and_splits_apart_by_hand() -> None:
    found = [
        replace(said(prior, error, patient), split=split, draw=draw)
        for patient, split in (("a", 0), ("b", 1))
        for prior, errors in (("book", [8.0]), ("federated", [4.0]), ("epsilon 8", [4.0, 6.0]))
        for draw, error in enumerate(errors)
    ]
    found[-1] = replace(found[-1], effect_error_mg_dl=2.0)
    study = PriorStudy(PLAN, tuple(found))
    np.testing.assert_allclose(study.kept_by_draw_pct("epsilon 8", 3), [100.0, 100.0])
    np.testing.assert_allclose(study.kept_by_split_pct("epsilon 8", 3), [75.0, 125.0])


def test_draws_are_averaged_before_people_are_compared() -> None:
    """Two people; more draws of one must not weigh more, nor make the error look surer."""
    found = [said("book", 8.0, "a"), said("book", 4.0, "b")]
    found += [said("federated", 4.0, "a"), said("federated", 2.0, "b")]
    found += [said("epsilon 8", error, "a") for error in (5.0, 7.0)]
    found += [said("epsilon 8", 4.0, "b")]
    study = PriorStudy(PLAN, tuple(found))
    assert study.gain("epsilon 8", 3) == pytest.approx((1.0, 1.0))
    assert study.gain("federated", 3) == pytest.approx((3.0, 1.0))
    share, low, high = study.kept_pct("epsilon 8", 3)
    assert share == pytest.approx(100.0 / 3.0) and low == 0.0 and high == pytest.approx(50.0)


def test_a_federation_that_helps_nobody_has_no_share() -> None:
    found = [said(prior, 5.0) for prior in ("book", "federated", "epsilon 8")]
    assert np.isnan(PriorStudy(PLAN, tuple(found)).kept_pct("epsilon 8", 3)).all()


def test_quick_asks_less_of_the_same_people() -> None:
    quick = PLAN.quick
    assert (quick.days, quick.epsilons, quick.draws) == ((3,), (8.0,), 1)
    assert (quick.sites, quick.patients, quick.release) == (3, 20, PLAN.release)
    assert PriorPlan("A", *SIZE["large"]).teachers == 500


def test_real_people_that_are_not_there_are_asked_for(tmp_path: Path) -> None:
    said = CliRunner().invoke(app, ["prior-real", str(tmp_path), "--processes", "1"])
    assert said.exit_code != 0 and isinstance(said.exception, Failure)
    assert "uom" in str(said.exception)


def test_the_command_again_holds_heads_and_draws_many_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plans: list[PriorPlan] = []

    def noted(plan: PriorPlan, *_: object) -> PriorStudy:
        plans.append(plan)
        found = (("book", 8.0), ("federated", 4.0), ("epsilon 8", 5.0))
        return PriorStudy(replace(plan, epsilons=(8.0,)), tuple(said(*one) for one in found))

    monkeypatch.setattr("simulations.prior_cli.run_prior_study", noted)
    words = ["simulate", "prior-again", "--splits", "3", "--draws", "5", "--people", "2"]
    answered = CliRunner().invoke(app, [*words[1:], "--processes", "1", "--json"])
    assert answered.exit_code == 0, answered.output
    (plan,) = plans
    assert (plan.splits, plan.draws, plan.new_patients, plan.days) == (3, 5, 2, (3,))
    assert plan.group == "adult"
    CliRunner().invoke(app, [*words[1:], "--group", "child", "--processes", "1"])
    assert plans[1].group == "child"
    assert '"kept_by_draw_pct"' in answered.stdout
