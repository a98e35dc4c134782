"""The long forecasts written down: as plain values, and as a page that says who wins where."""

from collections.abc import Iterator

import numpy as np

from simulations.long_forecasts import MODELS, Error, LongForecasts

LABELS = {
    "twin": "twin, with what its halves taught",
    "open_loop": "twin as calibrated, open loop",
    "persistence": "persistence",
    "mean": "the person's mean",
    "mean_of_hour": "the person's mean at that hour",
    "ridge": "ridge, told the same doses",
    "boosting": "gradient boosting, told the same doses",
}


def as_dict(found: LongForecasts) -> dict[str, object]:
    """Means over people by horizon, each person's own, and who was left out."""
    return {
        "horizons": [_horizon(found, minutes) for minutes in _horizons(found)],
        "people": [
            {
                "patient": one.patient,
                "horizon_min": one.horizon_min,
                "readings": one.readings,
                "rmse_mg_dl": dict(one.rmse_mg_dl),
                "mard_pct": dict(one.mard_pct),
                "covered_80_pct": one.covered_pct,
            }
            for one in found.errors
        ],
        "weights_a_day_ahead": dict(found.weights),
        "left_out": list(found.left_out),
    }


def _horizon(found: LongForecasts, minutes: int) -> dict[str, object]:
    people = found.at(minutes)
    return {
        "horizon_min": minutes,
        "people": len(people),
        "rmse_mg_dl": {name: mean([one.rmse_mg_dl[name] for one in people]) for name in MODELS},
        "mard_pct": {name: mean([one.mard_pct[name] for one in people]) for name in MODELS},
        "covered_80_pct": mean([one.covered_pct for one in people]),
    }


def mean(values: list[float]) -> float:
    """Over people."""
    return float(np.mean(values))


def _horizons(found: LongForecasts) -> list[int]:
    return sorted({one.horizon_min for one in found.errors})


def markdown(found: LongForecasts) -> str:
    """The page: RMSE, MARD, coverage, and in words who is best at each horizon."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: LongForecasts) -> Iterator[str]:
    horizons = _horizons(found)
    yield "# Forecasts from half an hour to three days"
    yield ""
    yield (
        "Written by `insula simulate forecasts`. Days held out by time; the twin is calibrated on "
        "the days before them, and every model but persistence and the means is told the insulin "
        "and meals that were then recorded. 24 and 72 h count every reading of a course from "
        "midnight. Two halves of the days before foretell each other, and teach how much of the "
        "twin's course and of the public start's body, which sees recent readings, to believe, and "
        "how far off that may be. Means over people, in brackets the standard deviation over them. "
        "Nothing was chosen on these people."
    )
    for title, errors in (("RMSE, mg/dL", "rmse_mg_dl"), ("MARD, %", "mard_pct")):
        yield from ("", f"## {title}", "", _row(["", *(_name(h) for h in horizons)]))
        yield "|---" * (len(horizons) + 1) + "|"
        for model in MODELS:
            cells = [_spread([getattr(e, errors)[model] for e in found.at(h)]) for h in horizons]
            yield _row([LABELS[model], *cells])
    yield from ("", "## The twin's 80 % intervals", "")
    yield _row(["", *(_name(h) for h in horizons)])
    yield "|---" * (len(horizons) + 1) + "|"
    covered = [_spread([one.covered_pct for one in found.at(h)], 0) for h in horizons]
    yield _row(["readings held, %", *covered])
    yield _row(["people", *(str(len(found.at(h))) for h in horizons)])
    weights = ", ".join(f"{weight:.2f}" for weight in sorted(found.weights.values()))
    yield from ("", f"Of the course a twin draws a day ahead, believed of each person: {weights}.")
    yield from ("", "## In words", "")
    yield from (f"- {_verdict(h, found.at(h))}" for h in horizons)
    yield from (f"- Left out: {reason}" for reason in found.left_out)


def _verdict(minutes: int, people: list[Error]) -> str:
    """Who is best, and whether the twin beats the mean that everybody has for nothing."""
    rmse = {name: mean([one.rmse_mg_dl[name] for one in people]) for name in MODELS}
    best = min(rmse, key=lambda name: rmse[name])
    usual = min(rmse["mean"], rmse["mean_of_hour"])
    against = "better" if rmse["twin"] < usual else "worse"
    return (
        f"{_name(minutes)}: best is {LABELS[best]} ({rmse[best]:.1f} mg/dL); the twin "
        f"({rmse['twin']:.1f}) is {against} than the person's mean ({usual:.1f})."
    )


def _name(minutes: int) -> str:
    return f"{minutes} min" if minutes < 240 else f"{minutes // 60} h"


def _spread(values: list[float], digits: int = 1) -> str:
    return f"{np.mean(values):.{digits}f} ({np.std(values):.{digits}f})"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
