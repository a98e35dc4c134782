"""What a study of a given size may expect to keep of the gain without privacy, before it starts.

Virtual studies of several sizes, budgets and populations were run (`insula simulate sizes`), and
what they kept stands in a small file here. How loud a study's people are in its noise is one
number,

    loudness = mu n sqrt(S),

mu the budget in Gaussian DP, S clinics of n patients each: T releases add noise of
sqrt(T) C / loudness to each coordinate of the mean row. Through studies near that loudness goes a
straight line, which is the expectation; how they differ from it, and from draw to draw, is its
doubt.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError

from models.trace import FloatArray
from privacy.gaussian_dp import mu_of_epsilon
from study.failure import ExitCode, Failure

SHIPPED = Path(__file__).parent / "artefacts" / "expected_share.json"
Kind = Literal["adapter", "prior", "body"]

NEAR = 0.7
"""Width in ln loudness of the weights of the line: studies twice or half as loud are near."""

MANY_WORSE_OFF_PCT = 10.0
"""Of clinics and draws that end worse than the public start: more are worth a warning."""


@dataclass(frozen=True)
class VirtualStudy:
    """What one virtual study kept at one budget, per cent of the gain without privacy.

    Of each thing in `judged`: the share kept, its standard deviation over splits and draws of
    noise, and how many clinics and draws ended worse than the public start. The rest are settings.
    """

    release: Kind
    people: str
    sites: int
    patients: int
    epsilon: float
    delta: float
    judged: tuple[str, ...]
    kept_pct: tuple[float, ...]
    kept_sd_pct: tuple[float, ...]
    worse_off_pct: tuple[float, ...]
    releases: int
    dimension: int
    clip_norm: float
    draws: int

    @property
    def loudness(self) -> float:
        """mu n sqrt(S)."""
        return loudness(self.sites, self.patients, self.epsilon, self.delta)


@dataclass(frozen=True)
class Expectation:
    """What a study of this size may keep, per cent, and how sure that is.

    `doubt_pct` is a standard deviation of one study about it. `like` is the virtual study whose
    loudness is nearest; its settings are those to use. `inside` is whether both louder and quieter
    studies were tried: outside, the last that was tried is taken, and its doubt doubled where what
    was asked about is the quieter.
    """

    judged: tuple[str, ...]
    kept_pct: tuple[float, ...]
    doubt_pct: tuple[float, ...]
    worse_off_pct: tuple[float, ...]
    inside: bool
    like: VirtualStudy

    @property
    def worth_it(self) -> bool:
        """Whether more than nothing is kept beyond doubt, over all that was judged."""
        return float(np.mean(self.kept_pct)) > float(np.mean(self.doubt_pct))

    @property
    def hurts_some(self) -> bool:
        """Whether many clinics end worse than they began, at any horizon, though others gain."""
        return max(self.worse_off_pct) > MANY_WORSE_OFF_PCT


def loudness(sites: int, patients: int, epsilon: float, delta: float) -> float:
    """mu n sqrt(S): clip norms in the noise on a coordinate of the mean row, times sqrt(T)."""
    return mu_of_epsilon(epsilon, delta) * patients * math.sqrt(sites)


def expected(loud: float, kind: Kind, studies: Sequence[VirtualStudy]) -> Expectation:
    """What releases of a kind may keep in a study of this loudness."""
    those = [one for one in studies if one.release == kind]
    if len(those) < 2:
        raise _unusable(f"it has {len(those)} virtual studies of kind {kind}")
    tried = np.log([one.loudness for one in those])
    at = float(np.clip(math.log(loud), tried.min(), tried.max()))
    inside = math.isclose(at, math.log(loud))
    quieter = not inside and at > math.log(loud)
    line = _Line(tried - at)
    kept = np.array([one.kept_pct for one in those])
    drawn = np.array([one.kept_sd_pct for one in those])
    doubt = np.sqrt(line.weights @ (line.missed(kept) ** 2 + drawn**2))
    worse_off = line.at_zero(np.array([one.worse_off_pct for one in those]))
    return Expectation(
        judged=those[0].judged,
        kept_pct=tuple(line.at_zero(kept).tolist()),
        doubt_pct=tuple((2.0 * doubt if quieter else doubt).tolist()),
        worse_off_pct=tuple(np.clip(worse_off, 0.0, 100.0).tolist()),
        inside=inside,
        like=those[int(np.argmin(np.abs(tried - at)))],
    )


class _Line:
    """A straight line through values at places x (N,), the nearer to 0 the heavier."""

    def __init__(self, x: FloatArray) -> None:
        near = np.exp(-0.5 * (x / NEAR) ** 2)
        self.weights = near / near.sum()
        self._design = np.stack([np.ones(len(x)), x], axis=1)

    def at_zero(self, values: FloatArray) -> FloatArray:
        """Of each column of `values` (N, M), (M,)."""
        fitted: FloatArray = self._fit(values)[0]
        return fitted

    def missed(self, values: FloatArray) -> FloatArray:
        """What the line leaves of `values`, (N, M)."""
        rest: FloatArray = values - self._design @ self._fit(values)
        return rest

    def _fit(self, values: FloatArray) -> FloatArray:
        root = np.sqrt(self.weights)[:, None]
        fit: FloatArray = np.linalg.lstsq(root * self._design, root * values, rcond=None)[0]
        return fit


def read_studies(path: Path = SHIPPED) -> tuple[VirtualStudy, ...]:
    """The virtual studies in a file. A Failure where it is missing, or holds something else."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["studies"]
        return tuple(_study(row) for row in rows)
    except (OSError, ValidationError, ValueError, KeyError, TypeError) as error:
        raise _unusable(f"{type(error).__name__}: {error}", path) from error


def write_studies(studies: Sequence[VirtualStudy], path: Path) -> None:
    """As JSON, one study a line."""
    rows = ",\n".join(json.dumps(asdict(one)) for one in studies)
    path.write_text(f'{{"studies": [\n{rows}\n]}}\n', encoding="utf-8")


def _study(row: object) -> VirtualStudy:
    found = TypeAdapter(VirtualStudy).validate_python(row)
    figures = (found.kept_pct, found.kept_sd_pct, found.worse_off_pct)
    if any(len(one) != len(found.judged) for one in figures) or not np.isfinite(figures).all():
        raise ValueError(f"figures {figures} of {found.judged}")
    return found


def _unusable(detail: str, path: Path = SHIPPED) -> Failure:
    return Failure(
        found=f"expected shares that cannot be used at {path}: {detail}",
        expected="the virtual studies that `insula simulate sizes` wrote",
        consequence="Nothing was expected.",
        remedy="restore study/artefacts/expected_share.json, or plan without --release",
        code=ExitCode.MISSING_INPUT,
    )
