"""What meals' make-up, movement, strain and illness do to glucose: each an object with its source.

An effect has one amplitude, different from person to person. Its prior is what papers found; a
patient's own recorded events can narrow it (`models/own_effect.py`). Where the evidence points both
ways an effect is off: its middle is no effect at all, and it acts only once a patient's data speak.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from models.trace import FloatArray


@dataclass(frozen=True)
class LifeEffect:
    """One effect: amplitude exp(N(ln middle, spread^2)) if `log`, else N(middle, spread^2).

    `equation` says where the amplitude stands; `on` is whether a scenario uses it unasked.
    """

    name: str
    equation: str
    unit: str
    middle: float
    spread: float
    source: str
    log: bool = True
    on: bool = True


GLYCAEMIC_INDEX = LifeEffect(
    name="glycaemic_index",
    equation="kempt and kabs of a meal x (GI / 70)^gamma",
    unit="-",
    middle=0.6,
    spread=0.3,
    source="Parillo et al. 2011: same carbohydrate, GI 59 beside 90, AUC of 0-3 h lower by 20 %",
)
FAT_EMPTYING = LifeEffect(
    name="fat_emptying",
    equation="kempt and kabs of a meal / (1 + c fat), fat in g",
    unit="1/g",
    middle=0.0096,
    spread=0.4,
    source="Laxminarayan et al. 2015: 60 beside 10 g of fat, t_max of the gut 71 to 102 min",
)
FAT_RESISTANCE = LifeEffect(
    name="fat_resistance",
    equation="insulin's action x exp(-r fat / 50) from 2 to 10 h after a meal, smooth",
    unit="-",
    middle=0.45,
    spread=0.4,
    source="Wolpert et al. 2013: 60 beside 10 g of fat, insulin 9.0 to 12.6 U; Smart et al. 2013",
)
PROTEIN = LifeEffect(
    name="protein",
    equation="e g of glucose a g of protein, onset at 95 min, peak near 3.5 h",
    unit="g/g",
    middle=0.4,
    spread=0.3,
    source="Smart et al. 2013; Paterson et al. 2017: with 12.5 g of carbohydrate, or 75 g alone",
)
MOVEMENT_UPTAKE = LifeEffect(
    name="movement_uptake",
    equation="G' -= b k Y G, Y' = (dHR - Y) / 5 min; k by kind",
    unit="1/min per beat/min",
    middle=5e-5,
    spread=0.7,
    source="form: Deichmann et al. 2021, whose 3.4e-4 is too much for T1DEXI (Riddell et al. 2023)",
)
MOVEMENT_SENSITIVITY = LifeEffect(
    name="movement_sensitivity",
    equation="insulin's action x (1 + a W Z); W' = dHR in the bout, Z as Deichmann's, tau 600 min",
    unit="1/beat",
    middle=2.59e-4,
    spread=0.5,
    source="Deichmann et al. 2021; lasting about 11 h: Davey et al. 2013",
)
MOVEMENT_ABSORPTION = LifeEffect(
    name="movement_absorption",
    equation="ka2 x (1 + q) during the bout",
    unit="-",
    middle=0.35,
    spread=0.3,
    source="Mallad et al. 2015: insulin rose under an unchanged pump",
)
BURST = LifeEffect(
    name="burst",
    equation="G' += c j exp(-t / 10 min) from a bout's first minute; j by kind",
    unit="mg/dL/min",
    middle=1.2,
    spread=0.5,
    source="Riddell et al. 2023: interval and resistance fall less than aerobic bouts, and later",
)
MENTAL_STRESS = LifeEffect(
    name="mental_stress",
    equation="action of insulin above the resting supply x f, from 1 h on for 5.5 h",
    unit="-",
    middle=0.82,
    spread=0.08,
    source="Moberg et al. 1994; Wiesli et al. 2005: after meals only, none fasting",
)
SHORT_SLEEP = LifeEffect(
    name="short_sleep",
    equation="insulin's action x f on the day after a night of 4 h",
    unit="-",
    middle=0.825,
    spread=0.04,
    source="Donga et al. 2010, type 1: infusion rate of glucose -21 %, disposal -14 %",
)
FEVER = LifeEffect(
    name="fever",
    equation="insulin's action / (1 + q (T - 37.5))",
    unit="1/degree",
    middle=0.25,
    spread=0.3,
    source="sick-day guidance: 25 % more basal a degree above 37.5",
)
LUTEAL_PHASE = LifeEffect(
    name="luteal_phase",
    equation="insulin's action x (1 - d) in the luteal phase",
    unit="-",
    middle=0.0,
    spread=0.07,
    source="T1DEXI, n = 179, and CGM cohorts: direction differs between persons",
    log=False,
    on=False,
)
LIFE_EFFECTS = (
    GLYCAEMIC_INDEX,
    FAT_EMPTYING,
    FAT_RESISTANCE,
    PROTEIN,
    MOVEMENT_UPTAKE,
    MOVEMENT_SENSITIVITY,
    MOVEMENT_ABSORPTION,
    BURST,
    MENTAL_STRESS,
    SHORT_SLEEP,
    FEVER,
    LUTEAL_PHASE,
)


@dataclass(frozen=True)
class Amplitudes:
    """Amplitudes of every effect, name to (D,): draw d goes with head d."""

    by_name: Mapping[str, FloatArray] = field(repr=False)

    def __getitem__(self, effect: LifeEffect) -> FloatArray:
        return self.by_name[effect.name]

    def __len__(self) -> int:
        return len(next(iter(self.by_name.values())))


def population_middle() -> Amplitudes:
    """The middle of every effect: one draw."""
    return Amplitudes({one.name: np.array([one.middle]) for one in LIFE_EFFECTS})


@dataclass(frozen=True)
class Belief:
    """What is believed of one person's amplitudes: N(mean, covariance), of ln where `log`.

    `mean` (E,) and `covariance` (E, E) are in the order of LIFE_EFFECTS. A variance of 0 is an
    effect that is off: it stays at its middle.
    """

    mean: FloatArray = field(repr=False)
    covariance: FloatArray = field(repr=False)

    def amplitudes(self, standing: FloatArray) -> Amplitudes:
        """The amplitudes of points `standing` (D, E) in the scale of `mean`."""
        values = {
            one.name: np.exp(standing[:, place]) if one.log else standing[:, place].copy()
            for place, one in enumerate(LIFE_EFFECTS)
        }
        return Amplitudes(values)

    def draws(self, count: int, seed: int) -> Amplitudes:
        """`count` draws of every effect; each has a stream of its own, whatever the others do."""
        free = np.flatnonzero(np.diag(self.covariance) > 0.0)
        root = np.zeros_like(self.covariance)
        inner = np.ix_(free, free)
        root[inner] = np.linalg.cholesky(self.covariance[inner])
        streams = [np.random.default_rng([seed, place]) for place in range(len(LIFE_EFFECTS))]
        standard = np.stack([stream.standard_normal(count) for stream in streams], axis=1)
        return self.amplitudes(self.mean + standard @ root.T)


MIDDLES = np.array([np.log(one.middle) if one.log else one.middle for one in LIFE_EFFECTS])
SPREADS = np.array([one.spread for one in LIFE_EFFECTS])
POPULATION = Belief(MIDDLES, np.diag([one.spread**2 * one.on for one in LIFE_EFFECTS]))
"""Of people of whom nothing is known."""


def population_draws(count: int, seed: int) -> Amplitudes:
    """`count` draws of every effect in people of whom nothing is known."""
    return POPULATION.draws(count, seed)
