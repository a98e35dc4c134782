"""Gains and their doubt by hand, and the three answers."""

import math

import pytest

from simulations.rehearsal_worth import Doubted, errors, losers, worth_it, worths
from tests.simulations.rehearsed import ERRORS, record, scaled


def test_a_gain_is_over_the_better_of_what_costs_no_privacy() -> None:
    """18.81 against 19.0 of own tuning, not 20.0 of the public start: 1 %."""
    members, new, others = worths([record(ERRORS)])
    assert members.gain_pct.mean == new.gain_pct.mean == pytest.approx(1.0)
    assert members.by_horizon[60].mean == pytest.approx(1.0)
    assert others.gain_pct.mean == pytest.approx(100 * 0.5 / 20.0)  # untuned against untuned


def test_a_study_that_is_worse_is_a_negative_gain() -> None:
    assert worths([record(scaled(1.1))])[0].gain_pct.mean == pytest.approx(
        100 * (19.0 - 18.81 * 1.1) / 19.0
    )


def test_doubt_is_students() -> None:
    """Three repeats 1, 2, 3: mean 2, standard error 1/sqrt(3), t of 2 degrees 2.920."""
    three = Doubted((1.0, 2.0, 3.0))
    assert three.mean == 2.0
    assert three.half_width == pytest.approx(2.919986 / math.sqrt(3))
    assert Doubted((2.0,)).half_width == math.inf


@pytest.mark.parametrize(
    ("repeats", "answer"),
    [
        ((2.0, 2.1, 2.2), "yes"),
        ((0.1, 0.2, 0.3), "no"),
        ((-3.0, -3.1, -3.2), "no"),
        ((0.0, 1.0, 4.0), "open"),
        ((0.9, 1.0, 1.1), "open"),
        ((5.0,), "open"),
    ],
)
def test_the_answer_is_yes_or_no_only_beyond_doubt(repeats: tuple[float, ...], answer: str) -> None:
    assert Doubted(repeats).answer(1.0) == answer


@pytest.mark.parametrize(
    ("study", "answer"),
    [((0.97, 0.97, 0.971), "yes"), ((1.03, 1.031, 1.03), "no"), ((0.9, 1.1), "open")],
)
def test_the_study_is_worth_it_if_it_surely_is_to_anybody(
    study: tuple[float, ...], answer: str
) -> None:
    records = [record(scaled(each)) for each in study]
    assert worth_it(worths(records)) == answer


def test_nobody_scored_is_no_answer() -> None:
    assert worth_it([]) == "open"


def test_a_group_that_one_repeat_did_not_score_is_left_out() -> None:
    whole = record(ERRORS)
    kept = tuple(one for one in whole.scores if one.cohort != "new_patients")
    part = whole.model_copy(update={"scores": kept})
    assert [one.question.cohort for one in worths([whole, part])] == ["same_patients", "new_clinic"]


def test_clinics_whose_patients_lose_are_named() -> None:
    records = [record(ERRORS, lagoon) for lagoon in (1.02, 0.99, 1.2)]
    assert losers(records) == {"lagoon": 2}
    assert losers([record(ERRORS)]) == {}


def test_errors_are_those_of_the_records() -> None:
    records = [record(ERRORS), record(scaled(0.5))]
    found = errors(records, "new_clinic", "federated_dp")
    assert found[30].of_repeats == (19.5, 9.75) and found[60].mean == pytest.approx(29.25)
    assert errors(records, "new_clinic", "boosting") == {}
