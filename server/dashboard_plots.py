"""Where the marks of a forecast panel stand: numbers for a template to draw, in any colours."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from server.run_record import ALL_CLINICS, Cohort, Model
from server.score_book import ScoreBook

LEFT, RIGHT = 104.0, 332.0
TOP, ROW_HEIGHT, BOTTOM = 34.0, 24.0, 26.0
MOST_TICKS = 5
LONGEST_LABEL = 16


@dataclass(frozen=True)
class Mark:
    """How a model is drawn: shape and colour both tell it apart; the colour is the stylesheet's."""

    label: str
    shape: str


MARKS: Mapping[Model, Mark] = {
    "boosting": Mark("gradient boosting, pooled", "diamond"),
    "pretrained": Mark("public start", "circle"),
    "local": Mark("own tuning at home", "square"),
    "federated": Mark("federated, no privacy", "point"),
    "federated_dp": Mark("federated with privacy", "circle"),
    "federated_dp_local": Mark("the same, tuned at home", "square"),
}


@dataclass(frozen=True)
class Dot:
    """One model's error in a row, and where it stands."""

    model: Model
    label: str
    shape: str
    rmse_mg_dl: float
    x: float


@dataclass(frozen=True)
class Row:
    """A clinic's errors on one line, from `low` to `high`."""

    label: str
    y: float
    dots: tuple[Dot, ...]

    @property
    def low(self) -> float:
        """Where the smallest error stands."""
        return min(dot.x for dot in self.dots)

    @property
    def high(self) -> float:
        """Where the largest error stands."""
        return max(dot.x for dot in self.dots)


@dataclass(frozen=True)
class Tick:
    """A number on the scale, mg/dL."""

    label: str
    x: float


@dataclass(frozen=True)
class Panel:
    """One cohort at one horizon: rows of clinics on a scale of RMSE; left is better."""

    horizon_min: int
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]

    @property
    def height(self) -> float:
        """Of the drawing, in its own units."""
        return TOP + ROW_HEIGHT * len(self.rows) + BOTTOM - 10

    @property
    def spoken(self) -> str:
        """What a reader of the screen hears instead."""
        names = ", ".join(row.label for row in self.rows)
        return f"Errors {self.horizon_min} minutes ahead for {names}; the tables hold the numbers."


def panels(
    book: ScoreBook, cohort: Cohort, clinics: Sequence[str] | None = None
) -> tuple[Panel, ...]:
    """A panel for each horizon at which anything drawn was scored, of all clinics or of these."""
    shown = [name for name in book.rows(cohort) if clinics is None or name in clinics]
    made = (_panel(book, cohort, horizon, shown) for horizon in book.horizons_min(cohort))
    return tuple(one for one in made if one is not None)


def _panel(
    book: ScoreBook, cohort: Cohort, horizon_min: int, clinics: Sequence[str]
) -> Panel | None:
    errors = {name: _errors(book, cohort, name, horizon_min) for name in clinics}
    drawn = {name: found for name, found in errors.items() if found}
    values = [value for found in drawn.values() for value in found.values()]
    if not values:
        return None
    scale = _Scale.over(values)
    rows = [
        Row(_label(name), TOP + ROW_HEIGHT * place, tuple(_dots(found, scale)))
        for place, (name, found) in enumerate(drawn.items())
    ]
    return Panel(horizon_min, tuple(rows), scale.ticks())


def _errors(book: ScoreBook, cohort: Cohort, clinic: str, horizon_min: int) -> dict[Model, float]:
    found = {model: book.score(cohort, clinic, horizon_min, model) for model in MARKS}
    return {model: score.rmse_mg_dl for model, score in found.items() if score is not None}


def _dots(errors: Mapping[Model, float], scale: "_Scale") -> list[Dot]:
    return [
        Dot(model, MARKS[model].label, MARKS[model].shape, value, scale.x(value))
        for model, value in errors.items()
    ]


def _label(clinic: str) -> str:
    if clinic == ALL_CLINICS:
        return "all people"
    return clinic if len(clinic) <= LONGEST_LABEL else clinic[: LONGEST_LABEL - 1] + "…"


@dataclass(frozen=True)
class _Scale:
    """A stretch of round numbers, mg/dL, around all that is drawn."""

    low: float
    high: float
    step: float

    @classmethod
    def over(cls, values: Sequence[float]) -> "_Scale":
        spread = max(max(values) - min(values), 0.5)
        step = _round_step(spread / (MOST_TICKS - 1))
        low, high = math.floor(min(values) / step), math.ceil(max(values) / step)
        return cls(low * step, max(high, low + 1) * step, step)

    def x(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(LEFT + share * (RIGHT - LEFT), 2)

    def ticks(self) -> tuple[Tick, ...]:
        count = round((self.high - self.low) / self.step)
        numbers = [self.low + place * self.step for place in range(count + 1)]
        return tuple(Tick(f"{number:g}", self.x(number)) for number in numbers)


def _round_step(step: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is no smaller."""
    power: float = 10.0 ** math.floor(math.log10(step))
    return next(times * power for times in (1.0, 2.0, 5.0, 10.0) if times * power >= step * 0.999)
