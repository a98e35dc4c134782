"""Amplitudes learned from a person's own events, where the truth is planted."""

from dataclasses import replace

import numpy as np
import pytest

import models.own_effect as own_effect
from models.calibration import calibrate
from models.life_effect import (
    LIFE_EFFECTS,
    LUTEAL_PHASE,
    MIDDLES,
    MOVEMENT_SENSITIVITY,
    POPULATION,
    PROTEIN,
    SPREADS,
    LifeEffect,
)
from models.life_events import Event, late_events, named_events, recorded_events
from models.own_effect import NOT_LEARNED, Doubt, OwnEffects, Told, believed, learn
from models.scenario import Life
from models.strain import Stretch
from models.trace import Trace
from tests.models.living_person import bouts, lived_with, planted, rich_meals

pytestmark = pytest.mark.slow

DAYS = 12


def standing(own: OwnEffects, effect: LifeEffect) -> tuple[float, float]:
    """Middle and sd of a belief, in population spreads from the middle."""
    place = LIFE_EFFECTS.index(effect)
    sd = float(np.sqrt(own.belief.covariance[place, place]))
    return (
        float(own.belief.mean[place] - MIDDLES[place]) / effect.spread,
        sd / effect.spread,
    )


def learned_by(trace: Trace, events: tuple[Event, ...]) -> OwnEffects:
    return learn(trace, calibrate([trace])[0], events)


@pytest.fixture(scope="module")
def strong() -> tuple[Trace, tuple[Event, ...]]:
    events = bouts(DAYS, seed=5)
    return lived_with(events, planted({MOVEMENT_SENSITIVITY: 1.5}), DAYS, seed=2), events


@pytest.fixture(scope="module")
def own(strong: tuple[Trace, tuple[Event, ...]]) -> OwnEffects:
    return learned_by(*strong)


def test_a_strong_effect_is_learned(own: OwnEffects) -> None:
    middle, sd = standing(own, MOVEMENT_SENSITIVITY)
    assert middle == pytest.approx(1.5, abs=1.3 * sd) and middle > 0.6
    assert "movement_sensitivity" in own.learned and own.events["movement_sensitivity"] == 6


def test_a_weak_effect_is_learned() -> None:
    events = bouts(DAYS, seed=6)
    trace = lived_with(events, planted({MOVEMENT_SENSITIVITY: -1.5}), DAYS, seed=3)
    assert standing(learned_by(trace, events), MOVEMENT_SENSITIVITY)[0] < -0.5


def test_six_bouts_leave_the_doubt_of_six_bouts(own: OwnEffects) -> None:
    """One bout differs from the next, so no number of readings narrows six further than this."""
    _, sd = standing(own, MOVEMENT_SENSITIVITY)
    chosen = own_effect.CHOSEN
    floor = chosen.event_spreads / np.sqrt(6.0)
    assert 0.9 * floor / np.sqrt(1.0 + floor**2) < sd / chosen.wider < 0.95


def test_without_that_doubt_the_belief_would_be_too_sure(
    strong: tuple[Trace, tuple[Event, ...]], own: OwnEffects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_effect, "CHOSEN", Doubt(0.0, 1.0))
    assert (
        standing(learned_by(*strong), MOVEMENT_SENSITIVITY)[1]
        < 0.7 * standing(own, MOVEMENT_SENSITIVITY)[1]
    )


def test_effects_that_had_no_event_stay_the_population_s(own: OwnEffects) -> None:
    untaught = np.array([one.name not in own.learned for one in LIFE_EFFECTS])
    assert np.array_equal(own.belief.mean[untaught], MIDDLES[untaught])
    inside = np.ix_(untaught, untaught)
    assert np.array_equal(own.belief.covariance[inside], POPULATION.covariance[inside])


def test_two_events_teach_nothing(strong: tuple[Trace, tuple[Event, ...]]) -> None:
    trace, events = strong
    found = learned_by(trace, events[:2])
    assert found.belief is POPULATION and not found.learned
    assert found.events["movement_uptake"] == 2


