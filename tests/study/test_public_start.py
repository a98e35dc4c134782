"""The public start on disk: whole or refused, and the same for every site."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from models.adapter import Adapter
from models.body import WholeBody
from models.correction import BODY_DIMENSION
from models.head_prior import HeadMoments
from study.failure import ExitCode, Failure
from study.head_prior_file import public_prior
from study.protocol import Protocol, parse_protocol
from study.public_start import (
    LOCAL_STEPS,
    SHIPPED,
    PublicStart,
    body_sha256,
    read_public_start,
    sha256_of,
    to_bytes,
)

PROTOCOL = """
study: tiny
clinics:
  - name: harbour
    declared_patients: 3
    source: {layout: uom, folder: harbour}
release: {kind: adapter, rounds: 2, clip_norm: 0.5, dimension: 16}
privacy: {epsilon: 8.0, delta: 1.0e-5, noise: exact}
"""


@pytest.fixture(scope="module")
def start() -> PublicStart:
    return read_public_start()


def protocol(release: str) -> Protocol:
    return parse_protocol(
        PROTOCOL.replace(
            "kind: adapter, rounds: 2, clip_norm: 0.5, dimension: 16",
            f"rounds: 2, clip_norm: 0.5, {release}",
        )
    )


def changed(tmp_path: Path, **tensors: np.ndarray) -> Path:
    """The shipped start with some tensors replaced."""
    path = tmp_path / "changed.safetensors"
    path.write_bytes(save({**load(SHIPPED.read_bytes()), **tensors}))
    return path


def test_bytes_come_back(start: PublicStart, tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    path.write_bytes(to_bytes(start))
    again = read_public_start(path)
    assert to_bytes(again) == to_bytes(start) == SHIPPED.read_bytes()


def test_the_card_beside_it_is_of_it(start: PublicStart) -> None:
    card = json.loads(SHIPPED.with_suffix(".json").read_text())
    assert card["sha256"] == sha256_of(start)


def test_one_bit_is_another_start(start: PublicStart) -> None:
    weights = start.weights.copy()
    weights[0] = np.nextafter(weights[0], np.float32(np.inf))
    assert sha256_of(replace(start, weights=weights)) != sha256_of(start)
    assert body_sha256(weights) != body_sha256(start.weights)


def test_an_adapter_takes_the_leading_directions(start: PublicStart) -> None:
    adapter = start.shared_vector(protocol("kind: adapter, dimension: 16"))
    assert isinstance(adapter, Adapter) and adapter.dimension == 16
    np.testing.assert_array_equal(adapter.basis, start.basis[:, :16])
    np.testing.assert_array_equal(adapter.curvature, start.curvature[:16])
    assert adapter.prior_variance().mean() == pytest.approx(1.0)


def test_more_directions_than_there_are_is_refused(start: PublicStart) -> None:
    most = start.basis.shape[1]
    start.shared_vector(protocol(f"kind: adapter, dimension: {most}"))
    with pytest.raises(Failure, match=f"an adapter of dimension {most + 1}") as caught:
        start.shared_vector(protocol(f"kind: adapter, dimension: {most + 1}"))
    assert caught.value.code == ExitCode.BAD_PROTOCOL


@pytest.mark.parametrize("steps", LOCAL_STEPS)
def test_a_whole_body_is_in_units_of_its_public_row(start: PublicStart, steps: int) -> None:
    agreed = protocol(f"kind: body, dimension: {BODY_DIMENSION}, local_steps: {steps}")
    body = start.shared_vector(agreed)
    assert isinstance(body, WholeBody)
    assert body.unit == start.body_units[LOCAL_STEPS.index(steps)]
    np.testing.assert_allclose(body.weights(body.start()), start.weights, rtol=1e-6)


@pytest.mark.parametrize(
    "release",
    [f"kind: body, dimension: {BODY_DIMENSION}, local_steps: 3", "kind: body, dimension: 16"],
)
def test_a_body_that_is_not_known_is_refused(start: PublicStart, release: str) -> None:
    with pytest.raises(Failure, match="release of kind body") as caught:
        start.shared_vector(protocol(release))
    assert caught.value.code == ExitCode.BAD_PROTOCOL


@pytest.mark.parametrize("length", [0, 7, 1000])
def test_a_torn_file_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "torn.safetensors"
    path.write_bytes(SHIPPED.read_bytes()[:length])
    with pytest.raises(Failure, match="cannot be used") as caught:
        read_public_start(path)
    assert caught.value.code == ExitCode.MISSING_INPUT


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="cannot be used"):
        read_public_start(tmp_path / "absent.safetensors")


def test_a_body_of_another_size_is_refused(tmp_path: Path, start: PublicStart) -> None:
    with pytest.raises(Failure, match="cannot be used"):
        read_public_start(changed(tmp_path, weights=start.weights[:-1]))


def test_a_basis_of_another_layer_is_refused(tmp_path: Path, start: PublicStart) -> None:
    with pytest.raises(Failure, match="cannot be used"):
        read_public_start(changed(tmp_path, basis=start.basis[:-1]))


def test_a_variance_too_few_is_refused(tmp_path: Path, start: PublicStart) -> None:
    with pytest.raises(Failure, match="cannot be used"):
        read_public_start(changed(tmp_path, variance=start.variance[:-1]))


def test_a_tensor_too_many_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="cannot be used"):
        read_public_start(changed(tmp_path, extra=np.zeros(3)))


def test_a_number_that_is_none_is_refused(tmp_path: Path, start: PublicStart) -> None:
    weights = start.weights.copy()
    weights[5] = np.nan
    with pytest.raises(Failure, match="cannot be used"):
        read_public_start(changed(tmp_path, weights=weights))


def test_a_study_of_heads_starts_from_the_public_prior_it_names() -> None:
    for about, dimension in (("book", 18), ("virtual", 36)):
        text = TEXT_OF_HEADS.format(about=about, dimension=dimension)
        vector = read_public_start().shared_vector(parse_protocol(text))
        assert isinstance(vector, HeadMoments) and vector.dimension == dimension
        nothing = vector.prior(vector.start())
        expected = public_prior("virtual" if about == "virtual" else "book")
        np.testing.assert_allclose(nothing.mean, expected.mean)
        np.testing.assert_allclose(nothing.covariance, expected.covariance, atol=1e-12)


def test_a_length_that_is_no_prior_is_refused() -> None:
    with pytest.raises(Failure, match="a prior of dimension 189"):
        text = TEXT_OF_HEADS.format(about="book", dimension=189)
        read_public_start().shared_vector(parse_protocol(text))


TEXT_OF_HEADS = """
study: heads
clinics:
  - {{name: north, declared_patients: 9, source: {{layout: uom, folder: n, time_zone: UTC}}}}
release: {{kind: prior, public_prior: {about}, rounds: 1, clip_norm: 1.5, dimension: {dimension}}}
privacy: {{epsilon: 8.0, delta: 1.0e-5}}
"""
