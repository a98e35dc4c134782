"""The study and its summary: right people, paired rows, keys that are the worse of two."""

from dataclasses import replace

import numpy as np
import pytest

from models import descent
from models.effect import EffectCalibration
from models.heads import BOOK_PRIOR
from simulations import effects as study
from simulations.effects import DRAWN_SEEDS_FROM, Effects, Person, Plan, Row, run_effects
from simulations.effects_learning import EFFECT_SEED, PRIOR_SEED, TEACHERS, Learned, Lesson
from simulations.effects_page import markdown
from simulations.effects_people import CHANGES, Treatment
from simulations.effects_summary import as_dict, errors, page, spread, summary
from simulations.effects_twin import QUESTIONS, Window
from simulations.padova_world import WORLDS, World
from tests.simulations.effect_cases import book_case

pytestmark = pytest.mark.slow

KEYS = {
    "mard_24h_pct",
    "mard_72h_pct",
    "delta_mean_mae_mg_dl",
    "delta_tir_mae_points",
    "coverage_80_pct",
    "sign_right_pct",
}


def believing() -> Learned:
    """A lesson that takes the twin at its word and the thumb at a quarter, give or take."""
    twin = np.exp(np.random.default_rng(0).normal(3.0, 0.6, (30, 3)))
    noise = np.exp(np.random.default_rng(1).normal(0.0, 0.2, 30))
    lesson = Lesson(
        EffectCalibration.fit(twin, twin[:, 0] * noise),
        EffectCalibration.fit(twin[:, 1:2], 0.25 * twin[:, 1] * noise),
    )
    priors: dict[World, object] = dict.fromkeys(WORLDS, BOOK_PRIOR)
    lessons = dict.fromkeys(TEACHERS, dict.fromkeys(QUESTIONS, lesson))
    return Learned(30, priors, lessons)  # type: ignore[arg-type]


def row(**given: object) -> Row:
    """A row of world A in which the twin is 2 mg/dL and 1 point off."""
    plain: dict[str, object] = dict(
        world="A",
        patient="p",
        window=Window.COMING,
        change="basal-20%",
        treatment=Treatment.BASAL,
        true_mg_dl=20.0,
        twin_mg_dl=25.0,
        estimate_mg_dl=22.0,
        low_mg_dl=18.0,
        high_mg_dl=26.0,
        thumb_mg_dl=16.0,
        thumb_low_mg_dl=10.0,
        thumb_high_mg_dl=18.0,
        true_in_range_points=-10.0,
        in_range_points=-11.0,
        covered=True,
        thumb_covered=False,
        sign_right=True,
    )
    return Row(**(plain | given))  # type: ignore[arg-type]


def whole(*extra: Row) -> Effects:
    """A study with one row for every world, window and treatment, and some more."""
    rows = [
        row(world=w, window=window, treatment=treatment)
        for w in WORLDS
        for window in Window
        for treatment in Treatment
    ]
    people = tuple(Person(w, "p", 9.0, 10.0, 30.0, 31.0, 21.0, 22.0, ()) for w in WORLDS)
    return Effects(Plan("adults", 1), people, (*rows, *extra))


