"""The public start: what everybody has for nothing, and the directions an adapter may take."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models.adapter import Adapter
from models.body import WholeBody
from models.correction import BODY_DIMENSION, OUTPUT_DIMENSION
from models.head_prior import SIZES, HeadMoments
from models.sharing import SharedVector, WeightArray
from models.trace import FloatArray
from study.adapter_directions import Directions, wide_directions
from study.failure import ExitCode, Failure
from study.head_prior_file import public_prior
from study.protocol import Protocol, Release

SHIPPED = Path(__file__).parent / "artefacts" / "public_start.safetensors"
LOCAL_STEPS = (1, 5, 10, 20)
"""Numbers of local steps for which the public size of a whole-body row is known."""


@dataclass(frozen=True)
class PublicStart:
    """Weights of the body from public people, from virtual ones alone, and the public subspace.

    basis (OUTPUT_DIMENSION, k), curvature (k,) and variance (k,) make an adapter of any dimension
    up to k; body_units (len(LOCAL_STEPS),) are median norms of a public person's whole-body row.
    """

    weights: WeightArray = field(repr=False)
    virtual_only: WeightArray = field(repr=False)
    basis: FloatArray = field(repr=False)
    curvature: FloatArray = field(repr=False)
    variance: FloatArray = field(repr=False)
    body_units: FloatArray = field(repr=False)

    def shared_vector(self, protocol: Protocol) -> SharedVector:
        """What the sites of this protocol share."""
        release = protocol.release
        if release.kind == "adapter":
            return self._adapter(release)
        if release.kind == "prior":
            return self._head_moments(release)
        if release.dimension != BODY_DIMENSION or release.local_steps not in LOCAL_STEPS:
            raise Failure(
                found=f"release of kind body with dimension {release.dimension} and "
                f"{release.local_steps} local steps",
                expected=f"dimension {BODY_DIMENSION} and local steps of {LOCAL_STEPS}",
                consequence="No study was started.",
                remedy="correct release.dimension and release.local_steps in the protocol",
                code=ExitCode.BAD_PROTOCOL,
            )
        unit = float(self.body_units[LOCAL_STEPS.index(release.local_steps)])
        return WholeBody(self.weights, release.local_steps, unit)

    def _head_moments(self, release: Release) -> HeadMoments:
        if release.dimension not in SIZES:
            raise Failure(
                found=f"a prior of dimension {release.dimension}",
                expected=f"one of {SIZES}: means of heads, or means and variances",
                consequence="No study was started.",
                remedy="correct release.dimension in the protocol",
                code=ExitCode.BAD_PROTOCOL,
            )
        return HeadMoments(self.weights, release.dimension, public_prior(release.public_prior))

    def _adapter(self, release: Release) -> Adapter:
        first = Directions(self.basis, self.curvature, self.variance)
        those, k = first if release.directions == "first" else wide_directions(), release.dimension
        if k > those.basis.shape[1]:
            raise Failure(
                found=f"an adapter of dimension {k}",
                expected=f"at most {those.basis.shape[1]}, the public directions there are",
                consequence="No study was started.",
                remedy="lower release.dimension in the protocol",
                code=ExitCode.BAD_PROTOCOL,
            )
        return Adapter(self.weights, those.basis[:, :k], those.curvature[:k], those.variance[:k])


def to_bytes(start: PublicStart) -> bytes:
    """The artefact as safetensors bytes; equal starts give equal bytes."""
    return save(
        {
            "weights": start.weights,
            "virtual_only": start.virtual_only,
            "basis": start.basis,
            "curvature": start.curvature,
            "variance": start.variance,
            "body_units": start.body_units,
        }
    )


def read_public_start(path: Path = SHIPPED) -> PublicStart:
    """The public start at `path`, the shipped one by default."""
    try:
        tensors = load(path.read_bytes())
        start = PublicStart(**tensors)
    except (OSError, SafetensorError, TypeError) as error:
        raise _unreadable(path, str(error)) from error
    found = {name: values.shape for name, values in tensors.items()}
    if found != _shapes(start.basis.shape[-1]):
        raise _unreadable(path, f"shapes {found}")
    if broken := [name for name, values in tensors.items() if not np.isfinite(values).all()]:
        raise _unreadable(path, f"{broken} hold values that are no numbers")
    return start


def _shapes(k: int) -> dict[str, tuple[int, ...]]:
    """Shape of each tensor of a start with k public directions."""
    return {
        "weights": (BODY_DIMENSION,),
        "virtual_only": (BODY_DIMENSION,),
        "basis": (OUTPUT_DIMENSION, k),
        "curvature": (k,),
        "variance": (k,),
        "body_units": (len(LOCAL_STEPS),),
    }


def sha256_of(start: PublicStart) -> str:
    """Digest by which sites agree that they start from the same weights."""
    return hashlib.sha256(to_bytes(start)).hexdigest()


def body_sha256(weights: WeightArray) -> str:
    """Digest of a body: SHA-256 of its float32 weights, little-endian."""
    return hashlib.sha256(np.ascontiguousarray(weights, dtype="<f4").tobytes()).hexdigest()


def _unreadable(path: Path, detail: str) -> Failure:
    return Failure(
        found=f"a public start that cannot be used at {path}: {detail}",
        expected=f"safetensors with {BODY_DIMENSION} weights of this version's body",
        consequence="Nothing was started.",
        remedy="restore study/artefacts/public_start.safetensors, or run `make pretrain`",
        code=ExitCode.MISSING_INPUT,
    )
