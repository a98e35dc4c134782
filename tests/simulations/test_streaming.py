"""The study of streaming: changes are what they say, judged on days nobody fitted."""

from dataclasses import replace

import numpy as np
import pytest

from client import twin_following
from client.twin_following import FollowedDay
from models.blending import blended
from models.drift import Alarm
from models.following import Followed
from models.trace import STEPS_PER_DAY, FloatArray
from simulations.effects_people import Subject, drawn_subject
from simulations.streaming import (
    CHANGE_DAY,
    SENSOR_ADDS_MG_DL,
    TRAINING_DAYS,
    Case,
    Fault,
    Judgement,
    Walk,
    as_shipped,
    changed,
    followed,
)
from simulations.streaming_page import as_dict, markdown

WALK = Walk("adolescent", "A", 818, days=28)
ROW = CHANGE_DAY * STEPS_PER_DAY
JUDGEMENT = Judgement(
    np.array([[3.0, 4.0, 5.0], [-3.0, -4.0, -5.0]]),
    np.array([[6.0, 8.0, 10.0], [6.0, 8.0, 10.0]]),
    np.array([[1.0, 1.0, 0.0], [1.0, 0.0, np.nan]]),
    1.1,
)
SHIPPED = FollowedDay(
    day=-1,
    forecasts=2,
    rmse_mg_dl=np.array([2.0, 3.0, 4.0]),
    persistence_mg_dl=np.array([6.0, 8.0, 10.0]),
    covered_pct=np.array([80.0, 81.0, 79.0]),
    ln_sensitivity=0.0,
)


@pytest.fixture(scope="module")
def subject() -> Subject:
    return drawn_subject(WALK.group, 0, WALK.world, WALK.seed, WALK.days)


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return followed(WALK, 0)


@pytest.mark.parametrize("fault", Fault)
def test_before_the_change_nothing_differs(subject: Subject, fault: Fault) -> None:
    usual, other = subject.trace(), changed(subject, fault)
    for name in usual.columns:
        np.testing.assert_array_equal(usual[name][:ROW], other[name][:ROW])
    for name in set(usual.columns) - {"glucose_mg_dl"}:
        np.testing.assert_array_equal(usual[name], other[name])


def test_after_it_readings_go_the_way_they_should(subject: Subject) -> None:
    usual = subject.trace()["glucose_mg_dl"][ROW:]
    after = {fault: changed(subject, fault)["glucose_mg_dl"][ROW:] for fault in Fault}
    np.testing.assert_array_equal(after[Fault.NONE], usual)
    np.testing.assert_allclose(after[Fault.SENSOR] - usual, SENSOR_ADDS_MG_DL)
    for fault in (Fault.RESISTANCE, Fault.PUMP):
        assert np.nanmean(after[fault] - usual) > 5.0


@pytest.mark.slow
def test_a_person_is_judged_on_later_days_under_every_change(cases: list[Case]) -> None:
    assert [one.fault for one in cases] == list(Fault)
    assert {one.watched_days for one in cases} == {WALK.days - TRAINING_DAYS}
    judgement = cases[0].judgement
    hours = 24 * (WALK.days - TRAINING_DAYS)
    assert 0.9 * hours < len(judgement.errors_mg_dl) <= hours
    filtered, held = (
        np.sqrt(np.nanmean(e**2, axis=0))
        for e in (judgement.errors_mg_dl, judgement.persistence_mg_dl)
    )
    assert (filtered < held).all(), "the filter knows more than the last reading"
    assert np.nanmean(judgement.covered) > 0.6


@pytest.mark.slow
def test_what_is_shipped_is_judged_on_the_same_days(
    cases: list[Case], subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the filter again: a body that says nonsense makes it worse than it was."""
    judgement, shipped = cases[0].judgement, cases[0].shipped
    assert 0.9 * len(judgement.errors_mg_dl) < shipped.forecasts <= 24 * WALK.days
    assert (shipped.rmse_mg_dl < shipped.persistence_mg_dl).all()
    held = np.sqrt(np.nanmean(judgement.persistence_mg_dl**2, axis=0))
    assert shipped.persistence_mg_dl == pytest.approx(held, rel=0.02)
    days = TRAINING_DAYS + 2
    record = subject.trace().rows(0, days * STEPS_PER_DAY)
    few = as_shipped(record, days)

    def deaf(seen: Followed, body: FloatArray, *rest: object) -> Followed:
        return blended(seen, body + 80.0, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(twin_following, "blended", deaf)
    worse = as_shipped(record, days)
    assert (worse.whole.rmse_mg_dl > few.whole.rmse_mg_dl).all()
    assert np.array_equal(worse.filter_alone.rmse_mg_dl, few.filter_alone.rmse_mg_dl)


@pytest.mark.parametrize(
    ("fault", "day", "delay", "false"),
    [
        (Fault.NONE, 30, 7, True),
        (Fault.PUMP, CHANGE_DAY, 1, False),
        (Fault.PUMP, CHANGE_DAY + 4, 5, False),
        (Fault.PUMP, CHANGE_DAY - 1, None, True),
    ],
)
def test_delays_count_from_the_day_of_the_change(
    fault: Fault, day: int, delay: int | None, false: bool
) -> None:
    case = Case(fault, Alarm(day, higher=True), 24, JUDGEMENT, SHIPPED)
    assert case.delay_days == delay and case.false_alarm is false


def test_the_written_form_by_hand() -> None:
    none = Case(Fault.NONE, None, 24, JUDGEMENT, SHIPPED)
    rung = replace(none, fault=Fault.PUMP, alarm=Alarm(CHANGE_DAY + 2, higher=True))
    missed = replace(rung, alarm=None)
    plain = as_dict(WALK, [none, rung, missed])
    assert plain["rmse_mg_dl"] == [3.0, 4.0, 5.0]
    assert plain["persistence_mg_dl"] == [6.0, 8.0, 10.0]
    assert plain["covered_80_pct"] == [100.0, 50.0, 0.0]
    assert plain["shipped_rmse_mg_dl"] == [2.0, 3.0, 4.0]
    assert plain["shipped_covered_80_pct"] == [80.0, 81.0, 79.0]
    assert plain["false_alarms"] == 0 and plain["days_without_change"] == 24
    changes = plain["changes"]
    assert isinstance(changes, dict)
    assert changes[Fault.PUMP.value] == {"people": 2, "noticed": 1, "median_delay_days": 3.0}
    text = markdown(WALK, [none, rung, missed])
    assert "| filter alone, RMSE mg/dL | 3.0 | 4.0 | 5.0 |" in text
    assert "| as shipped: refitted, with the body, RMSE mg/dL | 2.0 | 3.0 | 4.0 |" in text
    assert "| the pump gives half | 1 of 2 | 3.0 |" in text
