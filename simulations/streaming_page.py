"""The study of streaming written down: as plain values and in Markdown."""

from collections.abc import Sequence

import numpy as np

from models.rollout import HORIZONS_MIN
from models.trace import FloatArray
from simulations.streaming import Case, Fault, Walk


def as_dict(walk: Walk, cases: Sequence[Case]) -> dict[str, object]:
    """Forecast errors and coverage by horizon, and alarms by change."""
    quiet = [one for one in cases if one.fault is Fault.NONE]
    watched = sum(one.watched_days for one in quiet)
    return {
        "group": walk.group,
        "world": walk.world,
        "people": len(quiet),
        "horizons_min": list(HORIZONS_MIN),
        "rmse_mg_dl": _over_people([_rms(one.judgement.errors_mg_dl) for one in quiet]),
        "persistence_mg_dl": _over_people([_rms(one.judgement.persistence_mg_dl) for one in quiet]),
        "covered_80_pct": _over_people([100 * _mean(one.judgement.covered) for one in quiet]),
        "shipped_rmse_mg_dl": _over_people([one.shipped.rmse_mg_dl for one in quiet]),
        "shipped_covered_80_pct": _over_people([one.shipped.covered_pct for one in quiet]),
        "squared_surprise": float(np.mean([one.judgement.squared_surprise for one in quiet])),
        "days_without_change": watched,
        "false_alarms": sum(one.false_alarm for one in quiet),
        "changes": {fault.value: _noticed(cases, fault) for fault in Fault if fault.name != "NONE"},
    }


def _noticed(cases: Sequence[Case], fault: Fault) -> dict[str, object]:
    delays = [one.delay_days for one in cases if one.fault is fault]
    rung = [delay for delay in delays if delay is not None]
    return {
        "people": len(delays),
        "noticed": len(rung),
        "median_delay_days": float(np.median(rung)) if rung else None,
    }


def markdown(walk: Walk, cases: Sequence[Case]) -> str:
    """Two short tables and a sentence on false alarms."""
    plain = as_dict(walk, cases)
    lines = [
        f"{plain['people']} drawn {walk.group}s, world {walk.world}, {walk.days} days each.",
        "",
        "| | " + " | ".join(f"{minutes} min" for minutes in HORIZONS_MIN) + " |",
        "|---" * (len(HORIZONS_MIN) + 1) + "|",
    ]
    for label, key in (
        ("as shipped: refitted, with the body, RMSE mg/dL", "shipped_rmse_mg_dl"),
        ("filter alone, RMSE mg/dL", "rmse_mg_dl"),
        ("persistence, RMSE mg/dL", "persistence_mg_dl"),
        ("80 % intervals as shipped cover, %", "shipped_covered_80_pct"),
        ("80 % intervals of the filter cover, %", "covered_80_pct"),
    ):
        values = plain[key]
        cells = [f"{one:.1f}" for one in values] if isinstance(values, list) else []
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"Mean square of standardised surprises: {plain['squared_surprise']:.2f}. False alarms: "
        f"{plain['false_alarms']} in {plain['days_without_change']} days without change.",
        "",
        "| change on day 24 | noticed | median delay, days |",
        "|---|---|---|",
    ]
    for fault in Fault:
        if fault is not Fault.NONE:
            found = _noticed(cases, fault)
            lines.append(
                f"| {fault.value} | {found['noticed']} of {found['people']} "
                f"| {found['median_delay_days']} |"
            )
    return "\n".join(lines) + "\n"


def _rms(errors: FloatArray) -> FloatArray:
    return np.sqrt(_mean(errors**2))


def _mean(values: FloatArray) -> FloatArray:
    means: FloatArray = np.nanmean(values, axis=0)
    return means


def _over_people(values: Sequence[FloatArray]) -> list[float]:
    means: list[float] = np.mean(values, axis=0).tolist()
    return means
