"""The best settings within reach that are safe by every doubt there is.

    minimise  mean over draws of the change of GRI
    so that   P(time below 70 mg/dL rises by more than 1 point) < 5 %,
              the same when every effect is half as large again, and
              no more insulin where its hours already hold lows

From today's settings, one lever by one or two steps at a time, the best move first, until no move
gains; two levers at most, as nobody can tell later which of five did it. All moves of a round are
compared on the same draws and days. What is found is promised on the days that were not searched:
on its own days the best of many always looks too good.

Glucose on other settings is what was measured and each moved lever's response, in draws of the twin
(models/dose_response.py), each made larger or smaller as its size is in doubt
(models/size_doubt.py). Responses of two levers are added: for steps as small as these, 20 % at
most, what they do together differs little (a test says how little).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.dose_response import Responses, more_insulin
from models.glycemia import LOW_MG_DL
from models.levers import Lever, Setting
from models.outcome import Outcome, measures, outcomes
from models.scan import GLUCOSE_FLOOR_MG_DL
from models.size_doubt import SizeDoubt
from models.trace import STEPS_PER_DAY, FloatArray

MORE_LOWS_POINTS, MORE_LOWS_CHANCE = 1.0, 0.05
LARGER = 1.5
"""Effects are also tried this much larger than doubt already has them."""
LEAST_GAIN = 0.2
"""GRI points that a further move must be worth: less is noise of the draws."""
SURE = 0.95
"""Share of draws whose risk index must fall for a plan to be proposed."""
STRIDES = (0.05, 0.1)
"""Moves tried, as shares of today's setting; rounded to steps, one step at least."""
MOST_ROUNDS, MOST_LEVERS = 12, 2
MOST_LOW_PCT = 4.0
"""Time below 70 mg/dL on record, in the hours that a lever acts on, above which it gives no more:
what the consensus allows over the day (Battelino et al. 2019, Diabetes Care 42:1593)."""
ACTS_H = 6
"""Insulin of a window acts in it and this long after."""
MOST_MORE = 0.1
"""More insulin than today's by this share at most, in one plan; less may be by all of the reach."""
CAPPED = False
"""Whether the risk index ends at 100: then nothing would help whose days are worse than that."""
SAMPLES, DAYS_SEED = 256, 12


@dataclass(frozen=True)
class Found:
    """The best settings found, what they change, and how often the search moved."""

    setting: Setting
    outcome: Outcome
    moves: int

    @property
    def tells_nothing(self) -> bool:
        """Whether the risk index may as well not fall on days that were not searched."""
        return self.outcome.helps < SURE or self.outcome.shifts["gri"].middle > -LEAST_GAIN


@dataclass(frozen=True)
class _Days:
    """Days to search or judge on: the twin's draw (S,) and each lever's size (L, S) by sample."""

    responses: Responses
    draws: npt.NDArray[np.intp] = field(repr=False)
    sizes: FloatArray = field(repr=False)

    def glucose(self, setting: Setting, larger: float = 1.0) -> FloatArray:
        """(S, n) on a setting, every effect `larger` times what doubt has it."""
        total = np.tile(self.responses.measured_mg_dl, (len(self.draws), 1))
        for place, one in enumerate(self.responses.by_lever):
            if one.lever.name in setting:
                size = larger * self.sizes[place][:, None]
                total += size * one.to(setting[one.lever.name])[self.draws]
        return np.maximum(total, GLUCOSE_FLOOR_MG_DL, out=total)


def search(responses: Responses, doubt: SizeDoubt) -> Found:
    """The best settings by every second of these days, promised on the others."""
    levers = [one.lever for one in responses.by_lever]
    barred = {lever.name for lever in levers if lows_in_its_hours(responses, lever) > MOST_LOW_PCT}
    every = range(responses.days)
    searched = _days(responses.of_days(every[::2]), doubt)
    judged = _days(responses.of_days(every[1::2] or every), doubt)
    setting: dict[str, float] = {}
    reached, moves = 0.0, 0
    for _ in range(MOST_ROUNDS):
        tried = [one for one in _moves(levers, setting) if not _too_much(levers, one, barred)]
        best = _best(searched, tried, reached)
        if best is None:
            break
        setting, reached, moves = tried[best[0]], best[1], moves + 1
    return Found(setting, _promised(judged, setting), moves)


def lows_in_its_hours(responses: Responses, lever: Lever) -> float:
    """Time below 70 mg/dL on record in the hours that a lever's insulin acts on, per cent."""
    hour = np.arange(STEPS_PER_DAY) * 24.0 / STEPS_PER_DAY
    acting = [lever.window.holds((hour - later) % 24.0) for later in range(ACTS_H + 1)]
    by_day = responses.measured_mg_dl.reshape(-1, STEPS_PER_DAY)[:, np.any(acting, axis=0)]
    return float(100.0 * np.mean(by_day < LOW_MG_DL))


def _days(responses: Responses, doubt: SizeDoubt) -> _Days:
    levers = [one.lever for one in responses.by_lever]
    draws = len(responses.by_lever[0].lower)
    return _Days(responses, np.arange(SAMPLES) % draws, doubt.sizes(levers, SAMPLES))


def _promised(days: _Days, setting: Setting) -> Outcome:
    """What the settings change on these days, each sample on days drawn from them again."""
    count = days.responses.days
    drawn = np.random.default_rng(DAYS_SEED).integers(count, size=(SAMPLES, count))
    one, other = (
        np.take_along_axis(path.reshape(SAMPLES, count, -1), drawn[:, :, None], axis=1)
        for path in (days.glucose({}), days.glucose(setting))
    )
    return outcomes(one.reshape(SAMPLES, -1), other.reshape(1, SAMPLES, -1), CAPPED)[0]


def _best(days: _Days, tried: Sequence[Setting], reached: float) -> tuple[int, float] | None:
    """Place and mean change of GRI of the best safe setting that gains enough beyond `reached`."""
    before = measures(days.responses.measured_mg_dl[None], CAPPED)
    after = [measures(days.glucose(one), CAPPED) for one in tried]
    gains = [float(np.mean(one["gri"] - before["gri"])) for one in after]
    for place in np.argsort(gains).tolist():
        if gains[place] > reached - LEAST_GAIN:
            return None
        larger = measures(days.glucose(tried[place], LARGER))
        if not any(_more_lows(before, one) for one in (after[place], larger)):
            return place, gains[place]
    return None


def _more_lows(before: dict[str, FloatArray], after: dict[str, FloatArray]) -> bool:
    """Whether time below 70 mg/dL rises by more than a point in too many samples."""
    more = after["time_below_70"] - before["time_below_70"] > MORE_LOWS_POINTS
    return bool(more.mean() >= MORE_LOWS_CHANCE)


def _too_much(levers: Sequence[Lever], setting: Setting, barred: set[str]) -> bool:
    """Whether a setting gives more insulin than one plan may, or any more where lows are."""
    moved = [lever for lever in levers if lever.name in setting]
    most = [0.0 if lever.name in barred else MOST_MORE for lever in moved]
    more = [more_insulin(lever, setting[lever.name]) for lever in moved]
    return any(share > allowed + 1e-9 for share, allowed in zip(more, most, strict=True))


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
