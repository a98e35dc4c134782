"""What a run wrote down: `run.json`, whose keys readers, scripts and checks depend on."""

import os
import tempfile
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)

from study.failure import ExitCode, Failure
from study.left_out import LEFT_OUT_IF_NONE

RUN_RECORD = "run.json"
ALL_CLINICS = "all"

Cohort = Literal["same_patients", "new_patients", "new_clinic"]
Model = Literal[
    "persistence",
    "mean",
    "ridge",
    "boosting",
    "virtual_only",
    "pretrained",
    "local",
    "pooled",
    "federated",
    "federated_dp",
    "federated_dp_local",
]
COHORTS: tuple[Cohort, ...] = get_args(Cohort)
MODELS: tuple[Model, ...] = get_args(Model)

NonNegative = Annotated[FiniteFloat, Field(ge=0.0)]
Positive = Annotated[FiniteFloat, Field(gt=0.0)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
ClinicName = Annotated[str, Field(min_length=1)]


class _Written(BaseModel):
    """A part of the record: frozen once made, and no key beside those named."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ClinicEntry(_Written):
    """A clinic and the number of people it declared, which is public."""

    name: ClinicName
    declared_patients: PositiveInt


class RoundEntry(_Written):
    """One round, counted from 1, and the clinics whose release the server added up."""

    round: PositiveInt
    took_part: tuple[ClinicName, ...]


class PrivacySpent(_Written):
    """What the study spent on each person: `mu` of Gaussian DP over all `releases`.

    `sigma` is the noise multiplier, in clip norms. `epsilon` is the exact conversion of `mu` at
    `delta` for add/remove of one person; the other epsilons are None where nobody computed them:
    the same by privacy loss distributions, with one person replaced by another, and for one person
    who is a patient of two clinics.
    """

    unit: Literal["patient"]
    adjacency: Literal["add_remove", "replace_one"]
    epsilon: Positive
    delta: Annotated[FiniteFloat, Field(gt=0.0, lt=1.0)]
    mu: Positive
    sigma: Positive
    releases: PositiveInt
    pld_epsilon: Positive | None = None
    replace_one_epsilon: Positive | None = None
    two_site_epsilon: Positive | None = None


class MetricsTold(_Written):
    """What the study was worth, as clinics told it once: the mean over declared patients, noisy.

    `names` say which figures, mg/dL; each patient's was cut to `bound_mg_dl` either way, so that a
    mean of large gains is too small. `standard_error_mg_dl` is of each figure, from the known noise
    of `sigma` clip norms alone. Clinics of too few declared patients are `suppressed`; of those in
    `refused` no figure came, with the code that says why.
    """

    names: tuple[str, ...]
    bound_mg_dl: Positive
    sigma: Positive
    clinics: tuple[ClinicName, ...]
    suppressed: tuple[ClinicName, ...]
    refused: dict[ClinicName, str]
    declared_patients: NonNegativeInt
    mean_mg_dl: tuple[FiniteFloat, ...]
    standard_error_mg_dl: Positive | None


class Score(_Written):
    """The error of one model's forecast, mg/dL and per cent: the mean over people.

    `patients` is how many people stand behind it; it is written in simulations and rehearsals only,
    because the exact count of a clinic does not leave that clinic.
    """

    cohort: Cohort
    clinic: ClinicName
    horizon_min: PositiveInt
    model: Model
    rmse_mg_dl: NonNegative
    mard_pct: NonNegative
    patients: PositiveInt | None = None


class ForecastCurve(_Written):
    """What `model` said `horizon_min` earlier about each moment of its example, mg/dL."""

    model: Model
    horizon_min: PositiveInt
    glucose_mg_dl: tuple[FiniteFloat | None, ...]


class ForecastExample(_Written):
    """A few days of one virtual or openly published person, for drawing.

    `hour` counts from the local midnight before the first reading, so that no date is written down.
    A None is a moment without a reading, or without a forecast.
    """

    clinic: ClinicName
    label: str
    hour: tuple[FiniteFloat, ...]
    cgm_mg_dl: tuple[FiniteFloat | None, ...]
    curves: tuple[ForecastCurve, ...]

    @model_validator(mode="after")
    def _all_as_long_as_time(self) -> Self:
        lengths = [len(self.cgm_mg_dl), *(len(curve.glucose_mg_dl) for curve in self.curves)]
        if any(length != len(self.hour) for length in lengths):
            raise ValueError(
                f"the example {self.label!r} has {len(self.hour)} moments but curves of {lengths}; "
                "expected one value, or None, for each moment"
            )
        return self


class RunRecord(_Written):
    """Everything `report.html` shows, and what other programs read of a run."""

    study: Annotated[str, Field(pattern="^[a-z0-9-]+$")]
    seed: NonNegativeInt
    protocol_sha256: Sha256
    body_sha256: Sha256
    noise: Literal["exact", "simulated"]
    clinics: Annotated[tuple[ClinicEntry, ...], Field(min_length=1)]
    rounds: tuple[RoundEntry, ...]
    privacy: PrivacySpent
    scores: tuple[Score, ...]
    forecasts: tuple[ForecastExample, ...] = ()
    adoption: dict[ClinicName, Literal["new", "old"]] = {}
    seconds: dict[str, NonNegative] = {}
    notes: tuple[str, ...] = ()
    metrics: Annotated[MetricsTold | None, LEFT_OUT_IF_NONE] = None

    @property
    def clinic_names(self) -> tuple[str, ...]:
        """Names in the protocol's order."""
        return tuple(clinic.name for clinic in self.clinics)

    @property
    def members(self) -> tuple[ClinicEntry, ...]:
        """The clinics that took part in any round, in the protocol's order."""
        took_part = {name for entry in self.rounds for name in entry.took_part}
        return tuple(clinic for clinic in self.clinics if clinic.name in took_part)

    def rounds_missed(self, clinic: str) -> tuple[int, ...]:
        """Numbers of the rounds that `clinic` took no part in."""
        return tuple(entry.round for entry in self.rounds if clinic not in entry.took_part)

    @model_validator(mode="after")
    def _clinics_are_known(self) -> Self:
        names = self.clinic_names
        if len(set(names)) < len(names) or ALL_CLINICS in names:
            raise ValueError(
                f"clinics are named {names}; expected unique names, none of them 'all'"
            )
        spoken_of = {score.clinic for score in self.scores} - {ALL_CLINICS}
        spoken_of |= {name for entry in self.rounds for name in entry.took_part}
        spoken_of |= {example.clinic for example in self.forecasts} | set(self.adoption)
        if strangers := sorted(spoken_of - set(names)):
            raise ValueError(f"clinics {strangers} are spoken of but not listed among {names}")
        return self

    @model_validator(mode="after")
    def _one_score_each(self) -> Self:
        keys = [(s.cohort, s.clinic, s.horizon_min, s.model) for s in self.scores]
        if twice := sorted({str(key) for key in keys if keys.count(key) > 1}):
            raise ValueError(f"scores {twice} are given more than once; expected one of each")
        return self


def write_run_record(run_dir: Path, record: RunRecord) -> Path:
    """Path of the `run.json` now in `run_dir`: the whole new one, or still the old one."""
    run_dir.mkdir(parents=True, exist_ok=True)
    path = run_dir / RUN_RECORD
    write_atomically(path, record.model_dump_json(indent=1) + "\n")
    return path


def write_atomically(path: Path, text: str) -> None:
    """Puts `text` at `path` in one step, so that a reader meets the old file or the new, whole."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as draft:
        try:
            draft.write(text)
            draft.flush()
            os.fsync(draft.fileno())
            os.chmod(draft.name, 0o644)
            os.replace(draft.name, path)
        except BaseException:
            Path(draft.name).unlink(missing_ok=True)
            raise


def read_run_record(run_dir: Path) -> RunRecord:
    """The record of the run in `run_dir`; a Failure that names the key where it is not one."""
    path = run_dir / RUN_RECORD
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise Failure(
            found=f"no {path}",
            expected="a run folder, as `insula simulate run` writes one",
            consequence="No record was read.",
            remedy="give the folder that holds run.json, or run the study first",
            code=ExitCode.MISSING_INPUT,
        ) from None
    except ValidationError as error:
        raise Failure(
            found=f"{path} with {_first_fault(error)}",
            expected="the keys of run.json that this version of Insula writes",
            consequence="No record was read.",
            remedy="run the study again, or read the folder with the version that wrote it",
            code=ExitCode.BAD_DATA,
        ) from error


def _first_fault(error: ValidationError) -> str:
    first, more = error.errors()[0], error.error_count() - 1
    place = ".".join(str(part) for part in first["loc"]) or "the whole file"
    return f"{place}: {first['msg']}" + (f" (and {more} more)" if more else "")
