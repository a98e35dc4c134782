"""The settings that one patient's twin would try next, or why it proposes none."""

from dataclasses import dataclass, field

import numpy as np

from client.card_verdict import Light
from client.known_twin import KnownTwin, known_twin, refusal
from client.trial import ASKED, as_plain_outcome
from client.twin_question import well_recorded_rows
from models.calibration import Calibration
from models.dose_response import LEAD_HOURS, responses_of, unrest_mg_dl
from models.evidence import Experiment, untold
from models.heads import BOOK_PRIOR, HeadPrior
from models.knowledge import ClinicKnowledge
from models.levers import PUMP, Lever, Steps, levers_of, require_levers
from models.regimen_search import Found, search
from models.scenario import ScenarioError
from models.size_doubt import doubt_of_sizes
from models.trace import STEPS_PER_DAY, Trace
from study.plan_lessons import read_plan_lessons

HOURS = 24
FEWEST_DAYS, MOST_DAYS = 4, 14
STOP = Light.STOP.name.lower()


@dataclass(frozen=True)
class Proposal:
    """Settings to try and what they would change; `refused` says why none is proposed.

    `refused` is a key of the catalogue: poor_card, nothing_better, no_difference or untold.
    `experiments` are by lever, those that would tell what the record does not.
    """

    patient: str
    days: int
    draws: int
    levers: tuple[Lever, ...]
    found: Found | None
    refused: str
    experiments: dict[str, Experiment]
    calibration: Calibration = field(repr=False)
    verdict: str
    cautions: tuple[str, ...]

    @property
    def moved(self) -> tuple[Lever, ...]:
        """Levers whose setting would change."""
        return tuple(one for one in self.levers if self.found and one.name in self.found.setting)


def propose(
    trace: Trace,
    prior: HeadPrior = BOOK_PRIOR,
    steps: Steps = PUMP,
    correction_mg_dl_per_u: float | None = None,
) -> Proposal:
    """The best settings within 20 % of today's for the latest days; a Failure if none can be.

    The clinic's correction factor, where it is known, helps to make the twin.
    """
    plan_rows(trace)
    known = ClinicKnowledge(correction_mg_dl_per_u)
    return propose_for(known_twin(trace, prior, known), steps)


def propose_for(twin: KnownTwin, steps: Steps = PUMP) -> Proposal:
    """The same for a twin that is made already."""
    trace, calibration = twin.trace, twin.calibration
    rows = plan_rows(trace)
    try:
        levers = levers_of(trace, steps)
        require_levers(levers, trace.patient)
        rows = _with_injections(trace, rows, levers)
        poor = twin.judgement.verdict == STOP
        found = None if poor else best_settings(trace, calibration, rows, levers)
    except ScenarioError as error:
        raise refusal(str(error)) from error
    lacking = untold(trace, levers)
    return Proposal(
        patient=trace.patient,
        days=len(rows),
        draws=ASKED.draws,
        levers=levers,
        found=found,
        refused=why_not(found, lacking),
        experiments=lacking,
        calibration=calibration,
        verdict=twin.judgement.verdict,
        cautions=twin.judgement.cautions,
    )


def _with_injections(trace: Trace, rows: list[int], levers: tuple[Lever, ...]) -> list[int]:
    """Days that bear every lever: for a long-acting dose, one then or the day before."""
    if not any(lever.kind == "long_acting" for lever in levers):
        return rows
    given = np.nan_to_num(trace["long_acting_u"]) > 0.0
    kept = [row for row in rows if given[row - STEPS_PER_DAY : row + STEPS_PER_DAY].any()]
    if not kept:
        raise refusal("no injection of long-acting insulin on the latest well-recorded days")
    return kept


def plan_rows(trace: Trace) -> list[int]:
    """Midnights before the latest well-recorded days whose day before is well recorded, too."""
    before = well_recorded_rows(trace, LEAD_HOURS + HOURS)
    rows = [row + STEPS_PER_DAY for row in before][-MOST_DAYS:]
    if len(rows) < FEWEST_DAYS:
        raise refusal(
            f"{len(rows)} well-recorded days of {trace.patient} that follow another such day; a "
            f"plan needs {FEWEST_DAYS}"
        )
    return rows


def best_settings(
    trace: Trace, calibration: Calibration, rows: list[int], levers: tuple[Lever, ...]
) -> Found:
    """The search on the days that begin at these rows; nothing is refused yet."""
    responses = responses_of(trace, calibration, rows, levers, ASKED)
    lessons = read_plan_lessons().calibrations
    unrest = unrest_mg_dl(trace, calibration)
    return search(responses, doubt_of_sizes(lessons, responses, unrest))


def why_not(found: Found | None, lacking: dict[str, Experiment]) -> str:
    """The key of the reason against a proposal; empty where there is one."""
    if found is None:
        return "poor_card"
    if not found.setting:
        return "nothing_better"
    if found.tells_nothing:
        return "no_difference"
    if set(found.setting) <= set(lacking):
        return "untold"
    return ""


def as_dict(proposal: Proposal) -> dict[str, object]:
    """The proposal as plain values, for `--json` and for its sentences."""
    found = proposal.found
    return {
        "patient": proposal.patient,
        "days": proposal.days,
        "draws": proposal.draws,
        "refused": proposal.refused,
        "settings": [_setting(lever, found) for lever in proposal.levers],
        "experiments": {name: one.value for name, one in proposal.experiments.items()},
        **({} if found is None else as_plain_outcome(found.outcome)),
        "verdict": proposal.verdict,
        "flags": list(proposal.calibration.flags),
        "cautions": list(proposal.cautions),
    }


def _setting(lever: Lever, found: Found | None) -> dict[str, object]:
    new = lever.today if found is None else found.setting.get(lever.name, lever.today)
    return {
        "lever": lever.name,
        "unit": lever.unit,
        "today": round(lever.today, 3),
        "proposed": round(new, 3),
        "change_pct": round(100.0 * (new / lever.today - 1.0), 1),
    }