@pytest.fixture(scope="module")
def small() -> Effects:
    """One drawn adult in each world, with short descents."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "DRAWN", 1)
        for name in ("MAX_ITERATIONS", "SCREEN_ITERATIONS", "SCATTERED", "SCREENED"):
            patch.setattr(descent, name, 1)
        return run_effects(Plan("drawn", 3), believing(), None, lambda step: None)


def test_everybody_answers_every_question_in_both_worlds(small: Effects) -> None:
    assert len(small.people) == len(WORLDS)
    assert len(small.rows) == len(WORLDS) * len(QUESTIONS)
    assert {r.change for r in small.rows} == {change.label for change in CHANGES}


def test_rows_say_what_the_intervals_and_signs_say(small: Effects) -> None:
    for r in small.rows:
        assert r.low_mg_dl <= r.estimate_mg_dl <= r.high_mg_dl
        assert r.covered == (r.low_mg_dl <= r.true_mg_dl <= r.high_mg_dl)
        assert r.sign_right == (np.sign(r.estimate_mg_dl) == np.sign(r.true_mg_dl))
        assert np.sign(r.estimate_mg_dl) == np.sign(r.twin_mg_dl)


def test_the_public_adults_are_ten_in_two_stays() -> None:
    assert len(study._adults()) == 10
    assert {patient.group for patient in study._adults()} == {"adult"}


def test_lessons_come_from_the_world_that_was_asked_for() -> None:
    assert [study._teachers("harder", world) for world in WORLDS] == ["B", "B"]
    assert [study._teachers("own", world) for world in WORLDS] == ["A", "B"]
    assert [study._teachers("both", world) for world in WORLDS] == ["both", "both"]


def test_nobody_is_told_the_world_unless_asked_for() -> None:
    plan = Plan("adults", 1)
    assert {study._teachers(plan.taught_in, world) for world in WORLDS} == {"both"}


def test_nobody_who_is_reported_has_taught() -> None:
    assert max(PRIOR_SEED, EFFECT_SEED) < DRAWN_SEEDS_FROM


def test_time_in_range_follows_the_calibrated_size_of_the_difference() -> None:
    one, question = book_case(), (Window.TYPICAL, CHANGES[0])
    lesson = believing().lessons["B"][question]
    half = replace(lesson.twin, offset=lesson.twin.offset - 3.0)
    full = study._row("A", one, question, lesson)
    less = study._row("A", one, question, replace(lesson, twin=half))
    assert abs(less.in_range_points) < abs(full.in_range_points)
    assert less.twin_mg_dl == full.twin_mg_dl


def test_errors_are_means_over_people_and_directions() -> None:
    other = row(patient="q", estimate_mg_dl=26.0, covered=False)
    entry = next(
        e
        for e in errors(whole(other))
        if (e.world, e.window, e.treatment) == ("A", Window.COMING, Treatment.BASAL)
    )
    assert entry.answers == 2
    assert entry.twin_mg_dl == pytest.approx((2.0 + 6.0) / 2)
    assert entry.worst_tenth_mg_dl == pytest.approx(np.quantile([2.0, 6.0], 0.9))
    assert (entry.simulated_mg_dl, entry.thumb_mg_dl, entry.no_change_mg_dl) == (5.0, 4.0, 20.0)
    assert (entry.in_range_points, entry.in_range_no_change_points) == (1.0, 10.0)
    assert (entry.coverage_pct, entry.thumb_coverage_pct) == (50.0, 0.0)


def test_summary_gives_the_worse_of_basal_and_bolus() -> None:
    worse = row(treatment=Treatment.BOLUS, estimate_mg_dl=30.0)
    assert summary(whole(worse))["delta_mean_mae_mg_dl"] == pytest.approx((2.0 + 10.0) / 2)
    beside = row(treatment=Treatment.CARB_RATIO, estimate_mg_dl=90.0)
    assert summary(whole(beside))["delta_mean_mae_mg_dl"] == 2.0


def test_time_in_range_is_summed_up_on_typical_days_and_mean_glucose_on_coming_ones() -> None:
    typical = row(window=Window.TYPICAL, estimate_mg_dl=90.0, in_range_points=-13.0)
    keys = summary(whole(typical))
    assert keys["delta_mean_mae_mg_dl"] == 2.0
    assert keys["delta_tir_mae_points"] == pytest.approx(2.0)


def test_the_hard_keys_are_world_bs() -> None:
    keys = summary(whole(row(world="B", sign_right=False, covered=False)))
    assert {*KEYS, *(f"{key}_hard" for key in KEYS)} <= set(keys)
    assert keys["sign_right_pct"] == 100.0 > keys["sign_right_pct_hard"]
    assert keys["coverage_80_pct_hard"] < keys["coverage_80_pct"]
    assert (keys["mard_24h_pct"], keys["mard_72h_pct"]) == (9.0, 10.0)


def test_every_summary_key_has_its_spread_over_people() -> None:
    """By hand: the worse treatment's error is 2 of one person and 10 of another."""
    worse = row(treatment=Treatment.BOLUS, patient="q", estimate_mg_dl=30.0, covered=False)
    one = whole(worse)
    assert set(spread(one)) == set(summary(one))
    assert spread(one)["delta_mean_mae_mg_dl"] == pytest.approx(4.0)
    assert spread(one)["coverage_80_pct"] == pytest.approx(50.0)
    assert spread(one)["delta_mean_mae_mg_dl_hard"] == 0.0
    people = (*one.people, replace(one.people[0], patient="q", twin_24h_pct=13.0))
    assert spread(replace(one, people=people))["mard_24h_pct"] == pytest.approx(2.0)


def test_the_written_page_says_what_was_counted() -> None:
    text = markdown(whole(), "insula simulate effects --seed 1")
    assert "Written by `insula simulate effects --seed 1`" in text
    mean = "| change of mean glucose, coming days, mg/dL | 2.0 (0.0) | 2.5 | 2.0 (0.0) | 5.0 |"
    assert mean in text
    assert "| A | coming | carb ratio | 2.0 | 0.0 | 2.0 | 5.0 | 4.0 | 20.0 | 1.0 | 0.0 |" in text
    assert text.count("| A |") == text.count("| B |") == 6


def test_everything_is_plain_and_the_page_has_a_line_for_each_error() -> None:
    record = as_dict(whole())
    assert set(record) == {"plan", "summary", "spread_over_people", "errors", "people", "rows"}
    assert page(whole()).row_count == len(errors(whole())) == 12
