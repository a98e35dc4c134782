"""A virtual person of the twin's own equations whose days hold events of planted strength."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.heads import BOOK_PRIOR
from models.inputs import physiology_inputs
from models.life_effect import LIFE_EFFECTS, MIDDLES, POPULATION, Amplitudes, LifeEffect
from models.life_events import Event, bout_event, combined
from models.lived import lived_paths
from models.meal_delay import NO_DELAY, delayed
from models.movement import Bout, Kind
from models.openloop import IG, STATES, G, by_minute_of
from models.physiology import INSULIN_DELAY_MIN
from models.trace import FloatArray, Trace
from tests.models.virtual import eventful

THETA = BOOK_PRIOR.mean


def planted(strengths: dict[LifeEffect, float]) -> Amplitudes:
    """Amplitudes that are so many population spreads from the middle."""
    standing = MIDDLES.copy()
    for effect, sds in strengths.items():
        standing[LIFE_EFFECTS.index(effect)] += sds * effect.spread
    return POPULATION.amplitudes(standing[None])


def bouts(days: int, seed: int, every: int = 2) -> tuple[Event, ...]:
    """A bout every second afternoon."""
    rng = np.random.default_rng(seed)
    return tuple(
        bout_event(
            Bout(
                1440 * day + int(rng.integers(15 * 60, 18 * 60)),
                int(rng.choice([30, 45, 60])),
                Kind.AEROBIC,
                float(rng.choice([38.0, 55.0, 80.0])),
            )
        )
        for day in range(0, days, every)
    )


def lived_with(
    events: Sequence[Event],
    amplitudes: Amplitudes,
    days: int,
    seed: int,
    trace: Trace | None = None,
    meal_delay_min: FloatArray = NO_DELAY,
) -> Trace:
    """The record of `days` of three meals a day, or of another trace, lived with these events."""
    taken = eventful(days, seed) if trace is None else trace
    inputs = delayed(physiology_inputs(taken), meal_delay_min)
    drive = by_minute_of([inputs])
    drive[0, 0, INSULIN_DELAY_MIN:] = drive[0, 0, :-INSULIN_DELAY_MIN].copy()
    drive[0, 0, :INSULIN_DELAY_MIN] = 0.0
    begin = np.zeros((1, len(STATES)))
    begin[:, G] = begin[:, IG] = 140.0
    bent = combined(events, THETA[None], amplitudes, len(taken))[None]
    rest, hours = inputs.resting_mu_kg_min, inputs.local_hour
    glucose = lived_paths(THETA[None], begin, drive, rest, hours, bent)[0, 0]
    columns = dict(taken.columns) | {"glucose_mg_dl": glucose + _noise(len(glucose), seed + 1)}
    return Trace("p", "UTC", 5, taken.start_utc_s, columns, 70.0)


def rich_meals(days: int, seed: int = 7) -> Trace:
    """Days of three meals, of which every other one has much protein."""
    trace = eventful(days, seed)
    carbs = trace["carbs_g"]
    fat, protein = np.where(carbs > 0.0, 0.0, np.nan), np.where(carbs > 0.0, 10.0, np.nan)
    protein[np.flatnonzero(carbs > 0.0)[::2]] = 70.0
    columns = dict(trace.columns) | {"fat_g": fat, "protein_g": protein}
    return replace(trace, columns=columns)


def _noise(rows: int, seed: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    error = np.zeros(rows)
    for row in range(1, rows):
        error[row] = 0.97 * error[row - 1] + 3.0 * rng.normal()
    return error
