"""How strongly life acts in one person: amplitudes of effects learned from recorded events.

    r = r(theta, a) + J n + AR(1),   theta ~ prior,  ln a ~ population,  n ~ N(0, S)

n are the meals' and days' own terms of models/nuisance.py, integrated out. Head and amplitudes are
sought together, so that what a head had taken up of an event is free to go back to it, and
believed in together, as a record tells the sum of two effects of a bout better than either.

One bout acts more strongly than the next in the same person, by `event_spreads` as much as one
person differs from another: so k events tell an amplitude no better than that over the root of k,
however many readings there are of each. And the model is not the truth: readings count to the power
`learning_rate`, and what is then believed is `wider` than it says (`Doubt`). Nothing is learned of
an effect with fewer than FEWEST_EVENTS on record, from days whose insulin or meals are not known,
or by a twin that is not identified: there the population stays.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from models.calibration import Calibration, known_record
from models.heads import BOOK_PRIOR, HeadPrior
from models.inputs import known_rows
from models.life_effect import (
    LIFE_EFFECTS,
    MIDDLES,
    POPULATION,
    SPREADS,
    Amplitudes,
    Belief,
    LifeEffect,
)
from models.life_events import Event, combined, late_events
from models.lived import Modifiers, lived_paths
from models.openloop import IG, STATES, G, by_minute_of
from models.physiology import INSULIN_DELAY_MIN
from models.posterior import Posterior, Record, mode_of
from models.residuals import Noise, whiten
from models.trace import STEP_MIN, STEPS_PER_DAY, BoolArray, FloatArray, IntArray, Trace

DAYS = 56
FEWEST = {"luteal_phase": 2}
FEWEST_EVENTS = 3

SEEN_ROWS = 6 * 60 // STEP_MIN
NUDGE = 1e-3
NUDGE_EFFECT = 0.05
ROUNDS = 6
GAINED = 1.0
STARTS = (-1.0, 0.0, 1.0)
STRIDES = np.array([1.0, 0.5, 0.25, 0.1])


@dataclass(frozen=True)
class OwnEffects:
    """What a record taught of a person's amplitudes, and from how many events of each effect.

    `events` counts recorded events by effect, `learned` names the effects that they were enough
    for; the others are as in the population.
    """

    belief: Belief
    events: Mapping[str, int] = field(default_factory=dict)
    learned: tuple[str, ...] = ()


NOT_LEARNED = OwnEffects(POPULATION)


@dataclass(frozen=True)
class Doubt:
    """How far a record is believed: spreads of people by which one event differs from the next,
    the power of the likelihood, and the factor of the sd of what is believed then."""

    event_spreads: float
    learning_rate: float
    wider: float = 1.0


CHOSEN = Doubt(event_spreads=0.5, learning_rate=0.3, wider=1.25)
"""By `simulations/own_effect_choice.py`, on 31 virtual children and adolescents."""


@dataclass(frozen=True)
class Told:
    """What the readings of a record alone say of the A `taught` amplitudes, in population sds.

    `precision` P (A, A), over heads and nuisances, and `pull` P times the likeliest amplitudes
    (A,); `taught` (E,) marks them among LIFE_EFFECTS; `events` counts recorded events by effect.
    """

    precision: FloatArray = field(repr=False)
    pull: FloatArray = field(repr=False)
    taught: BoolArray
    events: Mapping[str, int]


def learn(
    trace: Trace,
    calibration: Calibration,
    events: Sequence[Event],
    prior: HeadPrior = BOOK_PRIOR,
    days: int = DAYS,
) -> OwnEffects:
    """What the last `days` known days of a record say of these events' effects in this person."""
    told = told_by(trace, calibration, events, prior, days)
    return NOT_LEARNED if told is None else believed(told, CHOSEN)


def told_by(
    trace: Trace,
    calibration: Calibration,
    events: Sequence[Event],
    prior: HeadPrior = BOOK_PRIOR,
    days: int = DAYS,
) -> Told | None:
    """What these days' readings say, before any doubt; None by a twin that is not identified."""
    if not calibration.identified:
        return None
    head = calibration.head
    arrived = late_events(events, head.meal_delay_min)
    taken = np.flatnonzero(known_rows(trace))[-days * STEPS_PER_DAY :]
    record = known_record(trace, head.background, days, head.meal_delay_min)
    seen = tuple(one for one in arrived if _seen(one, record, taken, trace.sensor_period_min))
    counts = Counter(effect.name for one in seen for effect in one.effects)
    taught = np.array([enough(one, seen) for one in LIFE_EFFECTS])
    if not taught.any():
        return Told(np.zeros((0, 0)), np.zeros(0), taught, dict(counts))
    joint, point = _search(_Joint.of(record, taken, seen, taught, prior), head.theta)
    return Told(*joint.told(point), taught, dict(counts))


