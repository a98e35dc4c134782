"""Whether a clinic uses the new body: it decides at home, on its own people, and tells nobody.

A majority population can harm a minority, so the better body is kept, not the newer.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from study.failure import ExitCode, Failure

ADOPTION = "adoption.json"


@dataclass(frozen=True)
class Adoption:
    """Which body the clinic keeps, and the mean error of both over its people, mg/dL."""

    kept: Literal["new", "old"]
    new_rmse_mg_dl: float
    old_rmse_mg_dl: float


def choose(new_rmse_mg_dl: Sequence[float], old_rmse_mg_dl: Sequence[float]) -> Adoption:
    """The body with the lower mean error over the same people; the old one when in doubt."""
    new, old = np.asarray(new_rmse_mg_dl, float), np.asarray(old_rmse_mg_dl, float)
    if new.shape != old.shape or not new.size or not np.isfinite(old).all():
        raise Failure(
            found=f"{new.size} errors of the new body and {old.size} of the old",
            expected="one finite error of each for every person",
            consequence="The clinic keeps the body it has.",
            remedy="score both bodies on the same people",
            code=ExitCode.BAD_DATA,
        )
    better = bool(new.mean() < old.mean())
    return Adoption("new" if better else "old", float(new.mean()), float(old.mean()))


def note(home: Path, adoption: Adoption) -> None:
    """Write the decision into the clinic's home folder, where it stays."""
    (home / ADOPTION).write_text(json.dumps(asdict(adoption), indent=1) + "\n", encoding="utf-8")
