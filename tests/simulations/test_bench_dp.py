"""The timed steps are the real ones: without noise and clipping they give the same gradient."""

import numpy as np
import pytest
import torch

from models.forecast import Batch
from privacy.noise import SimulatedNoise
from simulations import bench_dp
from simulations.bench_dp import median_seconds, people, plain_step, private_step

Timed = tuple[torch.Tensor, torch.Tensor, Batch]


@pytest.fixture(scope="module")
def timed() -> Timed:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench_dp, "PATIENTS", 4)
        patch.setattr(bench_dp, "DAYS", 2)
        return people()


def test_people_have_windows_and_latents(timed: Timed) -> None:
    body, latents, batch = timed
    assert len(latents) == len(batch.features) == 4
    assert torch.isfinite(body).all() and float(batch.known.sum()) > 100


def test_unclipped_and_almost_without_noise_the_mean_is_the_plain_gradient(
    timed: Timed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_dp, "CLIP_NORM", 1e3)
    monkeypatch.setattr(bench_dp, "SIGMA", 1e-9)
    plain = plain_step(*timed)
    np.testing.assert_allclose(private_step(*timed) / 4, plain, atol=0.1)
    assert np.abs(plain).max() > 0.001


def test_as_timed_the_noise_is_there(timed: Timed) -> None:
    first, second = private_step(*timed), private_step(*timed)
    assert not np.array_equal(first, second)
    assert np.std(first - second) == pytest.approx(np.sqrt(2.0), rel=0.1)


def test_repeatable_noise_would_be_noticed(timed: Timed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_dp, "ExactNoise", lambda: SimulatedNoise(0))
    with pytest.raises(AssertionError):
        test_as_timed_the_noise_is_there(timed)


def test_the_middle_of_several_runs_is_what_counts() -> None:
    runs = []
    assert median_seconds(lambda: runs.append(1)) >= 0.0
    assert len(runs) == bench_dp.REPEATS + 1, "the first is not counted"


@pytest.mark.slow
def test_the_row_is_one_that_readers_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_dp, "PATIENTS", 2)
    monkeypatch.setattr(bench_dp, "REPEATS", 1)
    (row,) = bench_dp.rows()
    assert row["name"] == "dp_step" and row["ours_s"] > 0.0 and row["rival_s"] > 0.0
