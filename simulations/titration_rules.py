"""Rules by which a pump is set from week to week, each from its publication.

Every rule sees the same record: sensor, basal, boluses, and carbohydrate as it was counted. All
but Autotune speak only to what they find in the hours they look at; hours are local.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from client.twin_plan import FEWEST_DAYS, best_settings, plan_rows, why_not
from models.calibration import calibrate
from models.evidence import untold
from models.glycemia import HIGH_MG_DL, LOW_MG_DL
from models.heads import BOOK_PRIOR
from models.knowledge import ClinicKnowledge
from models.levers import MEALS, PARTS_OF_DAY, Lever, Setting, levers_of
from models.scenario import Daily
from models.trace import STEPS_PER_DAY, FloatArray
from simulations.titration_people import Diary, PumpSettings, Rule

HOURS = np.arange(24.0)
FASTING_H = Daily(4.0, 7.0)
FASTING_MG_DL = (80.0, 130.0)
"""Before breakfast, American Diabetes Association, Standards of Care 2024, section 6."""
AFTER_MEAL_H = (1.0, 3.0)
STEP = 0.1

RETURN_H = 2.0

SHARE_OF_NEED, MOST_BASAL, MOST_RATIO = 0.2, 0.2, 0.1
CORRECTED_H, ABSORBED_H = 3, 4.0
ACTION_PEAK_MIN, ACTION_END_MIN = 75.0, 360.0

Booleans = npt.NDArray[np.bool_]


def guideline(diary: Diary) -> PumpSettings:
    """A tenth at a time, by patterns of the latest week (pattern management).

    Basal of the whole day by glucose before breakfast: a tenth more where its median is above 130
    mg/dL, a tenth less where it is below 80 or nights held lows. The ratio of a meal by glucose one
    to three hours after it: a tenth more insulin where its median is above 180, a tenth less where
    more than 4 % is below 70. ADA Standards of Care 2024, sections 6 and 9: lower the dose by 10 to
    20 % for hypoglycaemia without a clear reason, raise it by 10 to 15 % above target.
    """
    glucose, hour = _latest_week(diary)
    now = diary.settings
    basal = now.basal_u_per_h * _by_fasting(glucose, hour)
    ratio = now.carb_ratio_g_per_u.copy()
    for window in MEALS.values():
        after = _after_meals(diary, window)
        if after.any():
            ratio[window.holds(HOURS)] *= _by_peak(_week(diary)[after])
    return replace(now, basal_u_per_h=basal, carb_ratio_g_per_u=ratio)


def _by_fasting(glucose: FloatArray, hour: FloatArray) -> float:
    fasting = float(np.nanmedian(glucose[FASTING_H.holds(hour)]))
    night = glucose[PARTS_OF_DAY["night"].holds(hour)]
    if fasting < FASTING_MG_DL[0] or np.mean(night < LOW_MG_DL) > 0.04:
        return 1.0 - STEP
    return 1.0 + STEP if fasting > FASTING_MG_DL[1] else 1.0


def _by_peak(glucose: FloatArray) -> float:
    if np.mean(glucose < LOW_MG_DL) > 0.04:
        return 1.0 + STEP
    return 1.0 - STEP if np.nanmedian(glucose) > HIGH_MG_DL else 1.0


@dataclass(frozen=True)
class RunToRun:
    """Each meal's insulin to the gram, and each part of the day's basal, by what it last led to.

        v(k+1) = v(k) (1 + K (y(k) - y_r))

    y is glucose two hours after the meal, for its ratio, or the mean of a part of the day three
    hours away from food, for its basal, over the latest week. The form is that of Palerm et
    al. 2007 (Diabetes Care 30:1131) and Zisser et al. 2009 (JDST 3:487) for meals and of Palerm et
    al. 2008 (J Process Control 18:258) for basal. Theirs is tuned to what physicians advised; ours
    was chosen on virtual children and adolescents (simulations/run_to_run_choice.py): gain K,
    1/(mg/dL), reference y_r, mg/dL, and the `cap` of a week's change. So was `wary`: a dose goes
    down by a tenth, whatever its y, where more than 4 % of the readings that make y are below 70.
    """

    gain: float = 0.0005
    reference_mg_dl: float = 130.0
    cap: float = 0.2
    wary: bool = True

    def __call__(self, diary: Diary) -> PumpSettings:
        """The settings after one more run."""
        now = diary.settings
        glucose, hour = _latest_week(diary)
        away = ~_near_food(diary, 3.0)
        basal, ratio = now.basal_u_per_h.copy(), now.carb_ratio_g_per_u.copy()
        for window in PARTS_OF_DAY.values():
            there = away & window.holds(hour)
            if there.sum() >= STEPS_PER_DAY // 8:
                basal[window.holds(HOURS)] *= self.run(glucose[there])
        for window in MEALS.values():
            after = _after_meals(diary, window, (RETURN_H - 0.25, RETURN_H + 0.25))
            if after.any():
                ratio[window.holds(HOURS)] /= self.run(glucose[after])
        return replace(now, basal_u_per_h=basal, carb_ratio_g_per_u=ratio)

    def run(self, reached_mg_dl: FloatArray) -> float:
        """What a dose is multiplied by that led to these readings (n,)."""
        if self.wary and np.mean(reached_mg_dl < LOW_MG_DL) > 0.04:
            return 1.0 - STEP
        step = self.gain * (float(np.nanmean(reached_mg_dl)) - self.reference_mg_dl)
        return 1.0 + float(np.clip(step, -self.cap, self.cap))


class Autotune:
    """Autotune as its documentation describes it, run on each day of the latest week in turn.

    Deviations are what glucose changed in five minutes beyond what insulin's activity and the
    correction factor explain. Basal: of each hour without food, a fifth of the change that would
    cancel its deviations is spread over the three hours before, within a fifth of the pump's.
    Ratio: carbohydrate that the insulin of mealtimes and their deviations speak for, a tenth of the
    way, within a fifth of the pump's. The limits count from the settings at the first visit, which
    stand for those programmed in the pump. Its third part, the correction factor, is left out, and
    so are unannounced meals. OpenAPS documentation, "How Autotune works" (openaps.readthedocs.io)
    and that of Trio (docs.diy-trio.org); written from these descriptions.
    """

    def __init__(self) -> None:
        self.pump: PumpSettings | None = None

    def __call__(self, diary: Diary) -> PumpSettings:
        """The settings after the latest seven days, day by day."""
        self.pump = self.pump or diary.settings
        tuned = diary.settings
        deviation, food = _deviations(diary)
        for day in range(7):
            rows = slice(day * STEPS_PER_DAY, (day + 1) * STEPS_PER_DAY)
            tuned = self._day(tuned, diary, deviation[rows], food[rows], rows)
        return tuned

    def _day(
        self,
        tuned: PumpSettings,
        diary: Diary,
        deviation: FloatArray,
        food: Booleans,
        rows: slice,
    ) -> PumpSettings:
        pump = self.pump or tuned
        factor = tuned.correction_mg_dl_per_u
        basal = _tuned_basal(tuned.basal_u_per_h, deviation, food, factor)
        low, high = ((1.0 + side * MOST_BASAL) * pump.basal_u_per_h for side in (-1, 1))
        ratio = tuned.carb_ratio_g_per_u * _tuned_ratio(diary, deviation, food, rows)
        least, most = ((1.0 + side * MOST_BASAL) * pump.carb_ratio_g_per_u for side in (-1, 1))
        return PumpSettings(np.clip(basal, low, high), np.clip(ratio, least, most), factor)


def _tuned_basal(
    basal: FloatArray, deviation: FloatArray, food: Booleans, factor: float
) -> FloatArray:
    by_hour, fed = deviation.reshape(24, -1).sum(axis=1), food.reshape(24, -1).any(axis=1)
    tuned = basal.copy()
    for hour in np.flatnonzero(~fed).tolist():
        before = (hour - 1 - np.arange(CORRECTED_H)) % 24
        need = SHARE_OF_NEED * by_hour[hour] / factor
        shares = 1.0 / CORRECTED_H if need > 0.0 else basal[before] / basal[before].sum()
        tuned[before] = np.maximum(tuned[before] + need * shares, 0.0)
    return tuned


def _tuned_ratio(diary: Diary, deviation: FloatArray, food: Booleans, rows: slice) -> float:
    """How much more carbohydrate a unit covers: what was counted over what insulin met."""
    week = slice(len(diary.trace) - 7 * STEPS_PER_DAY, len(diary.trace))
    carbs = np.nan_to_num(diary.trace["carbs_g"][week][rows])
    bolus = np.nan_to_num(diary.trace["bolus_u"][week][rows])
    given = bolus[food].sum()
    lacking = deviation[food].sum() - _carbs_effect(diary, float(carbs.sum()))
    needed = given + lacking / diary.settings.correction_mg_dl_per_u
    if given <= 0.0 or needed <= 0.0:
        return 1.0
    return float(1.0 + MOST_RATIO * np.clip(given / needed - 1.0, -1.0, 1.0))


def _carbs_effect(diary: Diary, carbs_g: float) -> float:
    """mg/dL that counted carbohydrate should bring by today's ratio and factor."""
    ratio = float(diary.settings.carb_ratio_g_per_u.mean())
    return carbs_g * diary.settings.correction_mg_dl_per_u / ratio


