"""What a site folder gives a twin: one patient's record, and the prior to begin from."""

from pathlib import Path

from client.site_folder import SITE_TABLE
from client.site_table import read_site
from models.heads import BOOK_PRIOR, HeadPrior
from models.trace import Trace
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
