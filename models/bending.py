"""What the shared body adds to a twin's forecast, from what it sees at each moment.

    added_h = sum_k response_hk d_k + slope_h m

with the disturbance d and the change m of ln insulin sensitivity that models/correction.py returns,
and the responses of models/windows.py. The body never saw doses and meals after its moment; whoever
adds this to a path that was told them learns how much of it to believe.
"""

from dataclasses import dataclass, field

import numpy as np
import torch

from models.forecast import batch_of, fit_latents, predict
from models.heads import LATENT, Head
from models.rollout import HORIZONS_MIN
from models.sharing import WeightArray
from models.trace import STEP_MIN, FloatArray, IntArray, Trace
from models.windows import Windows, windows_of

WINDOWS_FOR_A_LATENT = 600
FADED_MIN = 240
"""Beyond its last horizon the body fades: held for a day, it made doubtful twins worse."""


@dataclass(frozen=True)
class Bent:
    """What a body says of every row of a trace: (n, H) mg/dL, NaN where it has not seen two hours.

    `added_mg_dl` is what it adds to the physiology; `forecast_mg_dl` the two together, no bolus
    and no meal after the row being known.
    """

    added_mg_dl: FloatArray = field(repr=False)
    forecast_mg_dl: FloatArray = field(repr=False)


def bent(body: WeightArray, trace: Trace, head: Head, own_rows: IntArray) -> Bent:
    """A body beside one head; its latent vector is fitted on `own_rows` of the trace alone.

    Row i depends on `own_rows` and on rows up to i.
    """
    windows = windows_of(trace, head, judged_only=False)
    latent = _latent(body, windows, own_rows)
    found = np.full((2, len(trace), len(HORIZONS_MIN)), np.nan)
    if len(windows):
        found[1, windows.origin] = predict(body, latent, windows)
        found[0, windows.origin] = found[1, windows.origin] - windows.start
    return Bent(found[0], found[1])


def at_leads(added_mg_dl: FloatArray, origin: IntArray, target: IntArray) -> FloatArray:
    """`added_mg_dl` (n, H) between its horizons, from 0 at the origin to 0 at FADED_MIN, (N,).

    0 where the body had not seen enough.
    """
    leads = np.minimum((target - origin) * STEP_MIN, FADED_MIN)
    knots = np.array([0, *HORIZONS_MIN, FADED_MIN])
    before = np.clip(np.searchsorted(knots, leads) - 1, 0, len(knots) - 2)
    share = (leads - knots[before]) / np.diff(knots)[before]
    none = np.zeros(len(origin))
    seen = np.nan_to_num(np.column_stack([none, added_mg_dl[origin], none]))
    place = np.arange(len(origin))
    between: FloatArray = (1.0 - share) * seen[place, before] + share * seen[place, before + 1]
    return between


def _latent(body: WeightArray, windows: Windows, own_rows: IntArray) -> FloatArray:
    """Latent vector of windows that lie with their targets within `own_rows`; 0 without any."""
    last = windows.origin + HORIZONS_MIN[-1] // STEP_MIN
    inside = np.isin(windows.origin, own_rows) & np.isin(last, own_rows)
    own = windows.where(np.flatnonzero(inside & np.isfinite(windows.target).any(axis=1)))
    if not len(own):
        return np.zeros(LATENT)
    batch = batch_of([own], WINDOWS_FOR_A_LATENT)
    latent: FloatArray = fit_latents(torch.from_numpy(body), batch)[0].double().numpy()
    return latent
