"""The whole audit: the release path under attack, what can be read of a release, and a nightly run.

privacy/ attacks its own path and knows no glucose; what a release says of a patient's readings is
tried here, where body and release meet.
"""

import time
from dataclasses import dataclass

import numpy as np
import torch

from privacy.audit import Audit, audit
from privacy.canaries import CanaryRun, canary_run
from privacy.gaussian_dp import sigma_for
from privacy.planted import SIGMA
from study.inversion import InversionAudit, attacked
from study.public_start import read_public_start

CANARIES, CLAIM, RELEASES = 1000, (8.0, 1e-5), 4
"""Of the nightly run: as many releases as a study of tens of patients makes, at the ceiling."""


@dataclass(frozen=True)
class WholeAudit:
    """What was found; `watched` only of a nightly run, which no verdict depends on."""

    path: Audit
    read: InversionAudit
    watched: CanaryRun | None
    cpu_s: float

    @property
    def passed(self) -> bool:
        """The claim stands, and a release reads no better than a guess."""
        return self.path.passed and self.read.passed


def whole_audit(trials: int, night: int | None = None) -> WholeAudit:
    """The audit of so many releases of each kind; with canaries if `night` seeds their coins."""
    torch.set_num_threads(1)
    began = time.process_time()
    path = audit(trials)
    read = attacked(read_public_start().weights, SIGMA)
    watched = None if night is None else canaries(night)
    return WholeAudit(path, read, watched, time.process_time() - began)


def canaries(night: int) -> CanaryRun:
    """The nightly run: noise of `CLAIM` in `RELEASES`, through the release path as it is."""
    sigma = sigma_for(*CLAIM, RELEASES)
    return canary_run(CLAIM, sigma, RELEASES, CANARIES, np.random.default_rng(night))
