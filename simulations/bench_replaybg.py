"""Our search and our regimens beside ReplayBG, which runs in an environment of its own.

On the day that its repository ships as an example, both are judged on its objective, and the
figure that is printed is what ReplayBG itself says of our values. Seconds are of the processor and
of one thread, on both sides: two processes of which one is asked after the other share a machine
with whatever else runs on it.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.heads import BOOK_PRIOR
from models.openloop import open_loop
from models.trace import STEP_MIN, STEPS_PER_DAY
from simulations import replaybg_rival
from simulations.bench_twin import START_MG_DL, regimens, timed_trace, timed_weight_kg
from simulations.replaybg_fit import Fit, fit_day
from simulations.replaybg_model import Day, read_day
from simulations.replaybg_rival import Example
from study.failure import Failure

REPLAYS, REPEATS = 100, 3
DAY_HOURS = 24
THEIR_STARTS = 128
KNOWN_BEST = 1117.1
"""The lowest value of this objective that was known on their example before."""

MEAL_HOURS = {"B": (4, 11), "L": (11, 15), "D": (18, 24)}
"""Other meals are snacks."""

Row = dict[str, Any]


@dataclass(frozen=True)
class _Fitted:
    day: Day
    fit: Fit
    ours_s: float


def rows() -> Iterator[Row]:
    """The most likely values of one day, and a hundred days replayed."""
    with tempfile.TemporaryDirectory() as folder:
        given, whose = _given(Path(folder))
        day = read_day(given.table, given.weight_kg, given.steady_mu_kg_min)
        fitted = _Fitted(day, fit_day(day), processor_s(lambda: fit_day(day)))
        told, why_not = _told(given, fitted)
    yield _map_row(fitted, whose, told, why_not)
    yield _replays_row(told, why_not)


def processor_s(work: Callable[[], object]) -> float:
    """Least processor seconds of some runs after a first that compiles and warms."""
    work()
    taken = []
    for _ in range(REPEATS):
        begin = time.process_time()
        work()
        taken.append(time.process_time() - begin)
    return min(taken)


def _given(folder: Path) -> tuple[Example, str]:
    """Their example or, where it cannot be had, a day of the virtual adolescent, and its name."""
    try:
        whose = f"its own example, day 1, where the best known before was {KNOWN_BEST}"
        return replaybg_rival.example(), whose
    except Failure as failure:
        return virtual_day(folder), f"a virtual adolescent's day (its example: {failure.found})"


def virtual_day(folder: Path) -> Example:
    """The first day of the adolescent of the other benchmarks, as a table in ReplayBG's form."""
    trace, weight_kg = timed_trace().rows(0, STEPS_PER_DAY), float(timed_weight_kg())
    hour, eats = trace.local_hour, trace["carbs_g"] > 0.0
    labels = np.where(eats, "S", "")
    for label, (first, end) in MEAL_HOURS.items():
        labels[eats & (first <= hour) & (hour < end)] = label
    minutes = pd.to_timedelta(np.arange(len(trace)) * STEP_MIN, unit="min")
    table = pd.DataFrame(
        {
            "t": (pd.Timestamp("2026-01-01") + minutes).strftime("%d-%b-%Y %H:%M:%S"),
            "glucose": trace["glucose_mg_dl"],
            "cho": trace["carbs_g"] / STEP_MIN,
            "bolus": trace["bolus_u"] / STEP_MIN,
            "basal": trace["basal_u_per_h"] / 60.0,
            "bolus_label": "",
            "cho_label": labels,
        }
    )
    path = folder / "virtual_day.csv"
    table.to_csv(path, index=False)
    steady = float(table["basal"].mean()) * 1000.0 / weight_kg
    return Example(path, weight_kg, steady)


def _told(given: Example, fitted: _Fitted) -> tuple[Row | None, str]:
    """What ReplayBG says, or why it says nothing."""
    task = {
        "table": str(given.table.resolve()),
        "weight_kg": given.weight_kg,
        "steady_mu_kg_min": given.steady_mu_kg_min,
        "names": fitted.day.names,
        "values": fitted.fit.values.tolist(),
        "replays": REPLAYS,
    }
    try:
        return replaybg_rival.answer(replaybg_rival.installed(), task), ""
    except Failure as failure:
        return None, failure.found


def _map_row(fitted: _Fitted, whose: str, told: Row | None, why_not: str) -> Row:
    found = f"-ln posterior {fitted.fit.objective:.1f}"
    if told is not None:
        found = (
            f"-ln posterior {told['objective']:.1f}, as ReplayBG itself counts our values; "
            f"there: {told['powell_objective']:.1f} from its first start, whose "
            f"{told['powell_s']:.1f} s are scaled to the {THEIR_STARTS} starts of its default"
        )
    return {
        "name": "map_patient_day",
        "ours_s": fitted.ours_s,
        "rival": replaybg_rival.PACKAGE.replace("==", " ") + ", Powell",
        "rival_s": None if told is None else told["powell_s"] * THEIR_STARTS,
        "note": f"ReplayBG's model, priors and readings of {whose}, processor seconds: {found}"
        + (f"; rival not timed: {why_not}" if told is None else ""),
    }


def _replays_row(told: Row | None, why_not: str) -> Row:
    arms = regimens(REPLAYS, DAY_HOURS)
    return {
        "name": "regimens_100x24h",
        "ours_s": processor_s(lambda: open_loop(BOOK_PRIOR.mean, arms, START_MG_DL)),
        "rival": replaybg_rival.PACKAGE.replace("==", " ") + ", replay",
        "rival_s": None if told is None else told["replay_s"] * REPLAYS,
        "note": f"{REPLAYS} regimens of one day in 1-minute steps, our twin, processor seconds; "
        f"rival: `replay` of its day as a user calls it, mean of {REPLAYS}"
        + (
            f" ({1000 * told['objective_s']:.2f} ms for the bare model of its search)"
            if told
            else f", not timed: {why_not}"
        ),
    }
