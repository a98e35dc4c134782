"""The clinic's rule of thumb for a change of dose: so many units less, times the correction factor.

It is the honest rival of a twin. It knows no kinetics and no food, only how far one unit lowers
this patient and how many units a day are changed; calibrated on virtual patients like the twin.
"""

from models.knowledge import ClinicKnowledge
from models.trace import STEP_MIN
from simulations.behaviour import DAY_MIN
from simulations.effects_people import TRAINING_DAYS, Change, Subject, Treatment
from study.failure import ExitCode, Failure


def thumb_mg_dl(subject: Subject, change: Change) -> float:
    """CF x units a day that the change adds or takes, mg/dL without sign.

    A whole day's units against one correction: far too large as it stands, which is why it must be
    calibrated. Counted over the training days.
    """
    return (
        _correction_factor(subject.knowledge)
        * abs(change.factor - 1.0)
        * _daily_u(subject, change.treatment)
    )


def _daily_u(subject: Subject, treatment: Treatment) -> float:
    minutes = TRAINING_DAYS * DAY_MIN
    if treatment is Treatment.BASAL:
        total = float(subject.life.basal_u_per_h[: minutes // STEP_MIN].sum()) * STEP_MIN / 60.0
    elif treatment is Treatment.BOLUS:
        total = float(subject.life.bolus_u[:minutes].sum())
    else:
        total = float(subject.for_meals_u[:minutes].sum())
    return total / TRAINING_DAYS


def _correction_factor(knowledge: ClinicKnowledge) -> float:
    factor = knowledge.correction_factor_mg_dl_per_u
    if factor is None:
        raise Failure(
            found="a clinic that knows no correction factor",
            expected="a correction factor in mg/dL per unit",
            consequence="No rule of thumb was applied.",
            remedy="give the correction factor on file.",
            code=ExitCode.MISSING_INPUT,
        )
    return factor
