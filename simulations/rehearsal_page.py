"""A rehearsal in words and figures: rehearsal.json for scripts, rehearsal.html for people."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from privacy.plan import plan
from server.dashboard_pages import duration
from server.findings import listed
from server.report import COHORT_TITLES, TEMPLATES, figures
from server.run_record import COHORTS, Model
from simulations.rehearsal import Rehearsal
from simulations.rehearsal_cost import time_of, traffic_of
from simulations.rehearsal_worth import (
    CONFIDENCE,
    LEAST_PCT,
    Doubted,
    Worth,
    errors,
    losers,
    worth_it,
    worths,
)
from study.page_templates import page_templates

SHOWN: dict[Model, str] = {
    "persistence": "the last reading, unchanged",
    "boosting": "gradient boosting, pooled without privacy",
    "pretrained": "public start",
    "local": "own tuning at home",
    "federated_dp": "federated with privacy",
    "federated_dp_local": "the same, tuned at home",
}
MEGABYTE = 1e6


def as_dict(rehearsal: Rehearsal, least_pct: float = LEAST_PCT) -> dict[str, Any]:
    """All of a rehearsal as plain values."""
    protocol, records = rehearsal.protocol, rehearsal.records
    answers = worths(records, least_pct)
    verdict, time = worth_it(answers), time_of(protocol, records)
    privacy = plan(protocol.privacy.epsilon, protocol.privacy.delta, protocol.release.rounds)
    return {
        "study": protocol.study,
        "protocol_sha256": protocol.digest(),
        "repeats": len(records),
        "virtual_people": {
            "replaced": list(rehearsal.replaced),
            "groups": list(rehearsal.stand_ins.groups),
            "days": rehearsal.stand_ins.days,
        },
        "worth_it": verdict,
        "headline": headline(answers),
        "reasons": [_reason(one, least_pct) for one in answers],
        "advice": advice(rehearsal, answers),
        "least_pct": least_pct,
        "confidence": CONFIDENCE,
        "gains": [_gain(one) for one in answers],
        "losers": losers(records),
        "errors_mg_dl": _errors(rehearsal),
        "privacy": {
            "epsilon": privacy.epsilon,
            "delta": privacy.delta,
            "sigma": privacy.sigma,
            "releases": privacy.releases,
            "true_positive_rate": privacy.true_positive_rate,
            "false_positive_rate": privacy.false_positive_rate,
        },
        "time": {
            "rounds": time.rounds,
            "work_s_per_round": time.work_s,
            "network_s_per_round": time.network_s,
            "study_min": time.study_min,
            "preparation_s_per_patient": time.patient_s,
        },
        "megabytes": {one.name: _megabytes(rehearsal, one.name) for one in protocol.members},
    }


def markup(rehearsal: Rehearsal, least_pct: float = LEAST_PCT) -> str:
    """The page: one file that needs no network."""
    pages = page_templates(Path(__file__).parent / "templates", TEMPLATES)
    pages.filters |= {"figures": figures, "duration": duration}
    told = as_dict(rehearsal, least_pct)
    return pages.get_template("rehearsal.html.j2").render(
        told=told, protocol=rehearsal.protocol, shown=SHOWN, titles=COHORT_TITLES
    )


def headline(answers: Sequence[Worth]) -> str:
    """Whether the study is worth it, and to whom."""
    verdict = worth_it(answers)
    if verdict == "yes":
        gain = [one.question.who for one in answers if one.answer == "yes"]
        return f"Worth asking for: {listed(gain)} gain."
    if verdict == "no":
        return "Not worth it as it stands: advised against."
    return "This rehearsal cannot tell."


def advice(rehearsal: Rehearsal, answers: Sequence[Worth]) -> list[str]:
    """What a coordinator does next, and what this rehearsal does not know."""
    said: dict[str, str] = {
        "yes": "Show this page to the clinics, sign the protocol, and ask them.",
        "no": "Do not ask hospitals for this. Let each clinic tune the public start at home: that "
        "costs nobody any privacy. More patients, or people whom no public data describe, may "
        "change the answer; a larger epsilon may too, and protects less.",
        "open": "Repeat it with more --repeats before you ask anybody.",
    }
    verdict = worth_it(answers)
    told = [said[verdict]]
    if verdict == "yes" and answers[0].answer != "yes":
        told.append(
            "Tell the clinics first that their own patients who take part do not surely gain."
        )
    if rehearsal.protocol.release.kind == "prior":
        told.append(
            "A study of kind prior is for the effects of treatment in new patients with few days "
            "of data. Forecasts do not show that: insula simulate prior does."
        )
    if len(rehearsal.records) == 1:
        told.append("One repeat says nothing about chance: take three or more.")
    told.append(
        "Virtual people flatter a study: they are of one simulator that the public start has not "
        "seen, their meals and doses are all on record, and they are more alike than patients are. "
        "On 21 real people a study of this kind gained next to nothing (docs/studies.md)."
    )
    return told


def _reason(one: Worth, least_pct: float) -> str:
    gain, wide = one.gain_pct.mean, one.gain_pct.half_width
    doubt = f", give or take {wide:.1f}" if math.isfinite(wide) else ", with unknown doubt"
    size = f"{abs(gain):.1f} % {'less' if gain >= 0 else 'MORE'}"
    verdict = {
        "yes": f"at least {least_pct:g} %, doubt included",
        "no": f"below {least_pct:g} %",
        "open": f"not surely {least_pct:g} % or more, and not surely less",
    }[one.answer]
    who = one.question.who[0].upper() + one.question.who[1:]
    return f"{who} err {size} than with {one.question.without}{doubt}: {verdict}."


def _gain(one: Worth) -> dict[str, Any]:
    question = one.question
    return {
        "who": question.who,
        "cohort": question.cohort,
        "ours": question.ours,
        "rivals": list(question.rivals),
        "answer": one.answer,
        "gain_pct": _doubted(one.gain_pct),
        "by_horizon_min": {str(h): _doubted(gain) for h, gain in one.by_horizon.items()},
    }


def _errors(rehearsal: Rehearsal) -> dict[str, Any]:
    """RMSE by cohort, model and horizon."""
    return {
        cohort: {
            model: {str(horizon): _doubted(value) for horizon, value in found.items()}
            for model in SHOWN
            if (found := errors(rehearsal.records, cohort, model))
        }
        for cohort in COHORTS
    }


def _doubted(value: Doubted) -> dict[str, Any]:
    """Plain values; an unknown doubt is null."""
    known = math.isfinite(value.half_width)
    return {
        "mean": value.mean,
        "half_width": value.half_width if known else None,
        "of_repeats": list(value.of_repeats),
    }


def _megabytes(rehearsal: Rehearsal, clinic: str) -> dict[str, float]:
    traffic = traffic_of(rehearsal.protocol, clinic)
    return {"down": traffic.down_bytes / MEGABYTE, "up": traffic.up_bytes / MEGABYTE}
