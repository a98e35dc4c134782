"""One person of the study: what changes of dose truly did, and what the twin says they would do.

Two windows. `coming`: the 3 days after the training days, changed from their first midnight on;
the twin has seen nothing of them but doses and meals (EFFECTS calls it prospective). `typical`: the
14 training days lived again, changed from the first on; the twin's difference is laid over what the
sensor read on them (EFFECTS calls it replay).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from models.calibration import Calibration
from models.glycemia import glycemia
from models.meal_delay import inputs_of
from models.openloop import open_loop
from models.scan import GLUCOSE_FLOOR_MG_DL
from models.trace import STEPS_PER_DAY, FloatArray
from simulations.effects_people import (
    CHANGES,
    COMING_DAYS,
    TRAINING_DAYS,
    Change,
    Doses,
    Subject,
)
from simulations.thumb import thumb_mg_dl

TRAINING_ROWS = TRAINING_DAYS * STEPS_PER_DAY
COMING_ROWS = COMING_DAYS * STEPS_PER_DAY


class Window(StrEnum):
    """On which days a change is judged."""

    TYPICAL = "typical"
    COMING = "coming"

    @property
    def first_day(self) -> int:
        """The day from whose midnight on doses are changed."""
        return 0 if self is Window.TYPICAL else TRAINING_DAYS

    @property
    def rows(self) -> slice:
        """The rows that are judged."""
        first = STEPS_PER_DAY * self.first_day
        return slice(first, TRAINING_ROWS if self is Window.TYPICAL else first + COMING_ROWS)


Question = tuple[Window, Change]
QUESTIONS: tuple[Question, ...] = tuple((w, c) for w in Window for c in CHANGES)


@dataclass(frozen=True)
class Effect:
    """Change of mean glucose, mg/dL, and of time in 70-180 mg/dL, percentage points."""

    mean_mg_dl: float
    in_range_points: float


@dataclass(frozen=True)
class Forecast:
    """Mean absolute relative difference from the sensor of open-loop forecasts, per cent.

    Over the first 24 h after three midnights, and over the 72 h after the first: of the twin, of
    the last reading held (no change), and of the mean of the training days (constant).
    """

    twin_24h_pct: float
    twin_72h_pct: float
    no_change_24h_pct: float
    no_change_72h_pct: float
    constant_24h_pct: float
    constant_72h_pct: float


@dataclass(frozen=True)
class Answer:
    """The twin's glucose (n,) of the record, and its differences under each question."""

    record_mg_dl: FloatArray = field(repr=False)
    measured_mg_dl: FloatArray = field(repr=False)
    differences: Mapping[Question, FloatArray] = field(repr=False)
    residual_phi: float

    def mean_mg_dl(self, question: Question) -> float:
        """Change of mean glucose."""
        return float(self.differences[question].mean())

    @property
    def unrest_mg_dl(self) -> float:
        """Root mean square of what the twin, in open loop, leaves of the training days' readings.

        A patient's own sign of the world that the twin is asked in: large where days differ.
        """
        left = (self.measured_mg_dl - self.record_mg_dl)[:TRAINING_ROWS]
        return float(np.sqrt(np.mean(left**2)))

    def in_range_points(self, question: Question, scale: float = 1.0) -> float:
        """Change of time in range with the difference made `scale` of what the twin says.

        On typical days it is laid over the readings. On coming days it is laid over the twin's
        forecast, to which three days' residuals of the training are added, one stretch for each
        day at which they can begin, as nobody knows the readings yet.
        """
        difference = scale * self.differences[question]
        if question[0] is Window.TYPICAL:
            return _in_range_points(self.measured_mg_dl[:TRAINING_ROWS], difference)
        ahead = self.record_mg_dl[question[0].rows]
        residual = (self.measured_mg_dl - self.record_mg_dl)[:TRAINING_ROWS]
        starts = range(STEPS_PER_DAY, TRAINING_ROWS - COMING_ROWS + 1, STEPS_PER_DAY)
        courses = (ahead + residual[start : start + COMING_ROWS] for start in starts)
        return float(np.mean([_in_range_points(course, difference) for course in courses]))


