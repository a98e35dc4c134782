"""AR(1) residuals: innovations of a known process, across gaps, and the fit of phi and sd."""

import numpy as np
import pytest

from models.residuals import Noise, fit_noise, innovation_sd, minus_2_ln, whiten, whitening
from models.trace import FloatArray, IntArray


def process(rows: int, noise: Noise, seed: int) -> FloatArray:
    """A stationary AR(1) path on the 5-minute grid."""
    rng = np.random.default_rng(seed)
    path = np.empty(rows)
    path[0] = noise.sd_mg_dl / np.sqrt(1.0 - noise.phi**2) * rng.normal()
    for row in range(1, rows):
        path[row] = noise.phi * path[row - 1] + noise.sd_mg_dl * rng.normal()
    return path


def read(path: FloatArray, every: int) -> tuple[FloatArray, IntArray]:
    rows = np.arange(0, len(path), every)
    rows = rows[(rows < len(path) // 3) | (rows > len(path) // 2)]
    return path[rows], np.diff(rows)


def test_whitening_by_hand() -> None:
    innovations = whiten(np.array([4.0, 5.0, 1.0]), np.array([1, 2]), Noise(0.5, 2.0))
    sds = 2.0 * np.sqrt([1.0 / 0.75, 1.0, 1.25])
    assert innovations == pytest.approx(np.array([4.0, 3.0, -0.25]) / sds)


@pytest.mark.parametrize("every", [1, 3])
def test_innovations_are_white_with_unit_variance_despite_a_gap(every: int) -> None:
    noise = Noise(0.95, 4.0)
    innovations = whiten(*read(process(9000, noise, seed=1), every), noise)
    assert innovations.std() == pytest.approx(1.0, abs=0.05)
    assert abs(np.corrcoef(innovations[1:], innovations[:-1])[0, 1]) < 0.05


def test_forgetting_the_gaps_is_seen() -> None:
    """Whitening a 15-minute sensor as if its readings were 5 minutes apart leaves them coloured."""
    noise = Noise(0.95, 4.0)
    residuals, gaps = read(process(9000, noise, seed=1), every=3)
    assert whiten(residuals, np.ones_like(gaps), noise).std() > 1.3


def test_whitening_takes_a_batch() -> None:
    gaps = np.ones(9, dtype=np.int64)
    batch = np.random.default_rng(2).normal(size=(3, 10))
    alone = [whiten(row, gaps, Noise(0.9, 2.0)) for row in batch]
    assert np.array_equal(whiten(batch, gaps, Noise(0.9, 2.0)), np.stack(alone))


def test_the_matrix_whitens_as_the_function_does() -> None:
    residuals, gaps = read(process(600, Noise(0.9, 2.0), seed=5), every=3)
    noise = Noise(0.8, 3.0)
    assert whitening(gaps, noise) @ residuals == pytest.approx(whiten(residuals, gaps, noise))


def test_after_a_long_gap_a_reading_stands_alone() -> None:
    sds = innovation_sd(np.array([1, 5000]), Noise(0.9, 3.0))
    assert sds[1] == pytest.approx(3.0)
    assert sds[2] == pytest.approx(sds[0]) == pytest.approx(3.0 / np.sqrt(0.19))


@pytest.mark.parametrize(("phi", "every"), [(0.97, 1), (0.97, 3), (0.7, 1)])
def test_phi_and_sd_are_found_again(phi: float, every: int) -> None:
    fitted = fit_noise(*read(process(9000, Noise(phi, 4.0), seed=3), every))
    assert 1.0 - fitted.phi == pytest.approx(1.0 - phi, rel=0.25)
    assert fitted.sd_mg_dl == pytest.approx(4.0, rel=0.06)


def test_the_fit_is_the_most_likely_one() -> None:
    residuals, gaps = read(process(2000, Noise(0.9, 4.0), seed=4), every=1)
    best = fit_noise(residuals, gaps)
    least = minus_2_ln(residuals, gaps, best)
    for phi, sd in ((0.8, best.sd_mg_dl), (0.95, best.sd_mg_dl), (best.phi, 3.5), (best.phi, 4.5)):
        assert minus_2_ln(residuals, gaps, Noise(phi, sd)) > least


def test_constant_residuals_do_not_divide_by_zero() -> None:
    fitted = fit_noise(np.zeros(200), np.ones(199, dtype=np.int64))
    assert 0.0 < fitted.sd_mg_dl < 1e-3
