from dataclasses import replace

import numpy as np
import pytest

from client import known_twin, twin_plan
from client.card_verdict import Judgement
from client.plan_words import plan_sentences
from client.trial_words import catalogue
from client.twin_plan import Proposal, as_dict, plan_rows, propose, why_not
from models.evidence import Experiment
from models.levers import Steps
from models.outcome import Shift
from models.regimen_search import Found
from models.trace import Trace
from study.failure import Failure
from tests.client.recorded_person import recorded_person
from tests.models.virtual import columns, trace_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def proposal() -> Proposal:
    return propose(recorded_person())


def test_settings_are_within_reach_and_whole_steps(proposal: Proposal) -> None:
    for one in as_dict(proposal)["settings"]:  # type: ignore[attr-defined]
        assert abs(one["change_pct"]) <= 20.0 + 1e-6


def test_this_record_s_boluses_follow_the_carbs_and_it_is_said(proposal: Proposal) -> None:
    assert proposal.experiments["ratio breakfast"] is Experiment.SKIPPED_BREAKFAST
    assert proposal.experiments["basal night"] is Experiment.BASAL_TWO_NIGHTS
    assert any("leave out breakfast" in one for one in plan_sentences(as_dict(proposal)))


def test_a_poor_card_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a card that says stop, before which nothing may be searched."""
    stop = Judgement(None, twin_plan.STOP, ())
    monkeypatch.setattr(known_twin, "judge", lambda trace, prior: stop)
    monkeypatch.setattr(twin_plan, "search", lambda *given: pytest.fail("searched"))
    refused = propose(recorded_person())
    assert refused.refused == "poor_card" and not refused.moved
    assert "should not be asked" in plan_sentences(as_dict(refused))[0]


@pytest.fixture
def found(proposal: Proposal) -> Found:
    assert proposal.found is not None
    return proposal.found


def test_every_reason_against_a_plan_has_its_words(found: Found) -> None:
    nothing = replace(found, setting={})
    falls = {**found.outcome.shifts, "gri": Shift(-3.0, -5.0, -1.0)}
    moved = {"basal night": 1.1, "ratio lunch": 9.0}
    sure = replace(found.outcome, shifts=falls, helps=0.96)
    plan = replace(found, setting=moved, outcome=sure)
    doubtful = replace(plan, outcome=replace(sure, helps=0.94))
    night = {"basal night": Experiment.BASAL_TWO_NIGHTS}
    both = {**night, "ratio lunch": Experiment.COVERED_DIFFERENTLY}
    reasons = [
        why_not(None, {}),
        why_not(nothing, {}),
        why_not(doubtful, {}),
        why_not(plan, both),
    ]
    assert reasons == ["poor_card", "nothing_better", "no_difference", "untold"]
    assert set(reasons) == set(catalogue()["plan"]["refused"])
    assert why_not(plan, night) == ""
    assert {one.value for one in Experiment} == set(catalogue()["plan"]["experiment"])


def test_a_plan_says_what_why_and_how_surely(proposal: Proposal, found: Found) -> None:
    lever = proposal.levers[0]
    moved = replace(found, setting={lever.name: 0.9})
    told = " ".join(plan_sentences(as_dict(replace(proposal, found=moved, refused=""))))
    assert "Basal night: from 0.8 to 0.9 U/h (+12 %)." in told
    assert "less than 5 %" in told and "80 % of 32 twins" in told


def test_pens_have_larger_steps_than_pumps() -> None:
    person = recorded_person()
    table = dict(person.columns)
    table["basal_u_per_h"] = np.zeros(len(person))
    table["long_acting_u"] = np.zeros(len(person))
    table["long_acting_u"][264::288] = 19.0
    injecting = Trace(person.patient, person.time_zone, 5, person.start_utc_s, table)
    (dose,) = (
        one
        for one in propose(injecting, steps=Steps(long_acting_u=2.0)).levers
        if "dose" in one.name
    )
    assert dose.settings() == (16.0, 18.0, 19.0, 20.0, 22.0)


def test_days_without_an_injection_do_not_end_the_search() -> None:
    """A day on which none was taken or written down bears no change of the dose: it is left out."""
    person = recorded_person()
    table = dict(person.columns)
    table["basal_u_per_h"] = np.zeros(len(person))
    table["long_acting_u"] = np.zeros(len(person))
    table["long_acting_u"][264 : 4 * 288 : 288] = 19.0
    injecting = Trace(person.patient, person.time_zone, 5, person.start_utc_s, table)
    found = propose(injecting)
    assert found.days == 4 and any("dose" in one.name for one in found.levers)


def test_the_clinic_s_factor_makes_another_twin(proposal: Proposal) -> None:
    known = propose(recorded_person(), correction_mg_dl_per_u=20.0)
    assert not np.array_equal(known.calibration.head.theta, proposal.calibration.head.theta)
    assert all(lever.kind != "correction_factor" for lever in known.levers)


def test_days_of_a_plan_follow_a_recorded_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a day without insulin on record; neither it nor the day after it counts."""
    monkeypatch.setattr(twin_plan, "FEWEST_DAYS", 1)
    person = recorded_person()
    whole = plan_rows(person)
    holed = {name: values.copy() for name, values in person.columns.items()}
    gone = whole[-3]
    holed["basal_u_per_h"][gone : gone + 288] = np.nan
    holed["bolus_u"][gone : gone + 288] = np.nan
    rows = plan_rows(replace(person, columns=holed))
    assert set(whole) - set(rows) >= {gone, whole[-2]} and len(rows) == len(whole) - 2


def test_too_few_days_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twin_plan, "FEWEST_DAYS", 15)
    with pytest.raises(Failure, match="a plan needs 15"):
        propose(recorded_person())


def test_somebody_without_insulin_on_record_is_refused() -> None:
    with pytest.raises(Failure):
        propose(trace_of(columns(8, basal_u_per_h=np.zeros(8 * 288))))
