"""The protocol: one YAML file that says everything the sites agreed, and its digest.

Nothing that bounds privacy comes from anywhere else: clip norm, noise, rounds and names are read
from the file that each clinic holds on its own disk.
"""

import hashlib
import math
from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from privacy.gaussian_dp import mu_of_epsilon, sigma_for
from privacy.metric import FEWEST_PATIENTS, MetricRelease
from study.failure import ExitCode, Failure
from study.left_out import LEFT_OUT_IF_NONE
from study.one_reading import ambiguity

HORIZONS_MIN = (30, 60, 120)
"""What a study may forecast, minutes; written out, so that reading a protocol needs no torch."""

KEPT = 16
"""Protocols that a process keeps in mind; an agent asks for its own two texts at each request."""

METRIC = "rmse_gain_"
"""With a horizon behind it, the name of a metric: by how much the new body forecasts better."""

Name = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]*$", max_length=60)]
Count = Annotated[int, Field(ge=1)]


class _Agreed(BaseModel):
    """A part of the protocol: frozen, and no key beside those named."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Source(_Agreed):
    """How a rehearsal finds a clinic's files: a folder in a layout, or a virtual cohort.

    `sensor_period_min`, and of the sorted names every `every`-th at the places `take`, say which of
    the people in a shared folder are this clinic's.
    """

    layout: Literal["uom", "glucose_ml", "virtual"]
    folder: str = ""
    time_zone: str = "UTC"
    sensor_period_min: Literal[5, 15] | None = None
    every: Count = 1
    take: tuple[Annotated[int, Field(ge=0)], ...] = (0,)
    groups: tuple[Literal["child", "adolescent", "adult"], ...] = ()
    patients: Annotated[int, Field(ge=0)] = 0
    days: Annotated[int, Field(ge=0)] = 0
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.layout == "virtual" and not (self.groups and self.patients and self.days):
            raise ValueError("a virtual source needs groups, patients and days")
        if self.layout != "virtual" and not self.folder:
            raise ValueError("a source that is not virtual needs a folder")
        if any(place >= self.every for place in self.take):
            raise ValueError(f"take {list(self.take)} must lie below every {self.every}")
        return self


class Clinic(_Agreed):
    """One site. An observer takes no part and is scored as a clinic that did not."""

    name: Name
    declared_patients: Count
    role: Literal["member", "observer"] = "member"
    source: Source
    hold_out_patients: Annotated[int, Field(ge=0)] = 0


class Cohorts(_Agreed):
    """What is held out by time, and how many days a patient needs to be enrolled."""

    hold_out_time_fraction: Annotated[float, Field(gt=0.0, lt=0.9)] = 0.2
    minimum_days: Annotated[float, Field(gt=0.0)] = 3.0
    minimum_patients: Count = 1


class Release(_Agreed):
    """What a clinic releases a round: the noisy sum of one clipped row (dimension,) a patient.

    A release of kind prior starts from `public_prior`: the book's, or that of virtual people. One
    of kind adapter moves the body along `directions`: the first that were learned, or those of
    populations further apart (study/adapter_directions.py).
    """

    kind: Literal["adapter", "body", "prior"]
    public_prior: Literal["book", "virtual"] = "book"
    directions: Literal["first", "wide"] = "first"
    rounds: Count
    clip_norm: Annotated[float, Field(gt=0.0)]
    local_steps: Count = 1
    dimension: Count

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        if self.kind != "prior" and self.public_prior != "book":
            raise ValueError(f"public_prior goes with kind prior, and this is kind {self.kind}")
        if self.kind != "adapter" and self.directions != "first":
            raise ValueError(f"directions go with kind adapter, and this is kind {self.kind}")
        return self

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what means nothing, or came later: other studies' digests stay as signed."""
        plain: dict[str, Any] = handler(self)
        if self.kind != "prior":
            del plain["public_prior"]
        if self.directions == "first":
            del plain["directions"]
        return plain


class Privacy(_Agreed):
    """The promise to each patient over the whole study, at each site of enrolment."""

    unit: Literal["patient"] = "patient"
    adjacency: Literal["add_remove"] = "add_remove"
    epsilon: Annotated[float, Field(gt=0.0, le=50.0)]
    delta: Annotated[float, Field(gt=0.0, lt=0.01)]
    noise: Literal["exact", "simulated"] = "exact"


