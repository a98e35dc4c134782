"""The best settings within reach, under a chance constraint on lows.

    minimise  mean over draws of the change of GRI
    so that   P(time below 70 mg/dL rises by more than 1 point) < 5 %

From today's settings, one lever by one or two steps at a time, the best move first, until no move
gains. All moves of a round run together, on the same draws and days, so that they are compared on
equal terms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.levers import Lever, Setting, scenario_of_settings
from models.outcome import Outcome, measures, outcomes, over_days
from models.sandbox import AS_RECORDED, Ground, lived
from models.trace import FloatArray

MORE_LOWS_POINTS, MORE_LOWS_CHANCE = 1.0, 0.05
LEAST_GAIN = 0.2
"""GRI points that a further move must be worth: less is noise of the draws."""
STRIDES = (0.05, 0.1)
"""Moves tried, as shares of today's setting; rounded to steps, one step at least."""
MOST_ROUNDS = 12


@dataclass(frozen=True)
class Found:
    """The best settings found, what they change, and how often the search moved."""

    setting: Setting
    outcome: Outcome
    moves: int

    @property
    def tells_nothing(self) -> bool:
        """Whether no difference at all lies within the interval of the index it was chosen by."""
        return self.outcome.shifts["gri"].spans_nothing


def search(grounds: Sequence[Ground], levers: Sequence[Lever]) -> Found:
    """The best settings for these grounds, whose hours are alike."""
    recorded = over_days([lived(ground, [AS_RECORDED])[0] for ground in grounds])
    setting: dict[str, float] = {}
    reached, moves = 0.0, 0
    for _ in range(MOST_ROUNDS):
        tried = list(_moves(levers, setting))
        gains = _gains(recorded, _live(grounds, levers, tried))
        best = int(np.argmin(gains)) if len(tried) else 0
        if not tried or gains[best] > reached - LEAST_GAIN:
            break
        setting, reached, moves = tried[best], float(gains[best]), moves + 1
    (outcome,) = outcomes(recorded, _live(grounds, levers, [setting]))
    return Found(setting, outcome, moves)


def _live(
    grounds: Sequence[Ground], levers: Sequence[Lever], settings: Sequence[Setting]
) -> FloatArray:
    """Glucose (R, D, n) of all grounds under these settings."""
    paths = []
    for ground in grounds:
        hours = len(ground) // 12
        scenarios = [scenario_of_settings(levers, one, hours) for one in settings]
        paths.append(lived(ground, scenarios))
    return over_days(paths)


def _gains(recorded: FloatArray, tried: FloatArray) -> FloatArray:
    """Mean change of GRI of each setting, (R,); infinite where lows are too likely."""
    before, after = measures(recorded), measures(tried)
    more_lows = after["time_below_70"] - before["time_below_70"] > MORE_LOWS_POINTS
    allowed = more_lows.mean(axis=-1) < MORE_LOWS_CHANCE
    return np.where(allowed, (after["gri"] - before["gri"]).mean(axis=-1), np.inf)


def _moves(levers: Sequence[Lever], setting: Setting) -> list[dict[str, float]]:
    """Settings one move away, within reach and without today's own."""
    moved = []
    for lever in levers:
        now, allowed = setting.get(lever.name, lever.today), lever.settings()
        place = int(np.argmin([abs(one - now) for one in allowed]))
        strides = {max(round(share * lever.today / lever.step), 1) for share in STRIDES}
        for stride in sorted(strides):
            for target in (place - stride, place + stride):
                if 0 <= target < len(allowed):
                    moved.append({**setting, lever.name: allowed[target]})
    return [{k: v for k, v in one.items() if _differs(levers, k, v)} for one in moved]


def _differs(levers: Sequence[Lever], name: str, value: float) -> bool:
    today = next(lever.today for lever in levers if lever.name == name)
    return abs(value - today) > 1e-9
