"""The protocol of the trial of bolus advice: who teaches, who is judged, under which promise."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from json import dumps
from pathlib import Path
from typing import Any

import yaml

from simulations.bolus_learning import Budget, Course
from simulations.titration_people import RUN_IN_DAYS
from study.failure import ExitCode, Failure

NOISES = ("exact", "simulated")
FEWEST_DAYS = RUN_IN_DAYS + 7


@dataclass(frozen=True)
class BolusTrial:
    """What the file says. `clinics` of `patients` each keep a record of `days`; `public` children
    and as many adolescents make the public start; `judged` adults of each world, and `judged_high`
    with an HbA1c of `least_hba1c_pct` or more at first, live `weeks`, of which the last
    `last_weeks` count. `published` is the figure to stand beside.
    """

    trial: str
    clinics: int
    patients: int
    days: int
    public: int
    judged: int
    judged_high: int
    least_hba1c_pct: float
    weeks: int
    last_weeks: int
    visit_days: int
    amiss: float
    target_mg_dl: float
    least_factor: float
    most_factor: float
    overdose_weight: float
    rounds: int
    rate: float
    clip_norm: float
    epsilons: tuple[float, ...]
    delta: float
    noise: str
    seeds: tuple[int, ...]
    published: Mapping[str, float] = field(hash=False)

    @property
    def course(self) -> Course:
        """How weights are moved in a federation."""
        return Course(self.overdose_weight, self.rounds, self.rate, self.clip_norm)

    def budget(self, epsilon: float) -> Budget:
        """What this epsilon promises."""
        return Budget(epsilon, self.delta, self.noise, self.patients)

    def digest(self) -> str:
        """SHA-256 of all that it says."""
        plain = asdict(self) | {"published": dict(self.published)}
        return sha256(dumps(plain, sort_keys=True).encode()).hexdigest()


def read_bolus_trial(path: Path) -> BolusTrial:
    """The protocol of a file; a Failure that names the field where it is none."""
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
        names = {one.name for one in fields(BolusTrial)}
        if not isinstance(plain, dict) or set(plain) != names:
            there = set(plain) if isinstance(plain, dict) else set()
            raise ValueError(f"keys {sorted(there ^ names)} are missing or unknown")
        trial = BolusTrial(**{one.name: _typed(one.name, plain[one.name]) for one in _plain()})
        _require(trial)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, ValueError) as error:
        raise Failure(
            found=f"no trial at {path}: {error}",
            expected="a protocol such as simulations/protocols/bolus-advice.yaml",
            consequence="Nobody was advised.",
            remedy="correct the file",
            code=ExitCode.BAD_PROTOCOL,
        ) from error
    return trial


def _plain() -> Iterable[Any]:
    return fields(BolusTrial)


def _typed(name: str, value: Any) -> Any:
    """The value in the type of its field; ValueError where it is of another."""
    kind = BolusTrial.__annotations__[name]
    if name == "published":
        if not (isinstance(value, dict) and _number(value.get("time_in_range_pct"))):
            raise ValueError(f"published is {value!r}; expected time_in_range_pct, a number")
        return {"time_in_range_pct": float(value["time_in_range_pct"])}
    if name in ("epsilons", "seeds"):
        whole = name == "seeds"
        if not isinstance(value, list) or not value or not all(_number(v, whole) for v in value):
            raise ValueError(f"{name} is {value!r}; expected a list of numbers")
        return tuple(int(v) if whole else float(v) for v in value)
    if kind is str:
        if not isinstance(value, str):
            raise ValueError(f"{name} is {value!r}; expected text")
        return value
    if not _number(value, whole=kind is int):
        raise ValueError(
            f"{name} is {value!r}; expected {'a whole' if kind is int else 'a'} number"
        )
    return kind(value)


def _number(value: object, whole: bool = False) -> bool:
    kinds = (int,) if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and abs(value) < float("inf")


def _require(trial: BolusTrial) -> None:
    """ValueError with the first field that nothing can be made of."""
    for name, least in _LEAST.items():
        if getattr(trial, name) < least:
            raise ValueError(f"{name} is {getattr(trial, name)}; expected {least} or more")
    for name in ("rate", "clip_norm", "least_factor"):
        if not getattr(trial, name) > 0.0:
            raise ValueError(f"{name} is {getattr(trial, name)}; expected above 0")
    if not trial.least_factor <= 1.0 <= trial.most_factor:
        raise ValueError("least_factor and most_factor must lie on either side of 1")
    if not 1 <= trial.last_weeks <= trial.weeks:
        raise ValueError(f"last_weeks is {trial.last_weeks}; expected 1 to {trial.weeks}, weeks")
    if not all(0.0 < one <= 50.0 for one in trial.epsilons):
        raise ValueError(f"epsilons are {trial.epsilons}; expected above 0, up to 50")
    for name in ("epsilons", "seeds"):
        if len(set(getattr(trial, name))) < len(getattr(trial, name)):
            raise ValueError(f"{name} are {getattr(trial, name)}; expected each once")
    if not 0.0 < trial.delta < 0.01:
        raise ValueError(f"delta is {trial.delta}; expected above 0 and below 0.01")
    if trial.noise not in NOISES:
        raise ValueError(f"noise is {trial.noise!r}; expected one of {NOISES}")
    if not 80.0 <= trial.target_mg_dl <= 180.0:
        raise ValueError(f"target_mg_dl is {trial.target_mg_dl}; expected 80 to 180")
    if min(trial.seeds) < 0:
        raise ValueError(f"seeds are {trial.seeds}; expected 0 or more")


_LEAST = {
    "clinics": 1,
    "patients": 1,
    "days": FEWEST_DAYS,
    "public": 2,
    "judged": 1,
    "judged_high": 0,
    "weeks": 1,
    "visit_days": 1,
    "amiss": 0.0,
    "overdose_weight": 1.0,
    "rounds": 1,
}
