"""Ways to get a release wrong, each through the real release path: what an audit must flag.

A site here is a sequence of patients, each an array (windows, d) of one contribution a window.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from privacy.noise import ExactNoise, NoiseSource, SimulatedNoise
from privacy.release import release_sum

FloatArray = npt.NDArray[np.float64]
Site = Sequence[FloatArray]
Mechanism = Callable[[Site], FloatArray]

CLIP_NORM = 1.0
SIGMA = 1.0
NOTHING = 1e-9
"""A noise multiplier that hides nothing."""


def honest(site: Site) -> FloatArray:
    """The release as it should be, (d,): one row a patient, clipped, exact noise of sigma C."""
    return _released(_rows(site))


def window_as_unit(site: Site) -> FloatArray:
    """One row a window: whoever has many windows weighs as many times C."""
    return _released(np.concatenate(site))


def site_scaling(site: Site) -> FloatArray:
    """Rows in units of the site's own spread, which everybody moves."""
    rows = _rows(site)
    return _released(rows / rows.std())


def site_head(site: Site) -> FloatArray:
    """Rows that are what one fit to all of the site's patients leaves."""
    rows = _rows(site)
    return _released(rows - rows.mean(axis=0))


def clip_off(site: Site) -> FloatArray:
    """Noise as if clipped, but no clipping."""
    return _released(_rows(site), clip_norm=1e4, sigma=1e-4)


def half_noise(site: Site) -> FloatArray:
    """Half the noise that the ledger says."""
    return _released(_rows(site), sigma=SIGMA / 2)


def no_noise(site: Site) -> FloatArray:
    """The clipped sum as it is."""
    return _released(_rows(site), sigma=NOTHING)


def fixed_seed(site: Site) -> FloatArray:
    """The same noise in every release: whoever saw one can take it out of the next."""
    return _released(_rows(site), noise=SimulatedNoise(0))


def fresh_accountant(site: Site) -> FloatArray:
    """Four rounds of which the ledger, opened anew each time, remembers one; their mean."""
    rounds = np.stack([honest(site) for _ in range(4)])
    mean: FloatArray = rounds.mean(axis=0)
    return mean


PLANTED: Mapping[str, Mechanism] = {
    one.__name__: one
    for one in (
        window_as_unit,
        site_scaling,
        site_head,
        clip_off,
        half_noise,
        no_noise,
        fixed_seed,
        fresh_accountant,
    )
}


def _rows(site: Site) -> FloatArray:
    """Each patient's mean over windows, (P, d)."""
    return np.stack([windows.mean(axis=0) for windows in site])


def _released(
    rows: FloatArray,
    clip_norm: float = CLIP_NORM,
    sigma: float = SIGMA,
    noise: NoiseSource | None = None,
) -> FloatArray:
    return release_sum(rows, clip_norm, sigma, ExactNoise() if noise is None else noise).values