def _deviations(diary: Diary) -> tuple[FloatArray, Booleans]:
    """Unexplained change of glucose in each row of the latest week, and rows with food."""
    trace, now = diary.trace, diary.settings
    insulin = np.nan_to_num(trace["bolus_u"]) + np.nan_to_num(trace["basal_u_per_h"]) / 12.0
    usual = now.basal_u_per_h[trace.local_hour.astype(int)] / 12.0
    acting = np.convolve(insulin - usual, _activity())[: len(trace)]
    change = np.diff(trace["glucose_mg_dl"], prepend=trace["glucose_mg_dl"][0])
    deviation = np.nan_to_num(change + acting * now.correction_mg_dl_per_u)
    rows = slice(len(trace) - 7 * STEPS_PER_DAY, None)
    return deviation[rows], _near_food(diary, ABSORBED_H)


def _activity() -> FloatArray:
    """Share of a unit that acts in each five minutes: exponential, peak 75 min, end 6 h.

    The curve of Loop and oref0 (github.com/LoopKit/LoopKit issue 388), normalised.
    """
    minutes = np.arange(0.0, ACTION_END_MIN, 5.0)
    end, peak = ACTION_END_MIN, ACTION_PEAK_MIN
    tau = peak * (1.0 - peak / end) / (1.0 - 2.0 * peak / end)
    curve = minutes * (1.0 - minutes / end) * np.exp(-minutes / tau)
    shares: FloatArray = curve / curve.sum()
    return shares