@dataclass(frozen=True)
class Case:
    """A person with the truth of every question, the twin's answer and the rule of thumb's."""

    subject: Subject = field(repr=False)
    calibration: Calibration = field(repr=False)
    truth: Mapping[Question, Effect] = field(repr=False)
    answer: Answer = field(repr=False)
    forecast: Forecast

    def features_mg_dl(self, question: Question) -> FloatArray:
        """(3,): the twin's change of mean glucose, the rule of thumb's, and the residuals' size."""
        thumb = thumb_mg_dl(self.subject, question[1])
        return np.array([self.answer.mean_mg_dl(question), thumb, self.answer.unrest_mg_dl])


def case(subject: Subject, calibration: Calibration, true_carbs: bool = False) -> Case:
    """Runs the world and the twin of one person through every question."""
    reply = answer(subject, calibration, true_carbs)
    return Case(subject, calibration, truth(subject), reply, forecast(reply))


def truth(subject: Subject) -> dict[Question, Effect]:
    """What each change truly did: the world run twice, everything else the same."""
    unchanged = subject.lived(subject.doses)
    effects = {}
    for question in QUESTIONS:
        window, change = question
        changed = subject.lived(subject.changed(change, window.first_day))
        difference = (changed - unchanged)[window.rows]
        points = _in_range_points(unchanged[window.rows], difference)
        effects[question] = Effect(float(difference.mean()), points)
    return effects


def answer(subject: Subject, calibration: Calibration, true_carbs: bool = False) -> Answer:
    """What the twin says to each question: record and changed record in open loop, paired."""
    measured = subject.life.sensor_mg_dl

    def replay(doses: Doses) -> FloatArray:
        trace = subject.trace(doses, true_carbs)
        inputs = inputs_of(trace, calibration.head)
        course: FloatArray = open_loop(
            calibration.head.theta, inputs, float(measured[0])
        ).interstitial_mg_dl[0]
        return course

    record = replay(subject.doses)
    differences = {
        (window, change): (replay(subject.changed(change, window.first_day)) - record)[window.rows]
        for window, change in QUESTIONS
    }
    return Answer(record, measured, differences, calibration.head.residual_phi)


Expectation = Callable[[Answer, int, int], FloatArray]
"""Glucose expected of an answer from an origin on, for so many rows."""


def forecast(reply: Answer) -> Forecast:
    """How far forecasts of the coming days are from the sensor; meals and doses are known."""
    first = TRAINING_ROWS
    midnights = range(first, first + COMING_ROWS, STEPS_PER_DAY)

    def over(rows: int, origins: range, expect: Expectation) -> float:
        return float(
            np.mean([_mard(reply.measured_mg_dl, o, expect(reply, o, rows)) for o in origins])
        )

    at_once = range(first, first + 1)
    day, days = STEPS_PER_DAY, COMING_ROWS
    return Forecast(
        twin_24h_pct=over(day, midnights, _twin_ahead),
        twin_72h_pct=over(days, at_once, _twin_ahead),
        no_change_24h_pct=over(day, midnights, _held),
        no_change_72h_pct=over(days, at_once, _held),
        constant_24h_pct=over(day, midnights, _usual),
        constant_72h_pct=over(days, at_once, _usual),
    )


def _twin_ahead(reply: Answer, origin: int, rows: int) -> FloatArray:
    """Open loop; the last residual fades as the residuals' autoregression says."""
    last = reply.measured_mg_dl[origin - 1] - reply.record_mg_dl[origin - 1]
    fading = last * reply.residual_phi ** np.arange(1, rows + 1)
    ahead: FloatArray = reply.record_mg_dl[origin : origin + rows] + fading
    return ahead


def _held(reply: Answer, origin: int, rows: int) -> FloatArray:
    return np.full(rows, reply.measured_mg_dl[origin - 1])


def _usual(reply: Answer, origin: int, rows: int) -> FloatArray:
    return np.full(rows, reply.measured_mg_dl[:TRAINING_ROWS].mean())


def _mard(measured: FloatArray, origin: int, expected: FloatArray) -> float:
    there = measured[origin : origin + len(expected)]
    return 100.0 * float(np.mean(np.abs(expected - there) / there))


def _in_range_points(before: FloatArray, difference: FloatArray) -> float:
    after = np.maximum(before + difference, GLUCOSE_FLOOR_MG_DL)
    return glycemia(after).in_range_pct - glycemia(before).in_range_pct
