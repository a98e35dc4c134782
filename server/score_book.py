"""The scores of a run, looked up and set against each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from server.run_record import ALL_CLINICS, Cohort, Model, RunRecord, Score

Verdict = Literal["lower", "higher", "same"]
VERDICTS: tuple[Verdict, ...] = ("lower", "higher", "same")


@dataclass(frozen=True)
class Change:
    """RMSE of one model less that of a rival at one clinic and horizon; negative is better."""

    clinic: str
    ours_mg_dl: float
    rival_mg_dl: float

    @property
    def difference_mg_dl(self) -> float:
        """Ours less the rival's, to the 0.1 mg/dL that is printed: words and numbers agree."""
        return round(self.ours_mg_dl - self.rival_mg_dl, 1)

    @property
    def verdict(self) -> Verdict:
        """Whether our error is lower, higher, or the same to 0.1 mg/dL."""
        if self.difference_mg_dl == 0.0:
            return "same"
        return "lower" if self.difference_mg_dl < 0.0 else "higher"

    @property
    def size(self) -> str:
        """The difference in words: `0.8 mg/dL, 4 %`."""
        size = abs(self.difference_mg_dl)
        share = 100.0 * size / max(self.rival_mg_dl, size)
        return f"{size:.1f} mg/dL, {'under 1' if share < 1.0 else f'{share:.0f}'} %"


@dataclass(frozen=True)
class ScoreBook:
    """The scores of a run, to be looked up; what a run did not score is None, never zero."""

    clinics: tuple[str, ...]
    by_key: Mapping[tuple[Cohort, str, int, Model], Score]

    @classmethod
    def of(cls, record: RunRecord) -> "ScoreBook":
        """The scores in `record`."""
        keys = {(s.cohort, s.clinic, s.horizon_min, s.model): s for s in record.scores}
        return cls(record.clinic_names, keys)

    def horizons_min(self, cohort: Cohort) -> tuple[int, ...]:
        """Horizons at which anything of `cohort` was scored, shortest first."""
        return tuple(sorted({key[2] for key in self.by_key if key[0] == cohort}))

    def rows(self, cohort: Cohort) -> tuple[str, ...]:
        """Clinics scored in `cohort`, in the protocol's order, and `all` last."""
        scored = {key[1] for key in self.by_key if key[0] == cohort}
        return tuple(name for name in (*self.clinics, ALL_CLINICS) if name in scored)

    def score(self, cohort: Cohort, clinic: str, horizon_min: int, model: Model) -> Score | None:
        """One score, or None."""
        return self.by_key.get((cohort, clinic, horizon_min, model))

    def lowest_mg_dl(self, cohort: Cohort, clinic: str, horizon_min: int) -> float:
        """The lowest RMSE of any model there; infinite where none was scored."""
        place = (cohort, clinic, horizon_min)
        return min(
            (score.rmse_mg_dl for key, score in self.by_key.items() if key[:3] == place),
            default=float("inf"),
        )

    def people(self, cohort: Cohort, clinic: str, horizon_min: int) -> int | None:
        """How many people stand behind the scores there; None where the run does not tell."""
        place = (cohort, clinic, horizon_min)
        told = (score.patients for key, score in self.by_key.items() if key[:3] == place)
        return max((count for count in told if count is not None), default=None)

    def change(
        self, cohort: Cohort, clinic: str, horizon_min: int, ours: Model, rival: Model
    ) -> Change | None:
        """`ours` against `rival`, or None where either was not scored."""
        mine = self.score(cohort, clinic, horizon_min, ours)
        theirs = self.score(cohort, clinic, horizon_min, rival)
        if mine is None or theirs is None:
            return None
        return Change(clinic, mine.rmse_mg_dl, theirs.rmse_mg_dl)

    def changes(
        self, cohort: Cohort, horizon_min: int, ours: Model, rival: Model
    ) -> tuple[Change, ...]:
        """`ours` against `rival` at every clinic that has both, without `all`."""
        found = (self.change(cohort, name, horizon_min, ours, rival) for name in self.clinics)
        return tuple(change for change in found if change is not None)