class Server(_Agreed):
    """How releases become the next shared vector.

    Robust choices, against clinics that lie, at a cost: `trimmed_mean` leaves out the `trim` least
    and largest values of each coordinate, so that the result is as noisy as one of 2 trim fewer
    clinics and large clinics weigh no more than small ones; `norm_check` refuses a release longer
    than twice the declared patients at the clip norm plus the tail of the noise, so that a clinic
    with more patients than that is left out.
    """

    strategy: Literal["fedavg", "trimmed_mean"] = "fedavg"
    trim: Annotated[int, Field(ge=0)] = 0
    norm_check: bool = False
    rate: Annotated[float, Field(gt=0.0)] = 1.0
    shrinkage: bool = True
    quorum: Count = 1
    deadline_s: Annotated[float, Field(gt=0.0)] = 600.0

    @model_validator(mode="after")
    def _enough_to_trim(self) -> Self:
        if (self.strategy == "trimmed_mean") != (self.trim > 0):
            raise ValueError(
                "strategy trimmed_mean needs a trim of 1 or more, and no other has one"
            )
        if self.quorum <= 2 * self.trim:
            raise ValueError(
                f"a quorum of {self.quorum} leaves nothing once {self.trim} at each end "
                "are left out"
            )
        return self

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without robust choices that were not made: other studies' digests stay as signed."""
        plain: dict[str, Any] = handler(self)
        if self.strategy != "trimmed_mean":
            del plain["trim"]
        if not self.norm_check:
            del plain["norm_check"]
        return plain


class Metrics(_Agreed):
    """What the clinics tell, once and under noise, of what the study was worth to their patients.

    `rmse_gain_30` is by how much the final body's error 30 minutes ahead is smaller than the public
    start's on a patient's held-out days, mg/dL, cut to `bound_mg_dl` either way. The release takes
    `share` of mu^2, the whole study's budget, and training what is left.
    """

    names: Annotated[
        tuple[Literal["rmse_gain_30", "rmse_gain_60", "rmse_gain_120"], ...], Field(min_length=1)
    ]
    bound_mg_dl: Annotated[float, Field(gt=0.0, le=50.0)] = 5.0
    share: Annotated[float, Field(gt=0.0, le=0.5)] = 0.1

    @property
    def horizons_min(self) -> tuple[int, ...]:
        """The horizon that each name speaks of."""
        return tuple(int(name.removeprefix(METRIC)) for name in self.names)


