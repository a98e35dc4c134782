"""Wide directions: read whole or refused, and taken only by studies that say so."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.adapter import Adapter
from study.adapter_directions import WIDE, Directions, to_bytes, wide_directions
from study.failure import ExitCode, Failure
from study.protocol import Protocol, parse_protocol
from study.public_start import read_public_start

PROTOCOL = """
study: tiny
clinics:
  - name: harbour
    declared_patients: 4
    source: {layout: uom, folder: harbour}
release: {kind: adapter, rounds: 1, clip_norm: 0.25, dimension: 48}
privacy: {epsilon: 8.0, delta: 1.0e-5, noise: exact}
"""


def wide() -> Protocol:
    return parse_protocol(PROTOCOL.replace("kind: adapter", "kind: adapter, directions: wide"))


def test_a_study_takes_the_directions_it_names() -> None:
    start = read_public_start()
    first, other = (start.shared_vector(one) for one in (parse_protocol(PROTOCOL), wide()))
    assert isinstance(first, Adapter) and isinstance(other, Adapter)
    assert np.array_equal(first.basis, start.basis[:, :48])
    assert np.array_equal(other.basis, wide_directions().basis[:, :48])
    assert np.array_equal(other.public_weights, start.weights)


def test_a_study_that_says_nothing_keeps_its_digest() -> None:
    plain = parse_protocol(PROTOCOL)
    assert plain.release.directions == "first" and "directions" not in plain.canonical()
    assert "directions: wide" in wide().canonical()
    assert plain.digest() != wide().digest()
    assert parse_protocol(wide().canonical()) == wide()


def test_directions_of_a_body_would_mean_nothing() -> None:
    with pytest.raises(Failure, match="directions go with kind adapter"):
        parse_protocol(PROTOCOL.replace("kind: adapter", "kind: body, directions: wide"))


def test_more_directions_than_there_are_are_refused() -> None:
    many = wide().model_dump()
    many["release"]["dimension"] = 1000
    with pytest.raises(Failure, match="adapter of dimension 1000"):
        read_public_start().shared_vector(Protocol.model_validate(many))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "wide.safetensors"
    path.write_bytes(to_bytes(wide_directions()))
    assert np.array_equal(wide_directions(path).variance, wide_directions().variance)


def broken(those: Directions, kind: str) -> bytes:
    if kind == "short":
        return to_bytes(replace(those, basis=those.basis[:, :5]))
    if kind == "nan":
        return to_bytes(replace(those, variance=those.variance * np.nan))
    return to_bytes(those)[:100] if kind == "cut" else b""


@pytest.mark.parametrize("kind", ["short", "nan", "cut", "empty"])
def test_a_damaged_file_is_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "wide.safetensors"
    path.write_bytes(broken(wide_directions(), kind))
    with pytest.raises(Failure, match="cannot be used") as caught:
        wide_directions(path)
    assert caught.value.code is ExitCode.MISSING_INPUT


def test_the_shipped_ones_are_orthonormal_for_their_curvature() -> None:
    those = wide_directions(WIDE)
    assert those.basis.shape == (268, 160)
    assert (those.curvature > 0).all() and (np.diff(those.variance) < 0).mean() > 0.9
