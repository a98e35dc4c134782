"""One run with many canaries in it: what a nightly check can see, and what it cannot.

Canaries are made-up patients; a coin decides for each whether it takes part. Each has a direction
of its own, so that its score, what all releases together say along that direction, is N(mu, 1) if
it took part and N(0, 1) if not. Two readings of one run:

- a bound (Steinke, Nasr, Jagielski, NeurIPS 2023, Theorem 5.2): no (epsilon, delta)-private
  program lets more of r guesses come true than a coin of bias e^epsilon/(1 + e^epsilon) would, but
  for 2 m delta. It holds for any program, and it has a ceiling: 1,000 canaries all guessed right,
  at delta 1e-5, prove no more than 2.4;
- an estimate: the distance of the two groups' means, in its lower confidence limit, taken for the
  mu of a Gaussian. It has no ceiling, and is no proof: it believes that scores are Gaussian.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import binom

from privacy.gaussian_dp import epsilon_of_mu
from privacy.noise import ExactNoise, NoiseSource
from privacy.release import release_sum

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

CONFIDENCE = 0.999
"""A nightly check that cried wolf once a month would soon be turned off."""

GUESSED = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Shares of the canaries that are guessed, the clearest first; each has its part of the doubt."""

DOUBT = (1.0 - CONFIDENCE) / len(GUESSED)
LARGEST_EPSILON = 50.0


@dataclass(frozen=True)
class CanaryRun:
    """What one run of `releases` with `canaries` in it shows of a claimed epsilon at delta.

    `bound_epsilon` is proved with `CONFIDENCE`; `ceiling_epsilon` is what it would be with every
    guess right, the most that so many canaries can prove. `estimate_epsilon` is the Gaussian form's
    lower confidence figure, `middle_epsilon` its middle: neither is a bound.
    """

    claimed_epsilon: float
    delta: float
    canaries: int
    releases: int
    bound_epsilon: float
    ceiling_epsilon: float
    estimate_epsilon: float
    middle_epsilon: float
    confidence: float = CONFIDENCE

    @property
    def can_falsify(self) -> bool:
        """Whether even a program without any noise could be told from the claim by the bound."""
        return self.ceiling_epsilon > self.claimed_epsilon

    @property
    def suspicious(self) -> bool:
        """Whether bound or estimate is above the claim: a reason to look, and not a verdict."""
        return max(self.bound_epsilon, self.estimate_epsilon) > self.claimed_epsilon


def canary_run(
    claim: tuple[float, float],
    sigma: float,
    releases: int,
    canaries: int,
    coins: np.random.Generator,
    noise: NoiseSource | None = None,
) -> CanaryRun:
    """One run through the real release path: claim (epsilon, delta), noise of `sigma` clip norms.

    `coins` decides who takes part, and is no part of the program under test.
    """
    epsilon, delta = claim
    took_part = coins.random(canaries) < 0.5
    source = ExactNoise() if noise is None else noise
    rows = np.eye(canaries)[took_part]
    total = sum(release_sum(rows, 1.0, sigma, source).values for _ in range(releases))
    scores = np.asarray(total, dtype=np.float64)
    low, middle = gaussian_mu(scores, took_part)
    return CanaryRun(
        claimed_epsilon=epsilon,
        delta=delta,
        canaries=canaries,
        releases=releases,
        bound_epsilon=one_run_bound(scores, took_part, delta),
        ceiling_epsilon=ceiling(canaries, delta),
        estimate_epsilon=_epsilon(low, delta),
        middle_epsilon=_epsilon(middle, delta),
    )


def one_run_bound(scores: FloatArray, took_part: BoolArray, delta: float) -> float:
    """Epsilon that the guesses prove with `CONFIDENCE`; 0 if nothing.

    The highest scores are guessed to have taken part, as many of the lowest not to have; how many
    are guessed was settled beforehand, and the doubt is shared among the choices.
    """
    m, order = len(scores), np.argsort(scores)
    shown = [0.0]
    for half in _halves(m):
        right = int(took_part[order[-half:]].sum() + (~took_part[order[:half]]).sum())
        shown.append(epsilon_shown(m, 2 * half, right, delta, DOUBT))
    return max(shown)


def ceiling(canaries: int, delta: float) -> float:
    """Epsilon that so many canaries would prove if every guess came true: never more."""
    halves = _halves(canaries)
    return max(epsilon_shown(canaries, 2 * half, 2 * half, delta, DOUBT) for half in halves)


def _halves(canaries: int) -> list[int]:
    return [max(int(share * canaries) // 2, 1) for share in GUESSED]


def epsilon_shown(m: int, guesses: int, right: int, delta: float, doubt: float) -> float:
    """The largest epsilon at which so many right guesses have a chance of at most `doubt`."""
    low, high = 0.0, LARGEST_EPSILON
    if chance_of(m, guesses, right, low, delta) > doubt:
        return 0.0
    for _ in range(40):
        middle = (low + high) / 2
        likely = chance_of(m, guesses, right, middle, delta) > doubt
        low, high = (low, middle) if likely else (middle, high)
    return low


def chance_of(m: int, guesses: int, right: int, epsilon: float, delta: float) -> float:
    """Upper limit of the chance that (epsilon, delta)-DP lets `right` or more guesses come true.

    P[B >= v] + 2 m delta max_i P[v > B >= v - i] / i, B of `guesses` coins of bias
    e^epsilon / (1 + e^epsilon).
    """
    bias = 1.0 / (1.0 + np.exp(-epsilon))
    by_luck = float(binom.sf(right - 1, guesses, bias))
    short = np.arange(1, right + 1)
    near = np.cumsum(binom.pmf(right - short, guesses, bias))
    by_delta = float((near / short).max(initial=0.0))
    return min(by_luck + 2.0 * m * delta * by_delta, 1.0)


def gaussian_mu(scores: FloatArray, took_part: BoolArray) -> tuple[float, float]:
    """(lower confidence limit, middle) of the distance of the groups' means in their sds."""
    inside, outside = scores[took_part], scores[~took_part]
    if min(len(inside), len(outside)) < 2:
        return 0.0, 0.0
    variance = (inside.var(ddof=1) + outside.var(ddof=1)) / 2
    sd = max(float(np.sqrt(variance)), 1e-12)
    middle = float(inside.mean() - outside.mean()) / sd
    a, b = len(inside), len(outside)
    error = np.sqrt(1 / a + 1 / b + middle**2 / (2 * (a + b)))
    return max(middle - float(ndtri(CONFIDENCE)) * error, 0.0), max(middle, 0.0)


def _epsilon(mu: float, delta: float) -> float:
    return LARGEST_EPSILON if mu > 8.0 else min(epsilon_of_mu(mu, delta), LARGEST_EPSILON)
