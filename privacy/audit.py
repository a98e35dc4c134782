"""An attack on the release path itself: how much privacy it can be shown not to give.

The auditor knows everybody but one patient, chooses that patient as badly as can be, runs the real
release many times with and without him, and guesses. How often the guesses are right bounds mu
from below, whatever the code says of itself (Nasr et al., arXiv 2302.07956). A bound above the
claim proves a fault; one well below it would say that the audit is blind.
"""

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import beta

from privacy.gaussian_dp import epsilon_of_mu
from privacy.moments import MomentTest, moment_test
from privacy.planted import PLANTED, SIGMA, Mechanism, Site, honest

FloatArray = npt.NDArray[np.float64]

CLAIMED_MU = 1.0 / SIGMA
DELTA = 1e-5
CONFIDENCE = 0.99
SHARP_ENOUGH = 0.9
"""Share of the claimed epsilon that the audit of correct code must be able to show."""

TRIALS, PLANTED_TRIALS = 30_000, 500
"""Releases of each kind: enough to show 0.9 of the claim, and enough to see a planted fault.

At 20,000 an audit of correct code calls itself blind once in 170 times, at 30,000 once in 50,000.
"""

PILOT = 0.1
"""Share of the trials that only choose the threshold."""

CLEARLY = 1.25
"""What a threshold must show in the pilot, as a multiple of the middle's, to be preferred to it."""

DIMENSION, OTHERS, WINDOWS = 4, 3, 6
USUAL, FARTHEST = 0.2, 100.0


@dataclass(frozen=True)
class Attack:
    """What one mechanism was shown to leak: a lower bound, right with chance `CONFIDENCE`."""

    lower_bound_mu: float
    lower_bound_epsilon: float

    @property
    def flagged(self) -> bool:
        """Whether the bound disproves the claim."""
        return self.lower_bound_mu > CLAIMED_MU


@dataclass(frozen=True)
class Audit:
    """The release path under attack, every planted fault beside it, and the noise's moments."""

    claimed_epsilon: float
    correct: Attack
    planted: dict[str, Attack]
    noise: MomentTest
    trials: int
    cpu_s: float
    confidence: float = CONFIDENCE

    @property
    def passed(self) -> bool:
        """The claim stands, the audit could have seen it fall, and every planted fault fell."""
        sharp = self.correct.lower_bound_epsilon >= SHARP_ENOUGH * self.claimed_epsilon
        caught = all(one.flagged for one in self.planted.values())
        return sharp and caught and not self.correct.flagged and not self.noise.flagged


def audit(trials: int = TRIALS, mechanism: Mechanism = honest) -> Audit:
    """The audit of `mechanism`: so many releases with and as many without the patient."""
    began = time.process_time()
    correct = attack(mechanism, trials)
    planted = {name: attack(fault, PLANTED_TRIALS) for name, fault in PLANTED.items()}
    noise = moment_test(mechanism, SIGMA)
    return Audit(
        claimed_epsilon=epsilon_of_mu(CLAIMED_MU, DELTA),
        correct=correct,
        planted=planted,
        noise=noise,
        trials=trials,
        cpu_s=time.process_time() - began,
    )


def attack(mechanism: Mechanism, trials: int) -> Attack:
    """The best that an auditor can show against `mechanism` in `trials` releases of each kind."""
    others, patient = neighbours()
    without = _scores(mechanism, others, trials)
    including = _scores(mechanism, [*others, patient], trials)
    mu = lower_bound(including, without)
    return Attack(mu, epsilon_of_mu(mu, DELTA))


def neighbours() -> tuple[list[FloatArray], FloatArray]:
    """A site's other patients and the one in question, far out in the auditor's direction."""
    random = np.random.default_rng(0)
    others = [random.normal(0.0, 0.01, (WINDOWS, DIMENSION)) for _ in range(OTHERS)]
    for one in others:
        one[:, 0] += USUAL
    patient = np.zeros((WINDOWS, DIMENSION))
    patient[:, 0] = FARTHEST
    return others, patient


def _scores(mechanism: Mechanism, site: Site, trials: int) -> FloatArray:
    """Each release along the auditor's direction, (trials,)."""
    return np.array([mechanism(site)[0] for _ in range(trials)])


def lower_bound(including: FloatArray, without: FloatArray) -> float:
    """mu that these scores prove with chance `CONFIDENCE`, at least 0.

    A pilot chooses direction and threshold; the rest is counted, with Clopper-Pearson limits of
    both error rates: mu >= Phi^-1(1 - false positives) - Phi^-1(false negatives).
    """
    pilot = int(PILOT * len(including))
    sign = 1.0 if np.median(including[:pilot]) >= np.median(without[:pilot]) else -1.0
    members, strangers = sign * including, sign * without
    threshold = _threshold(members[:pilot], strangers[:pilot])
    return max(_shown(members[pilot:], strangers[pilot:], threshold), 0.0)


def _threshold(members: FloatArray, strangers: FloatArray) -> float:
    """Where to divide them: in the middle, unless another place shows clearly more.

    Against noise that is Gaussian every place is as good, and the middle is counted best; the place
    that happens to show most in a small pilot is often far out.
    """
    middle = float(np.median(members) + np.median(strangers)) / 2
    candidates = np.quantile(np.append(members, strangers), np.linspace(0, 1, 41))
    thresholds = (candidates[1:] + candidates[:-1]) / 2
    shown = [_shown(members, strangers, each) for each in thresholds]
    best = int(np.argmax(shown))
    clearly = shown[best] > CLEARLY * max(_shown(members, strangers, middle), 0.0)
    return float(thresholds[best]) if clearly else middle


def _shown(members: FloatArray, strangers: FloatArray, threshold: float) -> float:
    false_positive = at_most(int((strangers > threshold).sum()), len(strangers))
    false_negative = at_most(int((members <= threshold).sum()), len(members))
    return float(ndtri(1.0 - false_positive) - ndtri(false_negative))


def at_most(successes: int, trials: int) -> float:
    """Clopper-Pearson upper limit of a probability; each of two has half of the doubt."""
    if successes == trials:
        return 1.0
    return float(beta.ppf(1.0 - (1.0 - CONFIDENCE) / 2.0, successes + 1, trials - successes))
