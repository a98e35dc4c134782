"""What a site folder gives a twin: one patient's record, and the prior to begin from."""

from pathlib import Path

import numpy as np

from client.site_folder import SITE_TABLE
from client.site_table import read_site
from client.twin_question import well_recorded_rows
from models.heads import BOOK_PRIOR, HeadPrior
from models.inputs import known_rows
from models.trace import STEP_MIN, STEPS_PER_DAY, Trace
from study.failure import ExitCode, Failure
from study.head_prior_file import PRIOR_FILE, read_prior


def prior_of(site: Path) -> HeadPrior:
    """The prior.json of a study where the folder holds one, else the book's."""
    path = site / PRIOR_FILE
    return read_prior(path) if path.exists() else BOOK_PRIOR


def trace_of(patient: str, site: Path) -> Trace:
    """One patient's record; a Failure names those who are there."""
    traces = {trace.patient: trace for trace in read_site(site / SITE_TABLE)}
    if patient not in traces:
        raise Failure(
            found=f"no patient {patient} at this site",
            expected=f"one of {', '.join(sorted(traces))}",
            consequence="No twin was made.",
            remedy="choose one of those",
            code=ExitCode.MISSING_INPUT,
        )
    return traces[patient]


def described(trace: Trace) -> dict[str, str | float]:
    """Days, readings in per cent, days with insulin and meals, and whether a twin can be asked."""
    readings = np.isfinite(trace["glucose_mg_dl"]).mean() * trace.sensor_period_min / STEP_MIN
    return {
        "patient": trace.patient,
        "days": trace.days,
        "readings_pct": 100.0 * float(min(readings, 1.0)),
        "days_with_insulin_and_meals": float(known_rows(trace).sum()) / STEPS_PER_DAY,
        "can_be_asked": "yes" if well_recorded_rows(trace) else "no",
    }
