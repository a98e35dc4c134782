"""The settings that one patient's twin would try next, or why it proposes none."""

from dataclasses import dataclass, field

import numpy as np

from client.card_verdict import Light
from client.known_twin import KnownTwin, known_twin, refusal
from client.trial import ASKED, as_plain_outcome, start_rows
from models.calibration import Calibration
from models.evidence import Experiment, untold
from models.heads import BOOK_PRIOR, HeadPrior
from models.levers import PUMP, Lever, Steps, levers_of, require_levers
from models.regimen_search import Found, search
from models.sandbox import Asked, ground_of
from models.scenario import ScenarioError
from models.trace import STEP_MIN, Trace

HOURS = 24
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
    """The best settings within 20 % of today's for the latest week; a Failure if none can be."""
    start_rows(trace, HOURS, None)
    return propose_for(known_twin(trace, prior), steps, correction_mg_dl_per_u)


def propose_for(
    twin: KnownTwin, steps: Steps = PUMP, correction_mg_dl_per_u: float | None = None
) -> Proposal:
    """The same for a twin that is made already."""
    trace, calibration = twin.trace, twin.calibration
    rows = start_rows(trace, HOURS, None)
    try:
        levers = levers_of(trace, steps, correction_mg_dl_per_u)
        require_levers(levers, trace.patient)
        rows = _with_injections(trace, rows, levers)
        asked = Asked(ASKED.draws, ASKED.seed, correction_mg_dl_per_u)
        poor = twin.judgement.verdict == STOP
        grounds = [] if poor else [ground_of(trace, calibration, row, HOURS, asked) for row in rows]
        found = None if poor else search(grounds, levers)
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
    """Days that bear every lever: where the long-acting dose is one, those with an injection."""
    if not any(lever.kind == "long_acting" for lever in levers):
        return rows
    given = np.nan_to_num(trace["long_acting_u"]) > 0.0
    kept = [row for row in rows if given[row : row + HOURS * 60 // STEP_MIN].any()]
    if not kept:
        raise refusal("no injection of long-acting insulin on the latest well-recorded days")
    return kept


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