def believed(told: Told, doubt: Doubt) -> OwnEffects:
    """The population's belief after so much was told, as far as `doubt` lets it count."""
    if not told.taught.any():
        return replace(NOT_LEARNED, events=told.events)
    names = tuple(one.name for one, was in zip(LIFE_EFFECTS, told.taught, strict=True) if was)
    return OwnEffects(_belief(told, doubt), told.events, names)


def enough(effect: LifeEffect, events: Sequence[Event]) -> bool:
    """Whether there are events enough to learn an effect from, were all of them seen well."""
    fewest = FEWEST.get(effect.name, FEWEST_EVENTS)
    return sum(effect in one.effects for one in events) >= fewest


def _seen(event: Event, record: Record, taken: IntArray, period_min: int) -> bool:
    """Whether half of the readings of an event's first hours, all of them known, are there."""
    last = event.row + min(event.rows, SEEN_ROWS)
    first_reading, past = np.searchsorted(record.rows, (event.row, last))
    known = np.diff(np.searchsorted(taken, (event.row, last)))[0] == last - event.row
    expected = (last - event.row) * STEP_MIN / period_min
    return bool(known and past - first_reading >= 0.5 * expected)


def _search(joint: "_Joint", theta: FloatArray) -> tuple["_Joint", FloatArray]:
    """The joint posterior as it looks from its best point, and that point (K + A,)."""
    away = theta - joint.posterior.prior.mean
    z: FloatArray = np.linalg.solve(joint.posterior.root, away).astype(np.float64)
    starts = [joint.from_start(z, stronger) for stronger in STARTS]
    joint, point, _ = min(starts, key=lambda start: start[2])
    for _ in range(ROUNDS):
        joint = joint.refined(point)
        gram, x = joint.gram(point), point
        curvature = gram[1:, 1:] + np.eye(len(x))
        step = -np.linalg.solve(curvature, gram[0, 1:] + x)
        tried = x + np.append(0.0, STRIDES)[:, None] * step
        costs = joint.costs(tried)
        nearest = int(np.argmin(costs))
        point = tried[nearest]
        if costs[0] - costs[nearest] < GAINED:
            break
    return joint.refined(point), point


