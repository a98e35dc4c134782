"""Heads of drawn people for the study of priors, and the priors that they teach, private or not.

Teachers have lived with their clinic for long: it knows their correction factor and carbohydrate
ratio, with error. Heads that were fitted once are kept in a file under a digest of the code that
made them, as five hundred take minutes.
"""

import ast
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from models.calibration import Calibration
from models.head_prior import LEAST_EVIDENCE, HeadMoments
from models.heads import BOOK_PRIOR, LATENT, NAMES, Head, HeadPrior
from models.population import population_prior
from models.trace import FloatArray
from privacy.gaussian_dp import sigma_for
from privacy.noise import SimulatedNoise
from privacy.release import release_sum
from server.shrinkage import (
    Noise,
    enrolment_variance,
    noise_variance,
    shrunk,
    weights_by_precision,
)
from simulations.effects_learning import head_of
from simulations.effects_people import drawn_subject
from simulations.padova_world import WORLDS, World
from simulations.parallel import spread
from study.head_prior_file import PublicPrior, public_prior, to_json

VIRTUAL_SEED, VIRTUAL_PEOPLE = 911, 48
"""Children and adolescents in each world behind the shipped virtual prior; in no study."""

DELTA = 1e-5
BATCH = 24
Step = Callable[[], None]
SOURCES = ("simulations/effects_people.py", "models/calibration.py")
"""What makes a head; a kept one depends on these and on all that they import."""


@dataclass(frozen=True)
class Class:
    """Drawn people of these groups in turn, in one world, of one seed."""

    groups: tuple[str, ...]
    world: World
    seed: int


@dataclass(frozen=True)
class PriorRelease:
    """One release: its length, clip norm and public prior; rounds are one."""

    numbers: int = 18
    clip_norm: float = 1.5
    about: PublicPrior = "book"

    @property
    def vector(self) -> HeadMoments:
        """What is shared."""
        nobody = np.zeros(1, dtype=np.float32)
        return HeadMoments(nobody, self.numbers, public_prior(self.about))


def taught(
    people: Class, count: int, pool: Executor | None, step: Step, kept: Path | None = None
) -> list[Calibration]:
    """The first `count` heads of a class; those that the folder `kept` has are not fitted again."""
    heads: list[Calibration] = []
    for first in range(0, count, BATCH):
        jobs = range(first, min(first + BATCH, count))
        file = None if kept is None else kept / f"{_digest(people)}-{first}-{len(jobs)}.npz"
        if file is not None and file.is_file():
            heads += _read(file)
            continue
        batch = spread(partial(_taught, people), jobs, pool, step)
        heads += batch
        if file is not None:
            _write(file, batch)
    return heads


def _taught(people: Class, number: int) -> Calibration:
    group = people.groups[number % len(people.groups)]
    return head_of(drawn_subject(group, number, people.world, people.seed), BOOK_PRIOR)


def released_prior(
    clinics: Sequence[Sequence[Calibration]], release: PriorRelease, epsilon: float, seed: int
) -> HeadPrior:
    """The prior after one release of each clinic, averaged and shrunk as a server would."""
    vector = release.vector
    sigma = sigma_for(epsilon, DELTA, 1)
    noise = Noise(sigma, release.clip_norm, release.numbers)
    declared = [len(one) for one in clinics]
    weights = weights_by_precision(declared, noise)
    u = np.zeros(release.numbers)
    for site, (own, weight) in enumerate(zip(clinics, weights, strict=True)):
        rows = np.stack([_row(vector, one) for one in own])
        drawn = SimulatedNoise(seed, f"site-{site}", 1)
        u += weight * release_sum(rows, release.clip_norm, sigma, drawn).values / len(own)
    nu = noise_variance(declared, weights, noise)
    tau = enrolment_variance(declared, weights, noise)
    longest = vector.longest(release.clip_norm)
    return vector.prior(shrunk(u, nu, vector.prior_variance(), tau, longest, LEAST_EVIDENCE))


def _row(vector: HeadMoments, one: Calibration) -> FloatArray:
    known = vector.moments(one.head, one.covariance)
    return known if one.identified else np.zeros_like(known)


def write_virtual_prior(pool: Executor | None, step: Step, path: Path) -> int:
    """Learns the virtual people's prior anew, over both worlds, and says from how many of them.

    What it writes is shipped in study/artefacts/.
    """
    classes = [Class(("child", "adolescent"), world, VIRTUAL_SEED) for world in WORLDS]
    heads = [one for each in classes for one in taught(each, VIRTUAL_PEOPLE, pool, step)]
    path.write_text(to_json(population_prior(heads, BOOK_PRIOR)), encoding="utf-8")
    return len(heads)


def _digest(people: Class) -> str:
    """Of the class and of every line of code that its heads could depend on."""
    found = hashlib.sha256(repr((people, NAMES)).encode())
    for path in sorted(sources()):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def sources() -> set[Path]:
    """The files of this project on which a head depends."""
    root = Path(__file__).resolve().parents[1]
    found: set[Path] = set()
    waiting = [root / name for name in SOURCES]
    while waiting:
        path = waiting.pop()
        found.add(path)
        imported = (
            (root / Path(*node.module.split("."))).with_suffix(".py")
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom) and node.module
        )
        waiting += [one for one in imported if one.is_file() and one not in found]
    return found


def _write(path: Path, heads: Sequence[Calibration]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez(
        part,
        patient=[one.patient for one in heads],
        theta=[one.head.theta for one in heads],
        covariance=[one.covariance for one in heads],
        residual=[(one.head.residual_phi, one.head.residual_sd_mg_dl) for one in heads],
        identified=[one.identified for one in heads],
    )
    part.replace(path)


def _read(path: Path) -> list[Calibration]:
    """Heads as far as priors ask: objective, flags and readings are not kept."""
    with np.load(path, allow_pickle=False) as file:
        columns = [file[k] for k in ("patient", "theta", "covariance", "residual", "identified")]
    return [
        Calibration(
            patient=str(patient),
            head=Head(theta, np.zeros(LATENT), float(phi), float(sd), identified=bool(known)),
            covariance=covariance,
            objective=float("nan"),
            flags=(),
            known_days=float("nan"),
            readings=0,
        )
        for patient, theta, covariance, (phi, sd), known in zip(*columns, strict=True)
    ]