def test_a_twin_that_is_not_identified_learns_nothing(
    strong: tuple[Trace, tuple[Event, ...]],
) -> None:
    trace, events = strong
    blind = replace(trace, columns={"glucose_mg_dl": trace["glucose_mg_dl"]})
    assert learned_by(blind, events) is NOT_LEARNED


def test_events_of_days_that_are_not_known_do_not_count(
    strong: tuple[Trace, tuple[Event, ...]],
) -> None:
    trace, events = strong
    bolus = trace["bolus_u"].copy()
    bolus[: 9 * 288] = np.nan
    found = learned_by(replace(trace, columns={**trace.columns, "bolus_u": bolus}), events)
    assert (
        found.events == {one.name: 1 for one in events[0].effects} and found.belief is POPULATION
    )  # of six bouts only the one of day 10 has known doses


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_luteal_phase_is_learned_either_way(sign: float) -> None:
    days = 20
    life = Life(luteal=(Stretch(3 * 1440, 4 * 1440), Stretch(12 * 1440, 4 * 1440)))
    empty = lived_with((), planted({}), days, seed=4)
    events = named_events(life, empty)
    trace = lived_with(events, planted({LUTEAL_PHASE: 2.5 * sign}), days, seed=4)
    middle, sd = standing(learned_by(trace, events), LUTEAL_PHASE)
    assert sign * middle > 0.5
    assert sd * SPREADS[LIFE_EFFECTS.index(LUTEAL_PHASE)] < LUTEAL_PHASE.spread


def told(precision: float, events: int) -> Told:
    """Readings that say 2 sds of movement_sensitivity so surely, from so many events."""
    taught = np.array([one is MOVEMENT_SENSITIVITY for one in LIFE_EFFECTS])
    names = {MOVEMENT_SENSITIVITY.name: events}
    return Told(np.array([[precision]]), np.array([2.0 * precision]), taught, names)


@pytest.mark.parametrize(
    ("doubt", "precision"),
    [
        (Doubt(0.0, 1.0), 4.0),
        (Doubt(0.0, 0.25), 1.0),
        (Doubt(1.0, 1.0), 1.0 / (1.0 / 4.0 + 1.0 / 9.0)),
        (Doubt(3.0, 1.0), 1.0 / (1.0 / 4.0 + 1.0)),
    ],
)
def test_doubt_is_counted_by_hand(doubt: Doubt, precision: float) -> None:
    """One amplitude from nine events: P = 1 / (1 / (rate p) + spreads^2 / 9); the prior has 1."""
    middle, sd = standing(believed(told(4.0, 9), doubt), MOVEMENT_SENSITIVITY)
    assert middle == pytest.approx(2.0 * precision / (1.0 + precision))
    assert sd == pytest.approx(1.0 / np.sqrt(1.0 + precision))


def test_wider_is_of_what_was_learned_alone() -> None:
    narrow, wide = (believed(told(4.0, 9), Doubt(1.0, 1.0, wider)) for wider in (1.0, 1.5))
    place = LIFE_EFFECTS.index(MOVEMENT_SENSITIVITY)
    assert np.array_equal(narrow.belief.mean, wide.belief.mean)
    ratio = np.diag(wide.belief.covariance)[place] / np.diag(narrow.belief.covariance)[place]
    assert ratio == pytest.approx(1.5**2)
    others = np.arange(len(LIFE_EFFECTS)) != place
    assert np.array_equal(
        wide.belief.covariance[others][:, others], POPULATION.covariance[others][:, others]
    )


def test_meals_are_learned_at_the_heads_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protein that acts 40 minutes after its meal's entry: found there, and less likely elsewhere.

    Planted: events that stay at their entry, as they did, mistake the size.
    """
    late = np.full(4, 40.0)
    rich = rich_meals(DAYS)
    events = recorded_events(rich)
    strength = planted({PROTEIN: 1.5})
    lived = lived_with(late_events(events, late), strength, DAYS, 2, rich, late)
    (calibration,) = calibrate([lived], delays_min=[late])
    right = standing(learn(lived, calibration, events), PROTEIN)[0]
    monkeypatch.setattr(own_effect, "late_events", lambda events, late: tuple(events))
    wrong = standing(learn(lived, calibration, events), PROTEIN)[0]
    assert abs(right - 1.5) < abs(wrong - 1.5)
