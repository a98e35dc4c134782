"""The release: what is clipped, what is added, what a seed cannot change; planted bugs go red."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from opacus.accountants import PRVAccountant
from scipy.stats import chi2

from privacy.canonical import RELEASE, canonical_sha256
from privacy.grid import GRID_STEPS
from privacy.noise import ExactNoise, NoiseSource, SimulatedNoise
from privacy.release import (
    PatientDPOptimizer,
    ReleaseError,
    optimizer_over,
    release_sum,
)

FloatArray = npt.NDArray[np.float64]
CONFIDENCE = 1 - 1e-6


class CountedNoise:
    """Adds a known integer to each coordinate; remembers the scale it was asked for."""

    label = "simulated"

    def __init__(self, added: int = 0) -> None:
        self.added = added
        self.scales: list[float] = []

    def integers(self, scale: float, size: int) -> npt.NDArray[np.int64]:
        self.scales.append(scale)
        return np.full(size, self.added, dtype=np.int64)


def noiseless(rows: FloatArray, clip_norm: float) -> FloatArray:
    return release_sum(rows, clip_norm, 1.0, CountedNoise()).values


def test_a_sum_worked_by_hand() -> None:
    """(3, 4) of norm 5 is clipped to (0.6, 0.8); (0.25, 0) stays; noise adds three steps."""
    rows = np.array([[3.0, 4.0], [0.25, 0.0]])
    noise = CountedNoise(added=3)
    released = release_sum(rows, clip_norm=1.0, sigma=2.0, noise=noise)
    assert released.values == pytest.approx([0.85 + 3 / GRID_STEPS, 0.8 + 3 / GRID_STEPS], abs=3e-5)
    assert noise.scales == [2.0 * GRID_STEPS]


def test_values_are_whole_grid_steps() -> None:
    rows = np.random.default_rng(1).normal(size=(7, 5))
    steps = release_sum(rows, 0.7, 1.3, ExactNoise()).values / 0.7 * GRID_STEPS
    assert steps == pytest.approx(np.rint(steps), abs=1e-6)
    assert np.abs(steps).max() > 100


def test_hash_is_of_the_values_under_their_name() -> None:
    released = release_sum(np.ones((2, 3)), 1.0, 1.0, ExactNoise())
    assert released.sha256 == canonical_sha256({RELEASE: released.values})
    assert released.values.dtype == np.float64


def test_nobody_enrolled_releases_noise_alone() -> None:
    assert noiseless(np.empty((0, 4)), 1.0).tolist() == [0.0] * 4
    assert np.abs(release_sum(np.empty((0, 4)), 1.0, 1.0, ExactNoise()).values).max() > 0


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_a_patient_who_is_not_finite_counts_as_absent(poison: float) -> None:
    healthy = np.random.default_rng(2).normal(size=(3, 4))
    ill = np.array([[0.1, poison, 0.1, 0.1]])
    assert noiseless(np.vstack([healthy, ill]), 1.0).tolist() == noiseless(healthy, 1.0).tolist()


@pytest.mark.parametrize("size", [1e30, 1e200, 1e-30, 1e-320])
def test_extreme_rows_stay_within_the_clip_norm(size: float) -> None:
    moved = noiseless(np.full((1, 6), size), 1.0)
    assert np.isfinite(moved).all()
    assert np.linalg.norm(moved) <= 1 + 1e-12


ROWS = arrays(np.float64, (1, 12), elements=st.floats(-1e6, 1e6))


@given(ROWS, st.sampled_from([1e-3, 1.0, 37.5]))
def test_no_row_moves_the_sum_by_more_than_the_clip_norm(row: FloatArray, clip_norm: float) -> None:
    others = np.random.default_rng(3).normal(size=(4, 12)) * clip_norm
    moved = noiseless(np.vstack([others, row]), clip_norm) - noiseless(others, clip_norm)
    assert np.linalg.norm(moved) <= clip_norm * (1 + 1e-9)


def test_order_of_patients_does_not_change_a_bit() -> None:
    rows = np.random.default_rng(4).normal(size=(20, 8))
    assert noiseless(rows, 1.0).tolist() == noiseless(rows[::-1].copy(), 1.0).tolist()


def test_clipping_is_that_of_opacus() -> None:
    """The same rows through Opacus' own clip differ by less than a grid step a patient."""
    rows = np.random.default_rng(5).normal(size=(6, 9))
    optimizer = optimizer_over(rows, 1.0, 1.0, CountedNoise())
    super(PatientDPOptimizer, optimizer).clip_and_accumulate()
    theirs = optimizer.params[0].summed_grad.numpy()
    assert np.abs(theirs - noiseless(rows, 1.0)).max() < 6 / GRID_STEPS


