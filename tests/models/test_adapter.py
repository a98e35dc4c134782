import numpy as np
import pytest
import torch

from models.adapter import RIDGE, Adapter, Quadratic, learn_basis, quadratic, ridge_step
from models.correction import OUTPUT_DIMENSION, initial_weights
from models.forecast import batch_of, fit_latents, patient_loss
from models.heads import prior_head
from models.sharing import PatientData
from models.trace import FloatArray
from tests.models.people import made_up_patients, made_up_windows

pytestmark = pytest.mark.slow

DIRECTIONS = 6


@pytest.fixture(scope="module")
def weights() -> np.ndarray:
    noise = torch.randn(len(initial_weights(0)), generator=torch.Generator().manual_seed(3))
    return (initial_weights(0) + 0.05 * noise).numpy()


@pytest.fixture(scope="module")
def quadratics(weights: np.ndarray) -> list[Quadratic]:
    return [quadratic(weights, batch_of([p.windows], 200)) for p in made_up_patients(8)]


@pytest.fixture(scope="module")
def adapter(weights: np.ndarray, quadratics: list[Quadratic]) -> Adapter:
    return Adapter(weights, *learn_basis(quadratics, DIRECTIONS))


def test_the_quadratic_is_the_second_order_of_the_loss(weights: np.ndarray) -> None:
    """Slope against autograd; curvature against the change of the Gauss-Newton model."""
    batch = batch_of([made_up_windows(0, doses=True)], 150)
    found = quadratic(weights, batch)
    body = torch.from_numpy(weights)
    latent = fit_latents(body, batch)[0]
    slope = torch.func.grad(patient_loss)(body, latent, batch.part(0))[-OUTPUT_DIMENSION:]
    np.testing.assert_allclose(-2 * found.slope, slope.numpy(), rtol=2e-3, atol=2e-4)
    step = 1e-3 * np.random.default_rng(0).normal(size=OUTPUT_DIMENSION)
    moved = body.clone()
    moved[-OUTPUT_DIMENSION:] += torch.from_numpy(step).float()
    change = float(
        patient_loss(moved, latent, batch.part(0)) - patient_loss(body, latent, batch.part(0))
    )
    predicted = step @ found.curvature @ step - 2 * found.slope @ step
    assert change == pytest.approx(predicted, rel=0.05, abs=2e-5)


def test_curvature_is_symmetric_and_positive(quadratics: list[Quadratic]) -> None:
    for one in quadratics:
        np.testing.assert_allclose(one.curvature, one.curvature.T, atol=1e-9)
        assert np.linalg.eigvalsh(one.curvature).min() > -1e-8


def test_the_start_is_the_public_start(adapter: Adapter, weights: np.ndarray) -> None:
    np.testing.assert_array_equal(adapter.weights(adapter.start()), weights)
    assert adapter.kind == "adapter" and adapter.dimension == DIRECTIONS


def test_only_the_last_layer_moves(adapter: Adapter, weights: np.ndarray) -> None:
    moved = adapter.weights(np.ones(DIRECTIONS))
    np.testing.assert_array_equal(moved[:-OUTPUT_DIMENSION], weights[:-OUTPUT_DIMENSION])
    assert not np.array_equal(moved[-OUTPUT_DIMENSION:], weights[-OUTPUT_DIMENSION:])


def test_a_row_depends_on_its_own_patient_alone(adapter: Adapter) -> None:
    patients = made_up_patients(4)
    together = adapter.rows(adapter.start(), patients)
    apart = np.concatenate([adapter.rows(adapter.start(), [one]) for one in patients])
    np.testing.assert_array_equal(together, apart)


@pytest.mark.slow
def test_a_step_along_the_rows_lowers_the_loss(adapter: Adapter) -> None:
    patients = made_up_patients(8)
    mean = adapter.rows(adapter.start(), patients).mean(axis=0)
    before, after = (_losses(adapter, shared, patients) for shared in (adapter.start(), mean))
    assert after.mean() < before.mean()


def test_rows_shrink_as_the_shared_vector_reaches_a_patient(adapter: Adapter) -> None:
    patient = made_up_patients(1)
    first = adapter.rows(adapter.start(), patient)[0]
    second = adapter.rows(first, patient)[0]
    assert np.linalg.norm(second) < np.linalg.norm(first)