@dataclass(frozen=True)
class _Joint:
    """-2 ln posterior of points (K + A,): z of the head, and sds of the A taught amplitudes."""

    posterior: Posterior
    read_mg_dl: FloatArray
    taken: IntArray
    events: tuple[Event, ...]
    taught: BoolArray

    @classmethod
    def of(
        cls,
        record: Record,
        taken: IntArray,
        events: tuple[Event, ...],
        taught: BoolArray,
        prior: HeadPrior,
    ) -> "_Joint":
        posterior = Posterior.of(record, prior)
        return cls(posterior, record.glucose_mg_dl, taken, events, taught)

    @property
    def record(self) -> Record:
        """Readings, and the inputs behind them."""
        return self.posterior.record

    @property
    def noise(self) -> Noise:
        """Of what twin, events and nuisances leave."""
        return self.posterior.noise

    def amplitudes(self, points: FloatArray) -> Amplitudes:
        """Of every effect at points (B, K + A): taught ones as the point says, others usual."""
        standing = np.tile(MIDDLES, (len(points), 1))
        own = points[:, len(self.posterior.root) :]
        standing[:, self.taught] += own * SPREADS[self.taught]
        return POPULATION.amplitudes(standing)

    def residuals(self, points: FloatArray, life_of_first: bool = False) -> FloatArray:
        """Simulated minus read, (B, N) mg/dL, with head and life of points (B, K + A).

        With `life_of_first` events act as on the first point's head: heads that hardly differ.
        """
        theta = self.posterior.theta(points[:, : len(self.posterior.root)])
        acting = theta[:1] if life_of_first else theta
        bent = combined(self.events, acting, self.amplitudes(points), int(self.taken[-1]) + 1)
        return self._paths(theta, bent) - self.read_mg_dl

    def _paths(self, theta: FloatArray, bent: FloatArray) -> FloatArray:
        """Glucose at the readings, (B, N), of heads (B, K) under modifiers (B, 6, rows)."""
        inputs = self.record.inputs
        drive = by_minute_of([inputs])
        drive[0, 0, INSULIN_DELAY_MIN:] = drive[0, 0, :-INSULIN_DELAY_MIN].copy()
        drive[0, 0, :INSULIN_DELAY_MIN] = 0.0
        begin = np.zeros((len(theta), len(STATES)))
        begin[:, G] = begin[:, IG] = self.record.start_mg_dl
        there = np.ascontiguousarray(bent[:, :, self.taken])[None]
        paths = lived_paths(theta, begin, drive, inputs.resting_mu_kg_min, inputs.local_hour, there)
        read: FloatArray = paths[0][:, self.record.places]
        return read

    def cleared(self, point: FloatArray) -> Posterior:
        """The posterior of a record from which these events, as at `point`, are taken away."""
        theta = self.posterior.theta(point[None, : self._heads])
        plain = Modifiers.none(1, int(self.taken[-1]) + 1).stacked()
        added = self.residuals(point[None])[0] + self.read_mg_dl - self._paths(theta, plain)[0]
        record = replace(self.record, glucose_mg_dl=self.read_mg_dl - added)
        return replace(self.posterior, record=record)

    def from_start(self, z: FloatArray, stronger: float) -> tuple["_Joint", FloatArray, float]:
        """The best head beside amplitudes `stronger` sds from the middle, and -2 ln posterior."""
        own = np.full(int(self.taught.sum()), stronger)
        posterior, best = mode_of(self.cleared(np.concatenate([z, own])))
        cost = best.cost + posterior.volume + float(own @ own)
        return replace(self, posterior=posterior), np.concatenate([best.z, own]), cost

    def refined(self, point: FloatArray) -> "_Joint":
        """The same as it looks from `point`: nuisances linearised there, spreads re-estimated."""
        return replace(self, posterior=self.cleared(point).refined(point[: self._heads]))

    @property
    def _heads(self) -> int:
        return len(self.posterior.root)

    def costs(self, points: FloatArray) -> FloatArray:
        """-2 ln posterior (B,) up to a constant."""
        whitened = whiten(self.residuals(points), self.record.gaps, self.noise)
        misfit = (whitened**2).sum(axis=1) - (self.posterior.explained(whitened) ** 2).sum(axis=1)
        costs: FloatArray = misfit + (points**2).sum(axis=1)
        return costs

    def gram(self, point: FloatArray) -> FloatArray:
        """Products (1 + K + A) of whitened residuals and their slopes, own terms integrated out."""
        sizes = np.where(np.arange(len(point)) < self._heads, NUDGE, NUDGE_EFFECT)
        around = point + np.vstack([np.zeros(len(point)), np.diag(sizes)])
        nudged = self.residuals(around, life_of_first=True)
        slopes = (nudged[1:] - nudged[:1]) / sizes[:, None]
        rows = whiten(np.vstack([nudged[:1], slopes]), self.record.gaps, self.noise)
        explained = self.posterior.explained(rows)
        gram: FloatArray = rows @ rows.T - explained @ explained.T
        return gram

    def told(self, point: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What the readings alone say of the taught amplitudes, in sds of the population.

        Precision P (A, A), over heads and nuisances, and P times the likeliest amplitudes (A,).
        """
        curvature = self.gram(point)[1:, 1:] + np.eye(len(point))
        own = np.linalg.inv(np.linalg.inv(curvature)[self._heads :, self._heads :])
        return own - np.eye(len(own)), own @ point[self._heads :]


def _belief(told: Told, doubt: Doubt) -> Belief:
    precision, pull = doubt.learning_rate * told.precision, doubt.learning_rate * told.pull
    places = np.flatnonzero(told.taught)
    events = np.array([told.events[LIFE_EFFECTS[place].name] for place in places])
    apart = doubt.event_spreads**2 / events
    less = np.linalg.inv(np.eye(len(places)) + precision * apart)
    covariance = np.linalg.inv(less @ precision + np.eye(len(places)))
    mean, whole = MIDDLES.copy(), POPULATION.covariance.copy()
    mean[places] += SPREADS[places] * (covariance @ less @ pull)
    scaled = doubt.wider**2 * covariance * np.outer(SPREADS[places], SPREADS[places])
    whole[np.ix_(places, places)] = (scaled + scaled.T) / 2.0
    return Belief(mean, whole)