def test_opacus_hook_sees_the_release() -> None:
    accountant = PRVAccountant()
    optimizer = optimizer_over(np.ones((3, 2)), 1.0, 4.25, ExactNoise())
    optimizer.attach_step_hook(accountant.get_optimizer_hook_fn(sample_rate=1.0))
    optimizer.step()
    assert accountant.history == [(4.25, 1.0, 1)]


def test_rows_are_used_once() -> None:
    optimizer = optimizer_over(np.ones((3, 2)), 1.0, 1.0, ExactNoise())
    optimizer.step()
    with pytest.raises(ValueError, match="haven't been cleared"):
        optimizer.step()


def test_virtual_batches_add_up() -> None:
    rows = np.random.default_rng(6).normal(size=(5, 3))
    optimizer = optimizer_over(rows[:2], 1.0, 1.0, CountedNoise())
    optimizer.signal_skip_step()
    optimizer.step()
    optimizer.zero_grad()
    optimizer.params[0].grad_sample = torch.from_numpy(rows[2:])
    optimizer.step()
    summed = optimizer.params[0].grad.numpy() * optimizer.grid
    assert summed.tolist() == noiseless(rows, 1.0).tolist()


def test_a_seed_set_in_torch_or_numpy_changes_nothing() -> None:
    rows = np.ones((2, 16))

    def released() -> FloatArray:
        torch.manual_seed(7)
        return release_sum(rows, 1.0, 1.0, ExactNoise()).values

    assert (released() == released()).sum() < 3


@pytest.mark.parametrize("rows", [np.ones(3), np.ones((2, 0)), np.ones((2, 3), dtype=np.float32)])
def test_rows_of_another_form_are_refused(rows: FloatArray) -> None:
    with pytest.raises(ReleaseError, match=r"expected \(patients, d\) of float64"):
        release_sum(rows, 1.0, 1.0, ExactNoise())


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
def test_impossible_settings_are_refused(wrong: float) -> None:
    with pytest.raises(ReleaseError, match="clip norm"):
        release_sum(np.ones((1, 1)), wrong, 1.0, ExactNoise())
    with pytest.raises(ReleaseError, match="noise multiplier"):
        release_sum(np.ones((1, 1)), 1.0, wrong, ExactNoise())


def noise_is_as_claimed(noise: NoiseSource, sigma: float, coordinates: int = 40_000) -> bool:
    """Moment test: is the variance of a release of nobody at least claimed, at 1 - 1e-6?"""
    values = release_sum(np.empty((0, coordinates)), 1.0, sigma, noise).values
    return bool((values**2).sum() / sigma**2 > chi2.ppf(1 - CONFIDENCE, coordinates))


def noise_is_fresh(make: NoiseSource, again: NoiseSource) -> bool:
    """Repeat test: do two releases of the same rows differ in nearly every coordinate?"""
    first, second = (
        release_sum(np.ones((1, 500)), 1.0, 1.0, each).values for each in (make, again)
    )
    return float((first == second).mean()) < 0.01


class WeakNoise(ExactNoise):
    """Planted: noise of a share of the scale asked for."""

    def __init__(self, share: float) -> None:
        self.share = share

    def integers(self, scale: float, size: int) -> npt.NDArray[np.int64]:
        return super().integers(self.share * scale, size)


@pytest.mark.usefixtures("repeatable_entropy")
def test_noise_has_its_claimed_variance_and_is_fresh() -> None:
    assert noise_is_as_claimed(ExactNoise(), 2.0)
    assert noise_is_fresh(ExactNoise(), ExactNoise())


@pytest.mark.usefixtures("repeatable_entropy")
@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_planted_weak_noise_is_seen(share: float) -> None:
    assert not noise_is_as_claimed(WeakNoise(share), 2.0)


def test_planted_absence_of_noise_is_seen() -> None:
    assert not noise_is_as_claimed(CountedNoise(), 2.0)


def test_planted_fixed_seed_is_seen() -> None:
    assert not noise_is_fresh(SimulatedNoise(1), SimulatedNoise(1))
