"""A small real study for tests: tiny people, and a shared vector of three ridge coefficients."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.heads import prior_head
from models.sharing import PatientData, WeightArray
from models.trace import FloatArray
from models.windows import Windows
from privacy.metric import MetricRelease
from study.protocol import Protocol, parse_protocol

DIMENSION = 3
TEXT = f"""\
study: small-study
clinics:
  - name: east
    declared_patients: 5
    source: {{layout: uom, folder: uom}}
  - name: north
    declared_patients: 8
    source: {{layout: uom, folder: uom}}
  - name: west
    declared_patients: 6
    source: {{layout: uom, folder: uom}}
  - name: island
    declared_patients: 4
    role: observer
    source: {{layout: uom, folder: uom}}
release: {{kind: adapter, rounds: 2, clip_norm: 0.5, dimension: {DIMENSION}}}
privacy: {{epsilon: 8.0, delta: 1.0e-5, noise: simulated}}
server: {{quorum: 2, deadline_s: 5}}
"""
TELLING = (
    ("declared_patients: 5", "declared_patients: 15"),
    ("declared_patients: 8", "declared_patients: 12"),
    ("server: {", "metrics: {names: [rmse_gain_30, rmse_gain_120], share: 0.2}\nserver: {"),
)
"""Changes that make the small study ask for metrics: of east and north; west has too few."""
ENROLLED = {"east": 4, "north": 9, "west": 6}
"""True numbers of patients; not what the clinics declared, and secret."""


def protocol_with(*changes: tuple[str, str]) -> Protocol:
    """The small protocol with pieces of its text exchanged."""
    text = TEXT
    for old, new in changes:
        if old not in text:
            raise ValueError(f"{old!r} is not in the protocol's text")
        text = text.replace(old, new)
    return parse_protocol(text)


@dataclass(frozen=True)
class RidgeVector:
    """SharedVector: one linear layer on the first three features; a row is a ridge step."""

    kind: str = "adapter"
    dimension: int = DIMENSION

    def start(self) -> FloatArray:
        return np.array([0.1, 0.0, -0.1])

    def rows(self, shared: FloatArray, patients: Sequence[PatientData]) -> FloatArray:
        steps = [self._step(shared, one.windows) for one in patients]
        return np.stack(steps) if steps else np.zeros((0, self.dimension))

    def weights(self, shared: FloatArray) -> WeightArray:
        return shared.astype(np.float32)

    def prior_variance(self) -> FloatArray:
        return np.array([1.5, 1.0, 0.5])

    def _step(self, shared: FloatArray, windows: Windows) -> FloatArray:
        X, y = windows.features[:, : self.dimension], windows.target[:, 0]
        A = X.T @ X / len(X) + np.eye(self.dimension)
        step = np.linalg.solve(A, X.T @ (y - X @ shared) / len(X))
        return np.asarray(step, dtype=np.float64)


@dataclass(frozen=True)
class PlantedVector(RidgeVector):
    """The same, answering with rows that were put in."""

    planted: FloatArray | None = None
    error: Exception | None = None

    def rows(self, shared: FloatArray, patients: Sequence[PatientData]) -> FloatArray:
        if self.error is not None:
            raise self.error
        return super().rows(shared, patients) if self.planted is None else self.planted


def metric_of(protocol: Protocol, clinic: str) -> MetricRelease:
    """What this clinic tells of a study that asks for metrics."""
    metric = protocol.metric_release(clinic)
    if metric is None:
        raise ValueError(f"{protocol.study} asks for no metrics")
    return metric


def made_up_gains(
    vector: object, shared: object, patients: Sequence[PatientData], horizons_min: Sequence[int]
) -> FloatArray:
    """Gains, mg/dL, of people who have no held-out days: each his own, some beyond any bound."""
    numbers = [int(one.patient.rsplit("-", 1)[1]) for one in patients]
    rows = [[1.0 + 2.0 * number, -0.5 * number] for number in numbers]
    return np.array(rows).reshape(len(rows), 2)[:, : len(horizons_min)]


def small_person(clinic: str, number: int) -> PatientData:
    """A patient whose id, head and windows are his own; 40 windows of random numbers."""
    random = np.random.default_rng([number, *clinic.encode()])
    features = random.normal(size=(40, 6))
    slope = np.array([0.4, -0.3, 0.2, 0.0, 0.0, 0.0]) + 0.1 * random.normal(size=6)
    windows = Windows(
        patient=f"MRN-CANARY-{clinic}-{number}",
        horizons_min=(30,),
        origin=np.arange(40),
        glucose_now=random.normal(size=40),
        features=features,
        start=random.normal(size=(40, 1)),
        response=random.normal(size=(40, 1, 3)),
        sensitivity_slope=random.normal(size=(40, 1)),
        target=(features @ slope)[:, None],
    )
    prior = prior_head()
    theta = prior.theta + 0.1 * random.normal(size=prior.theta.shape)
    head = replace(prior, theta=theta, latent=random.normal(size=prior.latent.shape))
    return PatientData(windows.patient, head, windows)


def small_people() -> dict[str, list[PatientData]]:
    """Everybody, by member clinic."""
    return {
        clinic: [small_person(clinic, number) for number in range(count)]
        for clinic, count in ENROLLED.items()
    }
