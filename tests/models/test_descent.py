"""Descents: known minima, the better of two valleys, and a start that all patients share."""

import numpy as np
import pytest

from models import descent
from models.descent import SCATTERED, descend, minimise
from models.trace import FloatArray


class Line:
    """Misfits a z - y of a straight line, with the prior N(0, I)."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.a, self.y = rng.normal(size=(20, 3)), rng.normal(size=20)

    def costs(self, z: FloatArray) -> FloatArray:
        total: FloatArray = np.sum((z @ self.a.T - self.y) ** 2, axis=1) + np.sum(z**2, axis=1)
        return total

    def expansion(self, z: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        gradient = self.a.T @ (self.a @ z - self.y) + z
        return float(self.costs(z[None])[0]), gradient, self.a.T @ self.a + np.eye(3)

    @property
    def answer(self) -> FloatArray:
        answer = np.linalg.solve(self.a.T @ self.a + np.eye(3), self.a.T @ self.y)
        return np.asarray(answer, dtype=np.float64)


class Valleys:
    """Two valleys along the first axis, at +1.5 and, deeper by 2, at -1.5."""

    def costs(self, z: FloatArray) -> FloatArray:
        x = z[:, 0]
        total: FloatArray = (x**2 - 2.25) ** 2 + 2.0 / 3.0 * x + np.sum(z[:, 1:] ** 2, axis=1)
        return total

    def expansion(self, z: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        x = z[0]
        gradient = np.array([2.0 * x * (x**2 - 2.25) + 1.0 / 3.0, z[1]])
        curvature = np.diag([max(6.0 * x**2 - 4.5, 1.0), 1.0])
        return float(self.costs(z[None])[0]), gradient, curvature


def test_a_line_is_solved() -> None:
    target = Line(seed=1)
    optimum = descend(target, np.full(3, 2.0))
    assert optimum.z == pytest.approx(target.answer, abs=1e-3)
    assert optimum.cost == pytest.approx(float(target.costs(target.answer[None])[0]), rel=1e-5)
    assert np.array_equal(optimum.curvature, target.a.T @ target.a + np.eye(3))


def test_one_descent_stops_in_the_nearest_valley() -> None:
    stuck = descend(Valleys(), np.array([1.4, 0.5]))
    assert stuck.z == pytest.approx([1.46, 0.0], abs=0.03)


def test_many_starts_find_the_deeper_valley() -> None:
    best = minimise(Valleys(), (np.array([1.4, 0.5]),))
    assert best.z == pytest.approx([-1.53, 0.0], abs=0.03)


def test_without_scattered_starts_the_deeper_valley_is_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(descent, "_scattered", lambda size: np.full((SCATTERED, size), 1.5))
    assert minimise(Valleys(), (np.array([1.4, 0.5]),)).z[0] > 1.0


def test_the_scattered_starts_are_the_same_for_everybody() -> None:
    assert np.array_equal(descent._scattered(5), descent._scattered(5))
    assert descent._scattered(5).std() == pytest.approx(descent.SCATTER_SD, rel=0.1)


def test_a_minimum_is_left_alone() -> None:
    target = Line(seed=2)
    assert descend(target, target.answer).z == pytest.approx(target.answer, abs=1e-9)


def test_few_iterations_are_kept_to() -> None:
    counted = []

    class Counting(Line):
        def expansion(self, z: FloatArray) -> tuple[float, FloatArray, FloatArray]:
            counted.append(z)
            return super().expansion(z)

    descend(Counting(seed=3), np.full(3, 50.0), iterations=2)
    assert len(counted) <= 3