def twin(diary: Diary) -> PumpSettings:
    """What `insula twin plan` would propose, card or no card; else settings stay.

    The latest two weeks make the twin. Only days on today's settings are planned on, the fourteen
    after the run-in and seven after a change: what came before it is mended already, and planned on
    it would be mended twice.
    """
    trace = diary.trace
    known = ClinicKnowledge(diary.knowledge.correction_factor_mg_dl_per_u)
    (calibration,) = calibrate([trace], BOOK_PRIOR, knowledge=[known])
    first = len(trace) - diary.days_on_settings * STEPS_PER_DAY
    rows = [row for row in plan_rows(trace) if row >= first]
    levers = levers_of(trace.rows(first, len(trace)))
    if len(rows) < FEWEST_DAYS or not levers:
        return diary.settings
    found = best_settings(trace, calibration, rows, levers)
    if why_not(found, untold(trace, levers)):
        return diary.settings
    return _set(diary.settings, [one for one in levers if one.name in found.setting], found.setting)


def _set(now: PumpSettings, moved: list[Lever], to: Setting) -> PumpSettings:
    basal, ratio = now.basal_u_per_h.copy(), now.carb_ratio_g_per_u.copy()
    for lever in moved:
        there = lever.window.holds(HOURS)
        profile = basal if lever.kind == "basal" else ratio
        profile[there] *= to[lever.name] / lever.today
    return replace(now, basal_u_per_h=basal, carb_ratio_g_per_u=ratio)


ARMS: dict[str, Callable[[], Rule | None]] = {
    "leave alone": lambda: None,
    "guideline": lambda: guideline,
    "run to run": RunToRun,
    "autotune": Autotune,
    "twin": lambda: twin,
}
"""A fresh rule for each person, by the name of its arm."""


def _week(diary: Diary) -> FloatArray:
    return diary.trace["glucose_mg_dl"][-7 * STEPS_PER_DAY :]


def _latest_week(diary: Diary) -> tuple[FloatArray, FloatArray]:
    return _week(diary), diary.trace.local_hour[-7 * STEPS_PER_DAY :]


def _meals(diary: Diary) -> npt.NDArray[np.intp]:
    """Rows of the latest week at which more than 10 g were counted."""
    carbs = np.nan_to_num(diary.trace["carbs_g"][-7 * STEPS_PER_DAY :])
    return np.flatnonzero(carbs > 10.0)


def _after_meals(
    diary: Diary, window: Daily, after_h: tuple[float, float] = AFTER_MEAL_H
) -> Booleans:
    """Rows of the latest week so many hours after a meal of this window."""
    _, hour = _latest_week(diary)
    found = np.zeros(len(hour), dtype=bool)
    for row in _meals(diary).tolist():
        if window.holds(hour[row : row + 1])[0]:
            found[row + round(12 * after_h[0]) : row + round(12 * after_h[1])] = True
    return found


def _near_food(diary: Diary, hours: float) -> Booleans:
    """Rows of the latest week within so many hours after food."""
    found = np.zeros(7 * STEPS_PER_DAY, dtype=bool)
    for row in _meals(diary).tolist():
        found[row : row + round(12 * hours)] = True
    return found
