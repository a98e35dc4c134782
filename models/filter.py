"""A twin that follows its patient: an ensemble filter that takes each reading as it comes.

Members carry the physiology's eleven states and three slow companions,

    w   ln of today's insulin sensitivity over the head's,   w' = -w / 8 h  + noise, sd 0.25
    d   a disturbance of dG/dt, mg/dL/min,                   d' = -d / 40 min + noise, sd 0.4
    r   what the sensor adds to interstitial glucose,        r' = -r / 20 min + noise, sd 8 mg/dL

each an Ornstein-Uhlenbeck process with that stationary spread. A reading y = IG + r + N(0, 1.5^2)
moves all of them by the square-root filter of Whitaker & Hamill (2002, Mon Weather Rev 130:1913),
which needs no perturbed observations. A reading more than 3.5 standard deviations off counts with a
larger variance (Huber 1964, Ann Math Stat 35:73), and is counted. Noise depends on the seed and the
row alone, so a filter that is put away and taken up again goes on to the same bytes.
"""

from dataclasses import dataclass, field, replace
from typing import Self

import numba
import numpy as np

from models.heads import physical
from models.openloop import (
    IG,
    Q1,
    QG,
    STATES,
    G,
    advance_chains,
    advance_glucose,
    daily_multiplier,
    rates_of,
    set_hour,
)
from models.scan import GLUCOSE_CEILING_MG_DL, GLUCOSE_FLOOR_MG_DL
from models.trace import STEP_MIN, FloatArray, IntArray

W, D, R = range(len(STATES), len(STATES) + 3)
WIDTH = len(STATES) + 3
FARTHEST_SD = 3.5
Z_80 = 1.2816
INTERVAL_SCALE = 0.85
"""Without it 80 % intervals held 83 to 88 % of ten drawn children's and adolescents' readings."""

LEAST_MEMBERS = 16


class FilterError(ValueError):
    """A filter that cannot start, or bytes that are none."""


@dataclass(frozen=True)
class Drift:
    """How the companions wander: stationary sds, hours of memory, and the sensor's white noise.

    Chosen by hand on twelve drawn children and adolescents (seed 909): errors and coverage.
    """

    ln_sensitivity_sd: float = 0.25
    ln_sensitivity_h: float = 8.0
    disturbance_sd_mg_dl_min: float = 0.4
    disturbance_h: float = 2.0 / 3.0
    sensor_sd_mg_dl: float = 8.0
    sensor_h: float = 1.0 / 3.0
    white_sd_mg_dl: float = 1.5

    @property
    def sds(self) -> FloatArray:
        """Stationary standard deviations of w, d and r."""
        return np.array(
            [self.ln_sensitivity_sd, self.disturbance_sd_mg_dl_min, self.sensor_sd_mg_dl]
        )

    def kept(self, minutes: float) -> FloatArray:
        """What is left of w, d and r after so many minutes."""
        hours = np.array([self.ln_sensitivity_h, self.disturbance_h, self.sensor_h])
        left: FloatArray = np.exp(-minutes / 60.0 / hours)
        return left


@dataclass(frozen=True)
class Surprise:
    """What a reading was against what was expected: both mg/dL; `expected_sd` of the reading."""

    off_mg_dl: float
    expected_sd_mg_dl: float

    @property
    def standardised(self) -> float:
        """Innovation in its own standard deviations."""
        return self.off_mg_dl / self.expected_sd_mg_dl


@dataclass(frozen=True)
class Ahead:
    """Sensor readings expected at each horizon (H,), mg/dL: mean and the ends of 80 %."""

    mean_mg_dl: FloatArray
    low_mg_dl: FloatArray
    high_mg_dl: FloatArray


