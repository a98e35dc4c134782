"""What a patient took in, minute by minute: insulin and carbohydrate as rates per kilogram."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from models.trace import STEP_MIN, STEPS_PER_DAY, FloatArray, IntArray, Trace

BoolArray = npt.NDArray[np.bool_]

MU_PER_U = 1000.0
MG_PER_G = 1000.0
DEFAULT_WEIGHT_KG = 70.0
"""Used where the weight is unknown. A wrong weight scales insulin and meals alike, and a twin's
insulin sensitivity and meal gain absorb it."""

EATING_G_PER_MIN = 5.0
"""A meal is eaten at this pace, as in the UVA/Padova simulator."""


class LongActing(Enum):
    """Long-acting insulins by the half-life, h, with which they leave the skin.

    The middle of the published range, each with its source:
    glargine U100 12-13: 12.1 beside degludec's 25.4 in one clamp study (Heise et al. 2015, Expert
    Opin Drug Metab Toxicol 11:1193). Glargine U300 18-19: Toujeo, summary of product
    characteristics (EMA), section 5.2. Degludec 25: Tresiba, the same, section 5.2. Detemir 5-7,
    longer for larger doses: Levemir, the same, section 5.2, and prescribing information (FDA),
    section 12.3. NPH 6-7 is usual for a first-order depot; tables give 4 to 7, and the same person
    varies more than that (Lauritzen et al. 1982, BMJ 285:159).
    """

    GLARGINE_U100 = 12.5
    GLARGINE_U300 = 18.5
    DEGLUDEC = 25.0
    DETEMIR = 6.0
    NPH = 6.5

    @property
    def half_life_h(self) -> float:
        """Half-life of the depot."""
        return float(self.value)


STATED_DEFAULT = LongActing.GLARGINE_U100
"""Where the product is not on record: the most widely used of them, and near the middle."""

PRODUCTS = {
    LongActing.GLARGINE_U300: ("toujeo", "u300", "u 300", "300 u/ml", "300 units/ml"),
    LongActing.GLARGINE_U100: ("glargine", "lantus", "abasaglar", "basaglar", "semglee"),
    LongActing.DEGLUDEC: ("degludec", "tresiba"),
    LongActing.DETEMIR: ("detemir", "levemir"),
    LongActing.NPH: ("nph", "isophane", "insulatard", "humulin i", "humulin n", "insuman basal"),
}
"""Words by which a product is known; the first entry that matches counts, so U300 comes before."""

MIXED = ("mix", "aspart", "lispro", "liraglutide", "lixisenatide", "/30", "30/")
"""Words of combinations with a second agent: one half-life would be wrong for them."""


def product_of(name: str | None) -> LongActing | None:
    """The insulin of a product's name as a clinic writes it; None where unknown or a mixture."""
    words = "" if name is None else " ".join(name.lower().replace("-", " ").split())
    if any(mixed in words for mixed in MIXED):
        return None
    return next((kind for kind, known in PRODUCTS.items() if any(w in words for w in known)), None)


@dataclass(frozen=True)
class Background:
    """The basal supply at which a patient rests, U/h: pump rate and long-acting insulin apart."""

    pump_u_per_h: float
    long_acting_u_per_h: float

    @property
    def u_per_h(self) -> float:
        """Both together, U/h."""
        return self.pump_u_per_h + self.long_acting_u_per_h


@dataclass(frozen=True)
class Inputs:
    """One patient's inputs on a 1-minute grid (T,) = (5 n,), with what is known per row (n,).

    `insulin` is all that was delivered and `background` its part from the pump's basal and from
    long-acting depots, so that their difference is boluses. `uneaten` is what is left, at the
    start of a row, of meals of earlier rows. `resting_mu_kg_min` is the basal supply against which
    insulin is counted: at that rate, and with no meal, the physiology rests. Where meals arrive
    later or earlier than they were entered (models/meal_delay.py), `meal_delay_min` (4,) says by
    how much and `entered_mg_kg_min` (T,) is as entered; both are None where `carbs_mg_kg_min` is.
    """

    insulin_mu_kg_min: FloatArray
    background_mu_kg_min: FloatArray
    carbs_mg_kg_min: FloatArray
    uneaten_mg_kg: FloatArray
    known: BoolArray
    local_hour: FloatArray
    resting_mu_kg_min: float
    weight_kg: float
    entered_mg_kg_min: FloatArray | None = None
    meal_delay_min: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.known)

    def take(self, rows: IntArray) -> "Inputs":
        """The inputs of these 5-minute rows only, in their order."""
        minutes = (STEP_MIN * rows[:, None] + np.arange(STEP_MIN)).ravel()
        entered = self.entered_mg_kg_min
        return replace(
            self,
            insulin_mu_kg_min=self.insulin_mu_kg_min[minutes],
            background_mu_kg_min=self.background_mu_kg_min[minutes],
            carbs_mg_kg_min=self.carbs_mg_kg_min[minutes],
            uneaten_mg_kg=self.uneaten_mg_kg[rows],
            known=self.known[rows],
            local_hour=self.local_hour[rows],
            entered_mg_kg_min=None if entered is None else entered[minutes],
        )

    def at_rest(self) -> "Inputs":
        """The same hours without meals and with insulin at its resting rate, nothing known."""
        resting = np.full_like(self.insulin_mu_kg_min, self.resting_mu_kg_min)
        return replace(
            self,
            insulin_mu_kg_min=resting,
            background_mu_kg_min=resting,
            carbs_mg_kg_min=np.zeros_like(resting),
            uneaten_mg_kg=np.zeros_like(self.uneaten_mg_kg),
            known=np.zeros_like(self.known),
            entered_mg_kg_min=None,
            meal_delay_min=None,
        )


