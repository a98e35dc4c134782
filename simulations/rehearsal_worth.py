"""Whether a rehearsed study is worth it: beside the public start and what clinics can do alone.

A gain is the per cent by which the study's twin errs less than the best of what costs nobody any
privacy. It is the mean over people and horizons; its doubt is that of the repeats, each of which
has other people and other noise.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import t as student

from server.run_record import ALL_CLINICS, Cohort, Model, RunRecord
from server.score_book import ScoreBook

CONFIDENCE = 0.90
LEAST_PCT = 1.0
"""A gain below one per cent of the error is worth no hospital's trouble, unless one says so."""

Answer = Literal["yes", "no", "open"]


@dataclass(frozen=True)
class Doubted:
    """A mean over repeats and its two-sided 90 % interval; of one repeat alone nothing is known."""

    of_repeats: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over repeats."""
        return float(np.mean(self.of_repeats))

    @property
    def half_width(self) -> float:
        """Half the interval, by Student's t; infinite for one repeat."""
        count = len(self.of_repeats)
        if count < 2:
            return math.inf
        quantile = float(student.ppf(0.5 + CONFIDENCE / 2, count - 1))
        return quantile * float(np.std(self.of_repeats, ddof=1)) / math.sqrt(count)

    def answer(self, least: float) -> Answer:
        """Whether the mean is surely at least so large, surely not, or neither."""
        if self.mean - self.half_width >= least:
            return "yes"
        return "no" if self.mean + self.half_width < least else "open"


@dataclass(frozen=True)
class Question:
    """A group of people, what the study gives them, and what they could have without it."""

    who: str
    cohort: Cohort
    ours: Model
    rivals: tuple[Model, ...]
    without: str


QUESTIONS = (
    Question(
        "patients who take part",
        "same_patients",
        "federated_dp_local",
        ("pretrained", "local"),
        "the better of the public start and their clinic's own tuning",
    ),
    Question(
        "new patients of these clinics",
        "new_patients",
        "federated_dp_local",
        ("pretrained", "local"),
        "the better of the public start and their clinic's own tuning",
    ),
    Question(
        "patients of a clinic that takes no part and tunes nothing",
        "new_clinic",
        "federated_dp",
        ("pretrained",),
        "the public start",
    ),
)


@dataclass(frozen=True)
class Worth:
    """The answer to one question: gain in per cent, over all horizons and at each."""

    question: Question
    gain_pct: Doubted
    by_horizon: dict[int, Doubted]
    answer: Answer


def worths(records: Sequence[RunRecord], least_pct: float = LEAST_PCT) -> list[Worth]:
    """An answer to each question that the repeats scored."""
    books = [ScoreBook.of(one) for one in records]
    found = []
    for question in QUESTIONS:
        horizons = books[0].horizons_min(question.cohort)
        gains = [[_gain(book, question, ALL_CLINICS, h) for h in horizons] for book in books]
        known = [[one for one in row if one is not None] for row in gains]
        if horizons and all(len(row) == len(horizons) for row in known):
            by_horizon = {
                horizon: Doubted(tuple(row[place] for row in known))
                for place, horizon in enumerate(horizons)
            }
            overall = Doubted(tuple(float(np.mean(row)) for row in known))
            found.append(Worth(question, overall, by_horizon, overall.answer(least_pct)))
    return found


def worth_it(answers: Sequence[Worth]) -> Answer:
    """Of the whole study: yes if anybody surely gains enough, no if surely nobody does."""
    given = {one.answer for one in answers}
    if "yes" in given:
        return "yes"
    return "no" if given == {"no"} else "open"


def losers(records: Sequence[RunRecord]) -> dict[str, int]:
    """Member clinics whose own patients the study left worse off, and in how many repeats."""
    question = QUESTIONS[0]
    lost: dict[str, int] = {}
    for book in (ScoreBook.of(one) for one in records):
        horizons = book.horizons_min(question.cohort)
        for clinic in book.rows(question.cohort):
            gains = [_gain(book, question, clinic, horizon) for horizon in horizons]
            known = [one for one in gains if one is not None]
            if clinic != ALL_CLINICS and known and float(np.mean(known)) < 0.0:
                lost[clinic] = lost.get(clinic, 0) + 1
    return lost


def errors(records: Sequence[RunRecord], cohort: Cohort, model: Model) -> dict[int, Doubted]:
    """RMSE of a model over all people of a cohort, mg/dL, at each horizon that every repeat has."""
    books = [ScoreBook.of(one) for one in records]
    found = {}
    for horizon in books[0].horizons_min(cohort):
        scores = [book.score(cohort, ALL_CLINICS, horizon, model) for book in books]
        values = [one.rmse_mg_dl for one in scores if one is not None]
        if len(values) == len(books):
            found[horizon] = Doubted(tuple(values))
    return found


def _gain(book: ScoreBook, question: Question, clinic: str, horizon_min: int) -> float | None:
    """Per cent by which the study's error is below the best rival's; None if not scored."""
    ours = book.score(question.cohort, clinic, horizon_min, question.ours)
    rivals = [book.score(question.cohort, clinic, horizon_min, one) for one in question.rivals]
    known = [one.rmse_mg_dl for one in rivals if one is not None]
    if ours is None or len(known) < len(rivals):
        return None
    return 100.0 * (min(known) - ours.rmse_mg_dl) / min(known)