def test_a_ridge_step_by_brute_force(adapter: Adapter, weights: np.ndarray) -> None:
    patient = made_up_patients(1)
    full = quadratic(weights, batch_of([patient[0].windows], 1500))
    shared: FloatArray = 0.1 * np.arange(DIRECTIONS, dtype=np.float64)
    a, b = adapter.basis.T @ full.curvature @ adapter.basis, adapter.basis.T @ full.slope
    ridge = RIDGE * max(np.trace(a) / adapter.curvature.sum(), 1.0) * np.diag(adapter.curvature)
    step = np.linalg.inv(a + ridge) @ (b - a @ shared)
    np.testing.assert_allclose(adapter.rows(shared, patient)[0], step, rtol=1e-8)


def test_the_ridge_grows_with_a_patients_own_swings() -> None:
    """Twice the glucose swings: curvature and slope four times as large, and the same answer."""
    random = np.random.default_rng(4)
    half = random.normal(size=(40, DIRECTIONS))
    calm = Quadratic(half.T @ half, random.normal(size=DIRECTIONS))
    wild = Quadratic(4.0 * calm.curvature, 4.0 * calm.slope)
    public, rest = np.full(DIRECTIONS, 2.0), np.zeros(DIRECTIONS)
    np.testing.assert_allclose(ridge_step(wild, public, rest), ridge_step(calm, public, rest))


def test_a_patient_who_says_little_is_held_by_the_whole_ridge() -> None:
    """Below the public curvature the ridge stays: otherwise silence would become a large answer."""
    calm = Quadratic(1e-6 * np.eye(DIRECTIONS), 1e-6 * np.ones(DIRECTIONS))
    step = ridge_step(calm, np.ones(DIRECTIONS), np.zeros(DIRECTIONS))
    assert np.linalg.norm(step) < 1e-4


def test_public_curvature_is_diagonal_in_the_adapters_coordinates(
    quadratics: list[Quadratic], adapter: Adapter
) -> None:
    mean = np.mean([one.within(adapter.basis).curvature for one in quadratics], axis=0)
    off = np.abs(mean - np.diag(adapter.curvature))
    assert off.max() < 0.05 * mean.max(), "up to the floor of directions that eight people hide"


def test_a_patient_without_windows_and_no_patients_at_all(adapter: Adapter) -> None:
    empty = made_up_windows().where(np.zeros(0, dtype=np.int64))
    rows = adapter.rows(adapter.start(), [PatientData("empty", prior_head(), empty)])
    np.testing.assert_array_equal(rows, np.zeros((1, DIRECTIONS)))
    assert adapter.rows(adapter.start(), []).shape == (0, DIRECTIONS)


def test_public_rows_have_median_norm_one(quadratics: list[Quadratic], adapter: Adapter) -> None:
    rest = np.zeros(DIRECTIONS)
    norms = [
        np.linalg.norm(ridge_step(one.within(adapter.basis), adapter.curvature, rest))
        for one in quadratics
    ]
    assert np.median(norms) == pytest.approx(1.0, rel=1e-6)


def test_variances_have_mean_one_and_lead(adapter: Adapter) -> None:
    assert adapter.prior_variance().mean() == pytest.approx(1.0)
    assert adapter.prior_variance()[0] > adapter.prior_variance()[-1]


def _losses(adapter: Adapter, shared: np.ndarray, patients: list[PatientData]) -> np.ndarray:
    body = torch.from_numpy(adapter.weights(shared))
    start = torch.from_numpy(adapter.public_weights)
    out = []
    for one in patients:
        batch = batch_of([one.windows], 300)
        latent = fit_latents(start, batch)[0]
        out.append(float(patient_loss(body, latent, batch.part(0))))
    return np.array(out)


def test_a_second_round_asks_the_windows_no_second_time(
    adapter: Adapter, weights: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same rows as a fresh adapter gives, without a second look at the windows."""
    patients, later = made_up_patients(2), np.full(DIRECTIONS, 0.1)
    adapter.rows(adapter.start(), patients)
    fresh = Adapter(weights, adapter.basis, adapter.curvature, adapter.variance)
    expected = fresh.rows(later, patients)
    monkeypatch.setattr("models.adapter.quadratic", None)
    np.testing.assert_array_equal(adapter.rows(later, patients), expected)