class Protocol(_Agreed):
    """A study as all its sites agreed it."""

    study: Name
    horizons_min: tuple[Count, ...] = HORIZONS_MIN
    clinics: Annotated[tuple[Clinic, ...], Field(min_length=1)]
    cohorts: Cohorts = Cohorts()
    release: Release
    privacy: Privacy
    server: Server = Server()
    metrics: Annotated[Metrics | None, LEFT_OUT_IF_NONE] = None

    @model_validator(mode="after")
    def _metrics_can_be_told(self) -> Self:
        asked = () if self.metrics is None else self.metrics.horizons_min
        if tuple(sorted(set(asked) & set(self.horizons_min))) != asked:
            raise ValueError(f"metrics must be increasing, of horizons {list(self.horizons_min)}")
        if asked and self.release.kind == "prior":
            raise ValueError("metrics are of a body, and a release of kind prior leaves it alone")
        told = sum(one.declared_patients >= FEWEST_PATIENTS for one in self.members)
        if asked and told < 2:
            raise ValueError(
                f"metrics are added over clinics of {FEWEST_PATIENTS} or more declared patients, "
                f"and {told} of the members are; two or more are needed"
            )
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [clinic.name for clinic in self.clinics]
        if len(set(names)) < len(names) or "all" in names:
            raise ValueError(f"clinics are named {names}; names must be unique, and none 'all'")
        if not 1 <= self.server.quorum <= len(self.members):
            raise ValueError(
                f"server.quorum is {self.server.quorum} of {len(self.members)} member clinics"
            )
        if tuple(sorted(set(self.horizons_min) & set(HORIZONS_MIN))) != self.horizons_min:
            raise ValueError(f"horizons_min must be increasing, from {list(HORIZONS_MIN)}")
        return self

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A changed protocol, tested like any; nothing that was worked out of this one is kept."""
        agreed = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self).model_validate({**agreed, **(update or {})})

    @property
    def members(self) -> tuple[Clinic, ...]:
        """The clinics that take part."""
        return tuple(clinic for clinic in self.clinics if clinic.role == "member")

    @cached_property
    def sigma(self) -> float:
        """Noise multiplier of each release of training, in clip norms."""
        privacy = self.privacy
        sigma = sigma_for(privacy.epsilon, privacy.delta, self.release.rounds)
        return sigma if self.metrics is None else sigma / math.sqrt(1.0 - self.metrics.share)

    @cached_property
    def mu(self) -> float:
        """Gaussian-DP parameter of the whole study: the cap of every site's ledger."""
        return mu_of_epsilon(self.privacy.epsilon, self.privacy.delta)

    def metric_release(self, clinic: str) -> MetricRelease | None:
        """What this clinic tells of the study's worth, after the last round; nothing by default."""
        asked = self.metrics
        if asked is None:
            return None
        return MetricRelease(
            round_number=self.release.rounds + 1,
            name="metrics:" + ",".join(asked.names),
            length=len(asked.names),
            bound=asked.bound_mg_dl,
            sigma=1.0 / (self.mu * math.sqrt(asked.share)),
            declared_patients=self.clinic(clinic).declared_patients,
        )

    def clinic(self, name: str) -> Clinic:
        """The clinic of this name; a Failure if the protocol does not list it."""
        for clinic in self.clinics:
            if clinic.name == name:
                return clinic
        raise _bad(
            f"no clinic {name!r} in study {self.study}",
            f"one of {[clinic.name for clinic in self.clinics]}",
        )

    def canonical(self) -> str:
        """The protocol as YAML in one fixed form, defaults written out."""
        plain = self.model_dump(mode="json")
        return yaml.safe_dump(plain, sort_keys=True, allow_unicode=True, width=100)

    def digest(self) -> str:
        """SHA-256 of the canonical form: what the sites sign and every message names."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return hashlib.sha256(self.canonical().encode()).hexdigest()


@lru_cache(maxsize=KEPT)
def parse_protocol(text: str, origin: str = "the protocol") -> Protocol:
    """The protocol in a YAML text; a Failure names the first field that is wrong, and its line.

    A text that was read before is not read again; it is known by all of its letters.
    """
    try:
        if found := ambiguity(text):
            raise _bad(f"{origin} with {found}", "text that has one reading")
        plain = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # the second of a date that no calendar has
        raise _bad(f"{origin} is not YAML: {error}", "a YAML file of a protocol") from error
    if not isinstance(plain, Mapping):
        raise _bad(f"{origin} holds {type(plain).__name__}", "fields such as study and clinics")
    try:
        return Protocol.model_validate(_as_tuples(plain))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole protocol"
        line = _line_of(text, first["loc"])
        where = f"{origin}, line {line}" if line else origin
        raise _bad(f"{where}: {place}: {first['msg']}", "a protocol of this version") from error


def read_protocol(path: Path) -> Protocol:
    """The protocol in a file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(
            found=f"{path}, which cannot be read: {error}",
            expected="a protocol file in YAML",
            consequence="No protocol was read.",
            remedy="give the path of the file that the sites agreed on",
            code=ExitCode.MISSING_INPUT,
        ) from error
    return parse_protocol(text, str(path))


def _as_tuples(value: Any) -> Any:
    """Lists as tuples, so that strict models accept what YAML gives."""
    if isinstance(value, Mapping):
        return {key: _as_tuples(one) for key, one in value.items()}
    return tuple(_as_tuples(one) for one in value) if isinstance(value, list) else value


def _line_of(text: str, place: tuple[int | str, ...]) -> int | None:
    """Line of the deepest part of `place` that stands in the text, from 1."""
    node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    line = None
    for part in place:
        node = _child(node, part)
        if node is None:
            return line
        line = node.start_mark.line + 1
    return line


def _child(node: yaml.Node | None, part: int | str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == part), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        found: yaml.Node = node.value[part]
        return found
    return None


def _bad(found: str, expected: str) -> Failure:
    return Failure(
        found=found,
        expected=expected,
        consequence="No study was started.",
        remedy="correct the protocol; `insula study check PROTOCOL` tests it",
        code=ExitCode.BAD_PROTOCOL,
    )
