"""How large the effect of a dose truly is, beside what a twin says: learned where it is known.

    true size = said size x exp(b + s z + o z_l),   z, z_l ~ N(0, 1)

b and s come from a lesson (models/effect.py) that sees the size the twin says and what the twin
leaves of the readings; z is the patient's and shared by all levers, as twins that misjudge a body
misjudge it for basal and meals alike (correlation 0.96 over 64 virtual adults), z_l each lever's
own, with o = 0.12 as between one adult's levers there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from models.dose_response import Responses
from models.effect import COVERAGE, LEAST_MG_DL, EffectCalibration
from models.levers import Lever
from models.trace import FloatArray

OWN_SD = 0.12
SEED, FEATURES = 11, 2
KINDS = {"basal": ("basal", "long_acting"), "carb_ratio": ("carb_ratio",)}
"""Lessons and their levers. Nobody who teaches injects: that is doubted as a basal rate."""
TO_END = NormalDist().inv_cdf(0.5 + COVERAGE / 2)


@dataclass(frozen=True)
class SizeDoubt:
    """`ln_factor` b and `sd` s by kind of lever."""

    ln_factor: Mapping[str, float]
    sd: Mapping[str, float]

    def sizes(self, levers: Sequence[Lever], count: int) -> FloatArray:
        """Factors (L, count) by which each lever's effect is truly larger than the twin says."""
        rng = np.random.default_rng(SEED)
        shared, own = rng.standard_normal(count), rng.standard_normal((len(levers), count))
        kinds = [lesson_of(lever) for lever in levers]
        middle = np.array([self.ln_factor[kind] for kind in kinds])[:, None]
        spread = np.array([self.sd[kind] for kind in kinds])[:, None]
        sizes: FloatArray = np.exp(middle + spread * shared + OWN_SD * own)
        return sizes


def lesson_of(lever: Lever) -> str:
    """The name of the lesson that speaks of this lever."""
    return next(name for name, kinds in KINDS.items() if lever.kind in kinds)


def doubt_of_sizes(
    lessons: Mapping[str, EffectCalibration], responses: Responses, unrest_mg_dl: float
) -> SizeDoubt:
    """The doubt of one patient, by the lesson of each kind of lever."""
    ln_factor, sd = {}, {}
    for kind, lever_kinds in KINDS.items():
        size = max(responses.size_mg_dl(lever_kinds), LEAST_MG_DL)
        said = lessons[kind].predict(np.array([size, unrest_mg_dl]), 1)
        ln_factor[kind] = float(np.log(said.change_mg_dl / size))
        sd[kind] = float(np.log(said.high_mg_dl / said.change_mg_dl)) / TO_END
    return SizeDoubt(ln_factor, sd)