@dataclass(frozen=True)
class Filter:
    """One patient's filter after `row` rows: members (N, 14), their heads theta (N, K)."""

    theta: FloatArray = field(repr=False)
    members: FloatArray = field(repr=False)
    row: int
    seed: int
    wild_readings: int = 0
    drift: Drift = Drift()

    @classmethod
    def start(
        cls, theta: FloatArray, reading_mg_dl: float, seed: int, drift: Drift | None = None
    ) -> Self:
        """At rest at a reading, with one member for each head, theta (N, K), 16 or more."""
        if len(theta) < LEAST_MEMBERS or not np.isfinite(theta).all():
            raise FilterError(
                f"found {len(theta)} heads, finite: {bool(np.isfinite(theta).all())}; expected "
                f"{LEAST_MEMBERS} finite ones or more. Nobody is followed. Draw them with "
                "models.ensemble.posterior."
            )
        if not GLUCOSE_FLOOR_MG_DL < reading_mg_dl < GLUCOSE_CEILING_MG_DL:
            raise FilterError(
                f"found a first reading of {reading_mg_dl} mg/dL; expected one between "
                f"{GLUCOSE_FLOOR_MG_DL:g} and {GLUCOSE_CEILING_MG_DL:g}. Nobody is followed. Start "
                "at the first reading there is."
            )
        wander = Drift() if drift is None else drift
        noise = np.random.default_rng([seed, 0]).standard_normal((len(theta), 3))
        members = np.zeros((len(theta), WIDTH))
        members[:, W:] = wander.sds * (noise - noise.mean(axis=0))
        members[:, G] = members[:, IG] = reading_mg_dl - members[:, R]
        return cls(theta, _possible(members), 0, seed, 0, wander)

    def advanced(self, drive: FloatArray, local_hour: float) -> Self:
        """Five minutes later; `drive` (2, 5): insulin above rest and carbohydrate a minute."""
        members = self.members.copy()
        _advance(physical(self.theta), members, drive, local_hour)
        kept = self.drift.kept(STEP_MIN)
        noise = np.random.default_rng([self.seed, self.row + 1]).standard_normal((len(members), 3))
        noise -= noise.mean(axis=0)
        members[:, W:] = kept * members[:, W:] + np.sqrt(1.0 - kept**2) * self.drift.sds * noise
        return replace(self, members=_possible(members), row=self.row + 1)

    def updated(self, reading_mg_dl: float) -> tuple[Self, Surprise | None]:
        """After a reading, and how surprising it was; without one (NaN) nothing is learned."""
        if not np.isfinite(reading_mg_dl):
            return self, None
        expected = self.members[:, IG] + self.members[:, R]
        mean, spread = expected.mean(), expected.var(ddof=1)
        white = self.drift.white_sd_mg_dl**2
        surprise = Surprise(float(reading_mg_dl - mean), float(np.sqrt(spread + white)))
        wild = abs(surprise.standardised) > FARTHEST_SD
        if wild:  # as if the reading had been so noisy that it lay at the limit
            white += (spread + white) * ((surprise.standardised / FARTHEST_SD) ** 2 - 1.0)
        members = _square_root_update(self.members, expected - mean, surprise.off_mg_dl, white)
        count = self.wild_readings + wild
        return replace(self, members=_possible(members), wild_readings=count), surprise

    def ahead(self, drive: FloatArray, local_hour: float, horizons_min: IntArray) -> Ahead:
        """Readings to come, `drive` (2, M) being what is known of the next M minutes."""
        paths = _paths(physical(self.theta), self.members, drive, local_hour, self._faded(drive))
        kept = np.stack([self.drift.kept(float(h)) for h in horizons_min])
        fading = self.members[:, R, None] * kept[:, 2]
        found = paths[:, np.asarray(horizons_min) - 1] + fading
        forgotten = self.drift.sensor_sd_mg_dl**2 * (1.0 - kept[:, 2] ** 2)
        sd = np.sqrt(
            found.var(axis=0, ddof=1)
            + forgotten
            + self._pushed(horizons_min)
            + self.drift.white_sd_mg_dl**2
        )
        mean, reach = found.mean(axis=0), INTERVAL_SCALE * Z_80 * sd
        return Ahead(mean, mean - reach, mean + reach)

    @property
    def ln_sensitivity(self) -> float:
        """Mean of w: how sensitive to insulin the patient seems now, beside the head."""
        return float(self.members[:, W].mean())

    @property
    def glucose_mg_dl(self) -> tuple[float, float]:
        """Plasma glucose now, mean and sd over members."""
        glucose = self.members[:, G]
        return float(glucose.mean()), float(glucose.std(ddof=1))

    def to_bytes(self) -> bytes:
        """All of it, for a process that may die: `from_bytes` goes on to the same bytes."""
        sizes = np.array([*self.theta.shape, self.row, self.seed, self.wild_readings], dtype="<i8")
        wander = np.array(list(vars(self.drift).values()), dtype="<f8")
        parts = (sizes, wander, self.theta.astype("<f8"), self.members.astype("<f8"))
        return b"".join(part.tobytes() for part in parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The filter that `to_bytes` put away; FilterError for anything else."""
        settings = len(vars(Drift()))
        head = 8 * (5 + settings)
        try:
            count, width, row, seed, wild = np.frombuffer(data[:40], dtype="<i8").tolist()
            drift = Drift(*np.frombuffer(data[40:head], dtype="<f8").tolist())
            rest = np.frombuffer(data[head:], dtype="<f8")
            theta = rest[: count * width].reshape(count, width).copy()
            members = rest[count * width :].reshape(count, WIDTH).copy()
        except (ValueError, TypeError) as error:
            raise FilterError(
                f"found {len(data)} bytes that are no filter ({error}); expected those of "
                "to_bytes. Nobody is followed. Start a new filter at the next reading."
            ) from error
        return cls(theta, members, row, seed, wild, drift)

    def _faded(self, drive: FloatArray) -> FloatArray:
        """What is left of w and d in each minute ahead, (M, 2)."""
        minutes = np.arange(drive.shape[1])
        return np.stack([self.drift.kept(float(m))[:2] for m in minutes])

    def _pushed(self, horizons_min: IntArray) -> FloatArray:
        """Variance that disturbances still to come add to glucose at each horizon, (H,).

        Of the integral of an Ornstein-Uhlenbeck process that starts at rest, without any clearance.
        """
        sd, memory = self.drift.disturbance_sd_mg_dl_min, 60.0 * self.drift.disturbance_h
        t = np.asarray(horizons_min, dtype=np.float64) / memory
        grown = 2.0 * t - 3.0 + 4.0 * np.exp(-t) - np.exp(-2.0 * t)
        variance: FloatArray = (sd * memory) ** 2 * grown
        return variance


def _square_root_update(
    members: FloatArray, off: FloatArray, surprise: float, white: float
) -> FloatArray:
    """Mean moved by the Kalman gain, deviations by the reduced one: their spread is right."""
    count = len(members)
    spread = float(off @ off) / (count - 1)
    centred = members - members.mean(axis=0)
    gain = (centred.T @ off) / (count - 1) / (spread + white)
    reduced = 1.0 / (1.0 + np.sqrt(white / (spread + white)))
    updated: FloatArray = members + gain * surprise - reduced * np.outer(off, gain)
    return updated


def _possible(members: FloatArray) -> FloatArray:
    """Glucose within what can be, and no less than nothing in the gut."""
    members[:, Q1 : QG + 1] = np.maximum(members[:, Q1 : QG + 1], 0.0)
    members[:, [G, IG]] = np.clip(members[:, [G, IG]], GLUCOSE_FLOOR_MG_DL, GLUCOSE_CEILING_MG_DL)
    return members


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _advance(values: FloatArray, members: FloatArray, drive: FloatArray, local_hour: float) -> None:
    """Each member's physiology over the minutes of `drive` (2, M), in place."""
    for m in range(len(members)):
        rates, y = rates_of(values[m]), members[m]
        s = daily_multiplier(values[m], local_hour, y[W])
        set_hour(rates, values[m], local_hour)
        for minute in range(drive.shape[1]):
            x, source = advance_chains(y, rates, drive[0, minute], drive[1, minute], s)
            advance_glucose(y, rates, x, source + y[D])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _paths(
    values: FloatArray,
    members: FloatArray,
    drive: FloatArray,
    local_hour: float,
    faded: FloatArray,
) -> FloatArray:
    """Interstitial glucose of each member after each minute ahead, (N, M)."""
    ahead = np.empty((len(members), drive.shape[1]))
    for m in range(len(members)):
        rates, y, s = rates_of(values[m]), members[m].copy(), 1.0
        for minute in range(drive.shape[1]):
            if minute % STEP_MIN == 0:
                hour = (local_hour + minute / 60.0) % 24.0
                s = daily_multiplier(values[m], hour, members[m, W] * faded[minute, 0])
                set_hour(rates, values[m], hour)
            x, source = advance_chains(y, rates, drive[0, minute], drive[1, minute], s)
            advance_glucose(y, rates, x, source + members[m, D] * faded[minute, 1])
            ahead[m, minute] = y[IG]
    return ahead
