"""How strongly food, exercise and strain act in one patient, where the record is enough to tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from client.known_twin import KnownTwin
from client.life_file import life_on_file
from models.heads import BOOK_PRIOR, HeadPrior
from models.life_effect import (
    BURST,
    FEVER,
    GLYCAEMIC_INDEX,
    LIFE_EFFECTS,
    LUTEAL_PHASE,
    MENTAL_STRESS,
    MIDDLES,
    POPULATION,
    SHORT_SLEEP,
    Belief,
    LifeEffect,
)
from models.life_events import BOUT_EFFECTS, MEAL_EFFECTS, Event, named_events, recorded_events
from models.own_effect import NOT_LEARNED, OwnEffects, enough, learn
from models.scenario import Life
from models.trace import Trace

FAR = 2.0
"""Spreads of the population beyond which an effect is so unusual that the record is in question."""

END = 1.2816
"""Standard deviations from the middle to an end of an 80 % interval."""


@dataclass(frozen=True)
class Strength:
    """One effect's amplitude in this person: middle, ends of its 80 % interval, in its unit.

    `events` are those on record; `learned` is whether they were enough to say more than the
    population does, `far` whether they say something that hardly anybody in the groups had.
    """

    effect: LifeEffect
    events: int
    learned: bool
    middle: float
    low: float
    high: float
    far: bool


def events_of(trace: Trace, file: Path) -> tuple[Event, ...]:
    """Events of the record and of the site's file; a kind that the file has is taken from there."""
    named = named_events(life_on_file(file, trace), trace)
    told = {one.kind for one in named}
    return (*named, *(one for one in recorded_events(trace) if one.kind not in told))


def own_effects(
    twin: KnownTwin,
    events: Sequence[Event],
    life: Life | None = None,
    prior: HeadPrior = BOOK_PRIOR,
) -> OwnEffects:
    """What these events say of the effects of a scenario's `life`, of all effects if None.

    Nothing is reckoned where they are too few for any of those.
    """
    wanted = LIFE_EFFECTS if life is None else effects_of(life)
    if not any(enough(one, events) for one in wanted):
        return NOT_LEARNED
    return learn(twin.trace, twin.calibration, events, prior)


def effects_of(life: Life) -> tuple[LifeEffect, ...]:
    """The effects that have a part in a life."""
    meals = [one.meal for one in life.meals if not one.meal.plain]
    present = (
        (bool(life.exercise), (*BOUT_EFFECTS, BURST)),
        (bool(meals), (*MEAL_EFFECTS, GLYCAEMIC_INDEX)),
        (bool(life.stress_minutes), (MENTAL_STRESS,)),
        (bool(life.short_sleep), (SHORT_SLEEP,)),
        (bool(life.illness), (FEVER,)),
        (bool(life.luteal), (LUTEAL_PHASE,)),
    )
    return tuple(effect for there, effects in present if there for effect in effects)


def strengths(own: OwnEffects) -> tuple[Strength, ...]:
    """Every effect as it is believed to act in this person."""
    return tuple(
        Strength(
            effect,
            own.events.get(effect.name, 0),
            effect.name in own.learned,
            *ends(own.belief, place),
            far=abs(float(own.belief.mean[place] - MIDDLES[place])) > FAR * effect.spread,
        )
        for place, effect in enumerate(LIFE_EFFECTS)
    )


def ends(belief: Belief, place: int) -> tuple[float, float, float]:
    """Middle and ends of the 80 % interval of the effect at a place of LIFE_EFFECTS."""
    sd = float(np.sqrt(belief.covariance[place, place]))
    standing = belief.mean[place] + sd * np.array([0.0, -END, END])
    values = np.exp(standing) if LIFE_EFFECTS[place].log else standing
    return float(values[0]), float(values[1]), float(values[2])


def as_plain(own: OwnEffects) -> list[dict[str, object]]:
    """Every effect beside the population's, as plain values."""
    return [
        {
            "effect": one.effect.name,
            "unit": one.effect.unit,
            "events": one.events,
            "learned": one.learned,
            "middle": one.middle,
            "low": one.low,
            "high": one.high,
            "far_from_groups": one.far,
            "population": dict(
                zip(("middle", "low", "high"), ends(POPULATION, place), strict=True)
            ),
        }
        for place, one in enumerate(strengths(own))
    ]
