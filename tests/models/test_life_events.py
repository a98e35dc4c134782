"""Events of a record: what counts as one, and what it does."""

import numpy as np
import pytest

from models.life_effect import PROTEIN, population_middle
from models.life_events import combined, late_events, named_events, recorded_events
from models.lived import BOOST, RISE, Modifiers
from models.meal_delay import NO_DELAY
from models.movement import Bout, Kind, moved
from models.scenario import Life
from models.strain import Stretch
from models.trace import STEPS_PER_DAY, FloatArray, Trace
from tests.models.living_person import THETA
from tests.models.virtual import columns, trace_of

MIDDLE = population_middle()
DAYS = 3
ROWS = DAYS * STEPS_PER_DAY


def record(**given: FloatArray) -> Trace:
    return trace_of(columns(DAYS, **given))


def column(value: float = 0.0) -> FloatArray:
    return np.full(ROWS, value)


def test_a_quarter_of_an_hour_of_brisk_walking_is_a_bout_and_ten_minutes_are_none() -> None:
    steps = column()
    steps[100:102] = 600.0  # 120 a minute for ten minutes
    steps[200:209] = 600.0
    (bout,) = recorded_events(record(steps=steps))
    assert (bout.kind, bout.row) == ("exercise", 200)
    plain = moved([Bout(0, 45, Kind.AEROBIC, 55.0)], bout.rows, MIDDLE)
    assert np.array_equal(bout.bends(THETA[None], MIDDLE).boost, plain.boost)


def test_a_heart_rate_tells_more_than_steps() -> None:
    steps, beats = column(600.0), column(75.0)
    beats[300:312] = 140.0
    (bout,) = recorded_events(record(steps=steps, heart_rate_bpm=beats))
    plain = moved([Bout(0, 60, Kind.AEROBIC, 60.0)], bout.rows, MIDDLE)
    assert bout.row == 300
    assert np.array_equal(bout.bends(THETA[None], MIDDLE).uptake, plain.uptake)


@pytest.mark.parametrize(("hours", "short"), [(4.0, 1), (7.0, 0), (0.5, 0)])
def test_a_short_night_is_one_of_two_to_five_hours(hours: float, short: int) -> None:
    asleep = column()
    begin = STEPS_PER_DAY + 12
    asleep[begin : begin + int(12 * hours)] = 1.0
    found = recorded_events(record(asleep=asleep))
    assert len(found) == short
    for night in found:
        assert night.kind == "short_sleep" and night.row == begin + int(12 * hours)


def meals(fat: tuple[float, ...], protein: tuple[float, ...]) -> Trace:
    table = {name: column(0.0) for name in ("carbs_g", "fat_g", "protein_g")}
    for number, (f, p) in enumerate(zip(fat, protein, strict=True)):
        row = 100 + 150 * number
        table["carbs_g"][row], table["fat_g"][row], table["protein_g"][row] = 50.0, f, p
    return record(**table)


def test_meals_like_the_usual_one_do_nothing_more() -> None:
    trace = meals((20.0, 20.0), (25.0, 25.0))
    found = recorded_events(trace)
    assert [one.kind for one in found] == ["meal", "meal"]
    bent = combined(found, THETA[None], MIDDLE, ROWS)
    assert np.allclose(bent, Modifiers.none(1, ROWS).stacked(), atol=1e-12)


def test_fat_and_protein_above_the_usual_slow_resist_and_rise_later() -> None:
    trace = meals((10.0, 40.0), (10.0, 50.0))
    light, rich = recorded_events(trace)
    assert PROTEIN in rich.effects
    bent = rich.bends(THETA[None], MIDDLE)
    assert bent.rise[0, :12].mean() < 0.0 < bent.rise[0, 30:60].mean()
    assert bent.action.min() < 0.95 and bent.action.max() <= 1.0
    assert light.bends(THETA[None], MIDDLE).action.max() > 1.0


def test_the_same_carbohydrate_appears_in_the_end_whatever_the_fat() -> None:
    trace = meals((10.0, 40.0), (20.0, 20.0))
    rise = recorded_events(trace)[1].bends(THETA[None], MIDDLE).rise[0]
    assert abs(rise.sum()) < 0.03 * np.abs(rise).sum()


def test_events_of_a_file_lie_at_their_minute_and_outside_the_record_nowhere() -> None:
    life = Life(
        exercise=(Bout(1003, 30, Kind.INTERVAL, 55.0), Bout(-500, 30, Kind.AEROBIC, 55.0)),
        stress_minutes=(600,),
        luteal=(Stretch(0, 1440),),
    )
    found = named_events(life, record())
    assert [one.kind for one in found] == ["luteal_phase", "stress", "exercise"]
    whole = moved([Bout(1003, 30, Kind.INTERVAL, 55.0)], ROWS, MIDDLE).stacked()
    bent = combined(found[2:], THETA[None], MIDDLE, ROWS)
    there = slice(0, 200 + 2 * STEPS_PER_DAY)
    assert np.allclose(bent[:, [BOOST, RISE], there], whole[:, [BOOST, RISE], there], atol=1e-12)


LATE = np.array([40.0, 40.0, 40.0, 40.0])


@pytest.mark.parametrize(("late", "rows", "minutes"), [(40.0, 8, 0), (-13.0, -3, 2), (3.0, 0, 3)])
def test_a_meals_event_begins_when_its_food_arrives(late: float, rows: int, minutes: int) -> None:
    """A head that has food arrive later has fat and protein act later by as much, to the minute."""
    events = recorded_events(meals((10.0, 40.0), (10.0, 50.0)))
    moved_on = late_events(events, np.full(4, late))
    assert [one.row for one in moved_on] == [one.row + rows for one in events]
    before, after = (one[1].bends(THETA[None], MIDDLE).rise[0] for one in (events, moved_on))
    if minutes == 0 and len(after) == len(before):
        assert np.allclose(after[:100], before[:100], rtol=0.05, atol=1e-4)
    centre = [
        float(np.arange(90) @ np.abs(one[:90]) / np.abs(one[:90]).sum()) for one in (before, after)
    ]
    assert 5.0 * (centre[1] - centre[0]) == pytest.approx(minutes, abs=1.0)


def test_delays_move_meals_alone_and_none_move_nothing() -> None:
    steps = column()
    steps[200:209] = 600.0
    trace = meals((10.0, 40.0), (10.0, 50.0))
    events = recorded_events(trace_of({**trace.columns, "steps": steps}))
    assert late_events(events, NO_DELAY) == events
    kinds = {one.kind: one.row for one in late_events(events, LATE) if one.kind == "exercise"}
    assert kinds == {"exercise": 200}


def test_a_meal_at_the_records_ends_stays_on_it() -> None:
    table = {name: column() for name in ("carbs_g", "fat_g", "protein_g")}
    for row in (0, ROWS - 1):
        table["carbs_g"][row], table["protein_g"][row] = 50.0, 30.0 + row
    first, last = recorded_events(record(**table))
    assert late_events((first,), -LATE / 2.0)[0].row == 0
    (late,) = late_events((last,), LATE)
    assert late.row == ROWS - 1 and late.bends(THETA[None], MIDDLE).rise.shape == (1, 1)
