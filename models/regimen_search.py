"""The best settings within reach, under a chance constraint on lows.

    minimise  mean over draws of the change of GRI
    so that   P(time below 70 mg/dL rises by more than 1 point) < 5 %

From today's settings, one lever by one or two steps at a time, the best move first, until no move
gains; two levers at most, as nobody can tell later which of five did it. All moves of a round run
together, on the same draws and days, so that they are compared on equal terms. What is found is
promised on the days that were not searched: on its own days the best of many always looks too good.

A draw of the twin is wrong about the size of an effect by more than its parameters say. So each
difference is made exp(e) of what the draw says, e ~ N(0, 0.3^2): where the truth is known, twins of
14 days err so about 20 % of a dose (study/artefacts/effect_lessons.json, 0.35 on either side).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.levers import Lever, Setting, scenario_of_settings
from models.outcome import Outcome, measures, outcomes, over_days
from models.sandbox import AS_RECORDED, Ground, lived
from models.scan import GLUCOSE_FLOOR_MG_DL
from models.trace import FloatArray

MORE_LOWS_POINTS, MORE_LOWS_CHANCE = 1.0, 0.05
LEAST_GAIN = 0.2
"""GRI points that a further move must be worth: less is noise of the draws."""
STRIDES = (0.05, 0.1)
"""Moves tried, as shares of today's setting; rounded to steps, one step at least."""
MOST_ROUNDS = 12


MOST_LEVERS = 2
SIZE_SD, SIZE_SEED, DAYS_SEED = 0.3, 11, 12


@dataclass(frozen=True)
class Found:
    """The best settings found, what they change, and how often the search moved."""

    setting: Setting
    outcome: Outcome
    moves: int

    @property
    def tells_nothing(self) -> bool:
        """Whether the risk index may as well not fall on days that were not searched."""
        return self.outcome.shifts["gri"].high >= 0.0


def search(grounds: Sequence[Ground], levers: Sequence[Lever]) -> Found:
    """The best settings by every second of these grounds, promised on the others."""
    judged, grounds = grounds[1::2] or grounds, grounds[::2]
    recorded = _recorded(grounds)
    setting: dict[str, float] = {}
    reached, moves = 0.0, 0
    for _ in range(MOST_ROUNDS):
        tried = list(_moves(levers, setting))
        gains = _gains(recorded, _doubted(recorded, _live(grounds, levers, tried)))
        best = int(np.argmin(gains)) if len(tried) else 0
        if not tried or gains[best] > reached - LEAST_GAIN:
            break
        setting, reached, moves = tried[best], float(gains[best]), moves + 1
    return Found(setting, _promised(judged, levers, setting), moves)


def _promised(grounds: Sequence[Ground], levers: Sequence[Lever], setting: Setting) -> Outcome:
    """What the settings change on these days, each draw on days drawn from them again."""
    before = _recorded(grounds)
    after = _doubted(before, _live(grounds, levers, [setting]))[0]
    draws, days = len(before), len(grounds)
    drawn = np.random.default_rng(DAYS_SEED).integers(days, size=(draws, days))
    one, other = (
        np.take_along_axis(path.reshape(draws, days, -1), drawn[:, :, None], axis=1)
        for path in (before, after)
    )
    return outcomes(one.reshape(draws, -1), other.reshape(1, draws, -1))[0]


def _recorded(grounds: Sequence[Ground]) -> FloatArray:
    return over_days([lived(ground, [AS_RECORDED])[0] for ground in grounds])


def _doubted(recorded: FloatArray, tried: FloatArray) -> FloatArray:
    """Glucose (R, D, n) with each draw's difference from the record (D, n) of another size."""
    size = np.random.default_rng(SIZE_SEED).normal(0.0, SIZE_SD, (len(recorded), 1))
    doubted: FloatArray = recorded + np.exp(size) * (tried - recorded)
    return np.maximum(doubted, GLUCOSE_FLOOR_MG_DL)


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
    kept = [{k: v for k, v in one.items() if _differs(levers, k, v)} for one in moved]
    return [one for one in kept if len(one) <= MOST_LEVERS]


def _differs(levers: Sequence[Lever], name: str, value: float) -> bool:
    today = next(lever.today for lever in levers if lever.name == name)
    return abs(value - today) > 1e-9
