"""A fortnight of one made-up person whose twin can be right, and a card of it."""

from functools import cache

import numpy as np

from client.quality_card import Card, make_card
from models.trace import FloatArray, Trace
from tests.models.virtual import eventful, heads, read_by_sensor

DAYS = 14


@cache
def judged_person() -> Trace:
    """Patient `p`: 14 days with meals, boluses and paused basal, read every 5 minutes."""
    return read_by_sensor(eventful(DAYS, seed=7), heads(1, seed=7, spread=0.2)[0], seed=7)


@cache
def month() -> Trace:
    """The same person over four weeks."""
    return read_by_sensor(eventful(2 * DAYS, seed=7), heads(1, seed=7, spread=0.2)[0], seed=7)


@cache
def good_card() -> Card:
    """The card of that person."""
    return make_card(judged_person())


def with_columns(trace: Trace, **columns: FloatArray) -> Trace:
    """The trace with other columns; the rest stay."""
    values = {**trace.columns, **columns}
    return Trace(trace.patient, "UTC", 5, trace.start_utc_s, values, trace.weight_kg)


def sensor_alone() -> Trace:
    """The same readings and no treatment."""
    person = judged_person()
    glucose = {"glucose_mg_dl": person["glucose_mg_dl"]}
    return Trace("alone", "UTC", 5, person.start_utc_s, glucose)


def shuffled() -> Trace:
    """Readings of days in another order than their doses and meals: nothing can be learned."""
    person = judged_person()
    days = person["glucose_mg_dl"].reshape(DAYS, -1)
    order = np.random.default_rng(2).permutation(DAYS)
    mixed = np.roll(days[order], 130, axis=1).ravel()
    return with_columns(person, glucose_mg_dl=mixed)
