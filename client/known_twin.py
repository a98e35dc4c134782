"""One patient's twin as it is asked again and again: made once, with what its card says of it."""

from dataclasses import dataclass, field

from client.card_verdict import Judgement, judge
from models.calibration import Calibration, CalibrationError
from models.delay_fit import calibrate_meals
from models.heads import BOOK_PRIOR, HeadPrior
from models.knowledge import ClinicKnowledge
from models.trace import Trace
from study.failure import ExitCode, Failure


@dataclass(frozen=True)
class KnownTwin:
    """A record, the twin calibrated on all of it, and what the quality card says."""

    trace: Trace = field(repr=False)
    calibration: Calibration = field(repr=False)
    judgement: Judgement = field(repr=False)


def known_twin(
    trace: Trace,
    prior: HeadPrior = BOOK_PRIOR,
    knowledge: ClinicKnowledge | None = None,
    judgement: Judgement | None = None,
) -> KnownTwin:
    """The twin of a record and its verdict; a Failure where the record cannot carry a twin.

    `judgement` is this record's under this prior where it was made already: what the clinic knows
    is no part of it.
    """
    try:
        (calibration,) = calibrate_meals([trace], prior, knowledge=[knowledge])
    except CalibrationError as error:
        raise refusal(str(error)) from error
    return KnownTwin(trace, calibration, judgement or judge(trace, prior))


def refusal(found: str) -> Failure:
    """A question that this record cannot bear."""
    return Failure(
        found=found.removeprefix("found "),
        expected="a record and a scenario that go together",
        consequence="The scenario was not tried.",
        remedy="choose another day, patient or scenario; `insula twin list` shows who can be asked",
        code=ExitCode.REFUSED,
    )
