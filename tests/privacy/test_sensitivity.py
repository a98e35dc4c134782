"""Leave-one-out sensitivity is C, and each way of letting patients mix is seen as more."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from privacy import sensitivity
from privacy.release import PatientDPOptimizer
from privacy.sensitivity import clipped_sum, max_leave_one_out

FloatArray = npt.NDArray[np.float64]
Patient = tuple[FloatArray, FloatArray]

C = 1.0
BOUND = C * (1 + 1e-6)
PATIENTS, FEATURES, WINDOWS = 50, 4, 60
START = np.full(FEATURES, 1.02)
PUBLIC_MEAN, PUBLIC_SD = 5.0, 1.0


def site() -> list[Patient]:
    """Fifty people of inputs (60, 4) and outputs (60,); one of them unlike all others."""
    rng = np.random.default_rng(11)
    people = []
    for _ in range(PATIENTS):
        x = rng.normal(PUBLIC_MEAN, PUBLIC_SD, (WINDOWS, FEATURES))
        people.append((x, x @ rng.normal(1.0, 0.1, FEATURES) + rng.normal(size=WINDOWS)))
    x, y = people[17]
    people[17] = (12 * x, -12 * y)
    return people


def gradient(x: FloatArray, y: FloatArray, head: FloatArray) -> FloatArray:
    """Gradient (4,) of a patient's mean squared error at the public start plus a head."""
    return np.asarray(2 * x.T @ (x @ (START + head) - y) / len(y))


def stacked(rows: list[FloatArray]) -> FloatArray:
    return np.array(rows).reshape(len(rows), FEATURES)


def own_rows(people: Sequence[Patient]) -> FloatArray:
    """One row a patient, of that patient and public constants alone."""
    return stacked(
        [gradient((x - PUBLIC_MEAN) / PUBLIC_SD, y, np.zeros(FEATURES)) for x, y in people]
    )


def rows_scaled_by_site(people: Sequence[Patient]) -> FloatArray:
    """Planted: inputs are centred and scaled by the mean and spread of the site's own patients."""
    everyone = np.concatenate([x for x, _ in people])
    mean, sd = everyone.mean(axis=0), everyone.std(axis=0)
    return stacked([gradient((x - mean) / sd, y, np.zeros(FEATURES)) for x, y in people])


def rows_with_site_head(people: Sequence[Patient]) -> FloatArray:
    """Planted: a ridge head is fitted to all the site's patients, then each gives a gradient."""
    X, Y = np.concatenate([x for x, _ in people]), np.concatenate([y for _, y in people])
    head = np.linalg.solve(X.T @ X + np.eye(FEATURES), X.T @ (Y - X @ START))
    return stacked([gradient(x, y, head) for x, y in people])


def rows_by_window(people: Sequence[Patient]) -> FloatArray:
    """Planted: every window is a row, so that clipping bounds a window and not a person."""
    return np.concatenate(
        [2 * x * (x @ START - y)[:, None] for x, y in people] or [np.empty((0, FEATURES))]
    )


def test_one_patient_moves_the_sum_by_the_clip_norm_at_most() -> None:
    moved = max_leave_one_out(own_rows, site(), C)
    assert 0.99 * C < moved <= BOUND


@pytest.mark.parametrize("clip_norm", [1e-3, 37.5])
def test_the_bound_scales_with_the_clip_norm(clip_norm: float) -> None:
    assert max_leave_one_out(own_rows, site(), clip_norm) <= clip_norm * (1 + 1e-6)


@pytest.mark.parametrize(
    ("planted", "people", "at_least"),
    [
        (rows_scaled_by_site, site(), 2.0),
        (rows_with_site_head, site(), 15.0),
        (rows_by_window, site()[10:20], 40.0),
    ],
)
def test_planted_mixing_of_patients_is_seen(
    planted: sensitivity.RowsOf[Patient], people: list[Patient], at_least: float
) -> None:
    assert max_leave_one_out(own_rows, people, C) <= BOUND
    assert max_leave_one_out(planted, people, C) > at_least


def test_planted_absence_of_clipping_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def unclipped(optimizer: PatientDPOptimizer) -> None:
        (parameter,) = optimizer.params
        parameter.summed_grad = parameter.grad_sample.sum(dim=0) / optimizer.grid

    monkeypatch.setattr(PatientDPOptimizer, "clip_and_accumulate", unclipped)
    assert max_leave_one_out(own_rows, site(), C) > 100 * C


def test_a_patient_who_is_not_finite_moves_nothing() -> None:
    x, y = site()[0]
    people = [*site()[:5], (x * np.nan, y)]
    assert (
        clipped_sum(own_rows(people), C).tolist() == clipped_sum(own_rows(people[:5]), C).tolist()
    )


def test_nobody_moves_nothing_and_one_moves_its_own_row() -> None:
    assert max_leave_one_out(own_rows, [], C) == 0.0
    alone = site()[:1]
    expected = np.linalg.norm(clipped_sum(own_rows(alone), C))
    assert max_leave_one_out(own_rows, alone, C) == pytest.approx(float(expected))
