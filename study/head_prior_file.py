"""A learned prior of heads as a file: a study of kind `prior` ends with it, a clinic takes it."""

import json
from pathlib import Path
from typing import Literal

import numpy as np

from models.heads import BOOK_PRIOR, NAMES, THETA_HIGH, THETA_LOW, HeadPrior
from study.failure import ExitCode, Failure

PRIOR_FILE = "prior.json"
VIRTUAL = Path(__file__).parent / "artefacts" / "virtual_head_prior.json"
"""Heads of virtual children and adolescents of both worlds (simulations/prior_teachers.py)."""

LEAST_VARIANCE, MOST_VARIANCE = 0.005, 200.0
"""In units of the book's prior, in any direction: what studies teach lies within 0.03 and 30."""

PublicPrior = Literal["book", "virtual"]


def public_prior(which: PublicPrior) -> HeadPrior:
    """The prior that a study of kind `prior` starts from, and shrinks to."""
    return BOOK_PRIOR if which == "book" else read_prior(VIRTUAL)


def to_json(prior: HeadPrior) -> str:
    """Parameter names, mean and covariance of theta; numbers are kept to the last bit."""
    plain = {
        "parameters": list(NAMES),
        "mean": prior.mean.tolist(),
        "covariance": prior.covariance.tolist(),
    }
    return json.dumps(plain, indent=1) + "\n"


def read_prior(path: Path) -> HeadPrior:
    """The prior in a file. A Failure if it cannot be read, is of another twin, or no covariance."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        named, mean, covariance = (plain[name] for name in ("parameters", "mean", "covariance"))
        prior = HeadPrior(np.array(mean, dtype=np.float64), np.array(covariance, dtype=np.float64))
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise _unusable(path, f"{type(error).__name__}: {error}") from error
    if named != list(NAMES):
        raise _unusable(path, f"it is of heads of {named}")
    if problem := _problem(prior):
        raise _unusable(path, problem)
    return prior


def _problem(prior: HeadPrior) -> str:
    if not (np.isfinite(prior.mean).all() and np.isfinite(prior.covariance).all()):
        return "it holds values that are no numbers"
    if not np.allclose(prior.covariance, prior.covariance.T):
        return "its covariance is not symmetric"
    root = np.diag(1.0 / BOOK_PRIOR.sd)
    sizes = np.linalg.eigvalsh(root @ prior.covariance @ root)
    if sizes.min() <= 0.0:
        return "its covariance is not positive definite"
    if sizes.min() < LEAST_VARIANCE or sizes.max() > MOST_VARIANCE:
        return (
            f"its variances are {sizes.min():.3g} to {sizes.max():.3g} of the book's, and beyond "
            f"{LEAST_VARIANCE:g} to {MOST_VARIANCE:g} a prior drowns a patient's data, or says "
            "nothing"
        )
    outside = (prior.mean < THETA_LOW) | (prior.mean > THETA_HIGH)
    if outside.any():
        return f"its means of {[NAMES[k] for k in np.flatnonzero(outside)]} are beyond the bounds"
    return ""


def _unusable(path: Path, detail: str) -> Failure:
    return Failure(
        found=f"a prior of heads that cannot be used at {path}: {detail}",
        expected=f"the {PRIOR_FILE} of a study that released a prior, of this version's twin",
        consequence="No twin was calibrated.",
        remedy="take the file from the study's run folder again, or leave --prior out",
        code=ExitCode.MISSING_INPUT,
    )
