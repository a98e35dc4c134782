import numpy as np
import pytest

from models.inputs import physiology_inputs
from models.life_effect import population_middle
from models.lived import Modifiers, lived_paths
from models.mixed_meal import MealMake, appearance
from models.openloop import open_loop
from models.trace import STEP_MIN, FloatArray
from tests.models.adults import RESTING, ROWS_PER_HOUR, Given, live, thetas
from tests.models.virtual import eventful, heads

DAY = 24 * ROWS_PER_HOUR


def through(modifiers: Modifiers, theta: FloatArray, rows: int) -> FloatArray:
    """An eventful day in each head by this engine, begun where the other engine would."""
    inputs = physiology_inputs(eventful(2, seed=1))
    loop = open_loop(theta, inputs, 140.0)
    insulin = inputs.insulin_mu_kg_min - inputs.resting_mu_kg_min
    minutes = slice(STEP_MIN * DAY, STEP_MIN * (DAY + rows))
    delayed = slice(minutes.start - 8, minutes.stop - 8)
    drive = np.stack([insulin[delayed], inputs.carbs_mg_kg_min[minutes]])
    paths: FloatArray = lived_paths(
        theta,
        np.ascontiguousarray(loop.states[:, DAY]),
        drive[None],
        inputs.resting_mu_kg_min,
        inputs.local_hour[DAY : DAY + rows],
        modifiers.stacked()[None],
    )[0]
    return paths


def test_without_life_it_is_the_physiology_to_rounding() -> None:
    theta = heads(6, seed=2)
    expected = open_loop(theta, physiology_inputs(eventful(2, seed=1)), 140.0)
    found = through(Modifiers.none(1, DAY), theta, DAY)
    assert np.abs(found - expected.interstitial_mg_dl[:, DAY:]).max() < 1e-9


@pytest.mark.parametrize("field", ["action", "boost", "uptake", "absorption", "rise", "usual"])
def test_every_modifier_moves_glucose_its_own_way(field: str) -> None:
    theta, none = heads(6, seed=2), Modifiers.none(1, DAY)
    more = {"action": 1.3, "boost": 0.3, "uptake": 0.003, "absorption": 1.3, "usual": 1.3}
    bent = none.with_(**{field: np.full((1, DAY), more.get(field, 0.5))})
    mean = (through(bent, theta, DAY) - through(none, theta, DAY)).mean(axis=1)
    assert (mean > 1.0).all() if field == "rise" else (mean < 0.0).all()


def test_less_action_of_all_insulin_is_less_basal_to_somebody_at_rest() -> None:
    """A fifth less action at rest raises glucose as a fifth less basal does, delays apart."""
    theta, hours = thetas(), 48
    size = hours * ROWS_PER_HOUR
    weaker = live(
        theta, hours, Modifiers.none(1, size).with_(action=np.full((1, size), 0.8)), None, None
    )
    less = Given(np.full(len(theta), -0.2 * hours), 0.0, float(hours))
    lower = live(theta, hours, Modifiers.none(1, size), less, None)
    assert weaker[:, -1] == pytest.approx(lower[:, -1], rel=0.01)
    assert (weaker[:, -1] - weaker[:, 0] > 10.0).mean() > 0.9


def test_faster_absorption_brings_insulin_sooner_and_no_more_of_it() -> None:
    theta, hours = thetas(), 24
    size = hours * ROWS_PER_HOUR
    faster = np.ones((1, size))
    faster[0, :12] = 1.5
    none, given = Modifiers.none(1, size), Given(np.full(len(theta), 2.0))
    change = live(theta, hours, none.with_(absorption=faster), given) - live(
        theta, hours, none, given
    )
    assert (change[:, 12:24].mean(axis=1) < 0.0).all()
    assert np.abs(change[:, -1]).max() < 3.0


def test_a_rise_of_a_minute_is_a_rise_of_so_many_mg_dl() -> None:
    """In somebody without any clearance to speak of, 0.1 mg/dL/min for an hour adds 6 mg/dL."""
    theta = thetas()[:1].copy()
    theta[0, 1], theta[0, 6], theta[0, 10] = np.log(1e-3), np.log(1e-5), np.log(1e-5)
    size = 2 * ROWS_PER_HOUR
    rise = np.zeros((1, size))
    rise[0, :12] = 0.1
    none = Modifiers.none(1, size)
    added = live(theta, 2, none.with_(rise=rise), None, None) - live(theta, 2, none, None, None)
    assert added[0, -1] == pytest.approx(6.0, abs=0.6)


def test_plain_carbohydrate_is_the_same_by_either_way_in() -> None:
    """Reckoned as appearance of each row it is within 1 mg/dL of the chain's own minutes."""
    theta, hours = thetas(), 6
    size = hours * ROWS_PER_HOUR
    hour = (8.0 + np.arange(size) / ROWS_PER_HOUR) % 24.0
    rise = appearance(theta, [MealMake(0, 50.0)], hour, 70.0, population_middle())
    apart = live(theta, hours, Modifiers.none(1, size).with_(rise=rise))
    chain = live(theta, hours, Modifiers.none(1, size), carbs_g=50.0)
    assert np.abs(apart - chain).max() < 1.0


def test_each_draw_meets_its_own_modifiers_and_each_regimen_its_own_doses() -> None:
    theta = thetas()[:3]
    size = 4 * ROWS_PER_HOUR
    rise = np.array([[0.0], [0.1], [0.2]]) * np.ones((3, size))
    bent = Modifiers.none(3, size).with_(rise=rise).stacked()[None]
    drives = np.zeros((2, 2, STEP_MIN * size))
    drives[1, 0, :60] = RESTING
    hour = np.full(size, 8.0)
    begin = np.zeros((3, 11))
    begin[:, 9:] = 120.0
    both = lived_paths(theta, begin, drives, RESTING, hour, bent)
    for r in range(2):
        for d in range(3):
            alone = lived_paths(
                theta[d : d + 1], begin[:1], drives[r : r + 1], RESTING, hour, bent[:, d : d + 1]
            )
            assert np.array_equal(both[r, d], alone[0, 0])


@pytest.mark.parametrize("hour", [0, 5, 23])
def test_regimens_that_part_late_are_as_each_alone(hour: int) -> None:
    """What the first regimen has lived is taken from it up to the row in which another parts."""
    theta, drives = heads(3, seed=2), np.zeros((3, 2, STEP_MIN * DAY))
    drives[:, 1, 60:70] = 70.0
    drives[1, 0, 60 * hour + 7 :] = 0.4
    begin, clock = np.full((3, 11), 0.1), np.arange(DAY) / ROWS_PER_HOUR
    begin[:, -2:] = 130.0
    plain = Modifiers.none(1, DAY).stacked()[None]
    together = lived_paths(theta, begin, drives, RESTING, clock, plain)
    for place in range(3):
        alone = lived_paths(theta, begin, drives[place : place + 1], RESTING, clock, plain)
        assert np.array_equal(together[place], alone[0])
    assert np.array_equal(together[2], together[0])
    assert np.abs(together[1] - together[0]).max() > (1.0 if hour < 23 else 0.0)
