"""The written form of the study of priors."""

import json
from dataclasses import replace

import pytest

from simulations.prior_page import as_dict, markdown
from simulations.prior_study import Judgement, PriorPlan, PriorStudy


@pytest.fixture
def study() -> PriorStudy:
    plan = PriorPlan(days=(1, 3), new_patients=1, draws=1)
    errors = {"book": (9.0, 8.0), "federated": (5.0, 4.0), "epsilon 8": (6.0, 5.0)}
    found = [
        Judgement("one", prior, days, error, 2.0 * error)
        for prior, pair in errors.items()
        for days, error in zip((1, 3), pair, strict=True)
    ]
    return PriorStudy(plan, tuple(found))


def test_plain_values_are_those_found(study: PriorStudy) -> None:
    plain = json.loads(json.dumps(as_dict(study)))
    found = {(one["prior"], one["days"]): one for one in plain["results"]}
    assert found["epsilon 8", 3]["effect_mae_mg_dl"] == 5.0
    assert found["epsilon 8", 3]["mard_24h_pct"] == 10.0
    assert found["epsilon 8", 3]["kept_pct"] == pytest.approx(75.0)
    assert found["epsilon 8", 3]["kept_80_pct"] == pytest.approx([75.0, 75.0])
    assert found["epsilon 8", 3]["gain_mg_dl"] == pytest.approx(3.0)
    assert len(plain["patients"]) == 6 and plain["plan"]["sites"] == 4


def test_tables_have_priors_down_and_days_across(study: PriorStudy) -> None:
    lines = markdown(study).splitlines()
    assert lines.count("| prior | 1 d | 3 d |") == 4 and lines.count("|---|---|---|") == 4
    assert "| book | 9.00 | 8.00 |" in lines and "| epsilon 8 | 12.00 | 10.00 |" in lines
    assert "| epsilon 8 | 75 (75 to 75) | 75 (75 to 75) |" in lines
    assert "| epsilon 8 | 3.00 (nan) | 3.00 (nan) |" in lines, "one person has no spread"
    assert "World A: 4 clinics of 18 drawn adults teach" in lines[0]
    assert "about the book prior" in lines[0] and "without their clinic's factors" in lines[0]


def test_the_page_says_whom_it_is_about(study: PriorStudy) -> None:
    children = replace(study, plan=replace(study.plan, group="child"))
    assert "4 clinics of 18 drawn children teach" in markdown(children)