def background_of(trace: Trace) -> Background:
    """The usual basal supply: median pump rate, and median daily long-acting dose over 24 h.

    What was never recorded counts as 0; then only boluses move the twin's insulin.
    """
    pump = trace["basal_u_per_h"]
    doses = trace["long_acting_u"]
    recorded = np.isfinite(doses)
    _, day = np.unique(trace.local_day, return_inverse=True)
    rows = np.bincount(day, weights=recorded)
    daily = np.bincount(day, weights=np.where(recorded, doses, 0.0))[rows > STEPS_PER_DAY // 2]
    return Background(_median_or_zero(pump[np.isfinite(pump)]), _median_or_zero(daily) / 24.0)


def physiology_inputs(
    trace: Trace,
    background: Background | None = None,
    long_acting: LongActing | None = None,
) -> Inputs:
    """Insulin and meals of a trace as the physiology takes them, mU/kg/min and mg/kg/min.

    A bolus is delivered in the first minute of its row, a meal is eaten at 5 g/min, long-acting
    insulin leaves a first-order depot. On local days on which boluses or meals are not known the
    physiology rests: no meals, insulin at its resting rate, `known` False. Basal that is not known
    within a known day rests likewise. `background` defaults to `background_of(trace)`; pass the
    one a head was calibrated with, or later days would move its resting point. `long_acting` is the
    product whose doses are on record: by default the trace's own, else STATED_DEFAULT.
    """
    product = long_acting or product_of(trace.long_acting_product) or STATED_DEFAULT
    usual = background_of(trace) if background is None else background
    weight_kg = DEFAULT_WEIGHT_KG if trace.weight_kg is None else trace.weight_kg
    known = known_rows(trace)
    minute_known = np.repeat(known, STEP_MIN)
    to_rate = MU_PER_U / weight_kg
    resting = usual.u_per_h / 60.0 * to_rate
    pump = np.where(np.isfinite(trace["basal_u_per_h"]), trace["basal_u_per_h"], usual.pump_u_per_h)
    depot = depot_release(
        trace["long_acting_u"], product.half_life_h, usual.long_acting_u_per_h / 60.0
    )
    background_rate = (np.repeat(pump, STEP_MIN) / 60.0 + depot) * to_rate
    background_rate = np.where(minute_known, background_rate, resting)
    eaten_g, uneaten_g = _eat(np.where(known, trace["carbs_g"], 0.0))
    return Inputs(
        insulin_mu_kg_min=background_rate + _first_minute(trace["bolus_u"], known) * to_rate,
        background_mu_kg_min=background_rate,
        carbs_mg_kg_min=eaten_g * MG_PER_G / weight_kg,
        uneaten_mg_kg=uneaten_g * MG_PER_G / weight_kg,
        known=known,
        local_hour=trace.local_hour,
        resting_mu_kg_min=resting,
        weight_kg=weight_kg,
    )


def known_rows(trace: Trace) -> BoolArray:
    """True on rows (n,) of local days on which every row's boluses and meals are known."""
    unknown = ~(np.isfinite(trace["bolus_u"]) & np.isfinite(trace["carbs_g"]))
    _, day = np.unique(trace.local_day, return_inverse=True)
    known: BoolArray = np.bincount(day, weights=unknown)[day] == 0
    return known


def _median_or_zero(values: npt.NDArray[Any]) -> float:
    return float(np.median(values)) if len(values) else 0.0


def _first_minute(bolus_u: FloatArray, known: BoolArray) -> FloatArray:
    minutes = np.zeros(STEP_MIN * len(bolus_u))
    minutes[::STEP_MIN] = np.where(known, bolus_u, 0.0)
    return minutes


@numba.njit(cache=True)
def depot_release(
    doses_u: FloatArray, half_life_h: float, usual_u_per_min: float = 0.0
) -> FloatArray:
    """U/min leaving the depot, (5 n,): D' = dose - k D; where doses are unknown D stays usual."""
    k = np.log(2.0) / (60.0 * half_life_h)
    depot = usual_u_per_min / k
    release = np.empty(STEP_MIN * len(doses_u))
    for minute in range(len(release)):
        dose = doses_u[minute // STEP_MIN]
        if np.isnan(dose):
            depot = usual_u_per_min / k * (1.0 + k)
        elif minute % STEP_MIN == 0:
            depot += dose
        depot /= 1.0 + k
        release[minute] = k * depot
    return release


def bites_g(grams: float) -> FloatArray:
    """Grams of a meal in each minute from its first, at the usual pace."""
    eaten = EATING_G_PER_MIN * np.arange(int(np.ceil(grams / EATING_G_PER_MIN)))
    bites: FloatArray = np.minimum(grams - eaten, EATING_G_PER_MIN)
    return bites


def eaten_g_per_min(carbs_g: FloatArray) -> FloatArray:
    """Grams eaten in each minute (5 n,) of meals begun in rows (n,)."""
    eaten: FloatArray = _eat(carbs_g)[0]
    return eaten


@numba.njit(cache=True)
def _eat(carbs_g: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Grams eaten in each minute (5 n,) and grams still on the plate at each row's start (n,)."""
    eaten = np.empty(STEP_MIN * len(carbs_g))
    uneaten = np.empty(len(carbs_g))
    plate = 0.0
    for minute in range(len(eaten)):
        if minute % STEP_MIN == 0:
            uneaten[minute // STEP_MIN] = plate
            plate += carbs_g[minute // STEP_MIN]
        bite = min(plate, EATING_G_PER_MIN)
        eaten[minute] = bite
        plate -= bite
    return eaten, uneaten
