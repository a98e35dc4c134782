"""Heads: what the book says, bounds, and refusals."""

import numpy as np
import pytest

from models.heads import (
    BOOK_PRIOR,
    LATENT,
    NAMES,
    PARAMETERS,
    THETA_HIGH,
    THETA_LOW,
    Head,
    HeadError,
    HeadPrior,
    physical,
    prior_head,
)


def test_the_books_medians_are_the_published_ones() -> None:
    values = dict(zip(NAMES, physical(BOOK_PRIOR.mean), strict=True))
    published = {
        "Gb": 119.13,
        "SG": 0.0224,
        "p2": 0.0121,
        "ka2": 0.0137,
        "kd": 0.0299,
        "kempt": 0.140,
        "SI": 9e-4,
        "meal_gain": 1.0,
        "risk": 0.5,
        "SE": 0.01,
        "kE": 0.008,
    }
    assert {name: values[name] for name in published} == pytest.approx(published, rel=0.01)


def test_the_books_prior_is_proper_and_lies_well_within_the_bounds() -> None:
    assert np.linalg.eigvalsh(BOOK_PRIOR.covariance).min() > 0.0
    assert (BOOK_PRIOR.mean - 2.0 * BOOK_PRIOR.sd >= THETA_LOW)[np.array(NAMES) != "risk"].all()
    assert (BOOK_PRIOR.mean + 2.0 * BOOK_PRIOR.sd <= THETA_HIGH).all()


def test_physical_values_stop_at_their_bounds() -> None:
    extreme = np.full((2, len(NAMES)), 1e3)
    extreme[1] = -1e3
    assert physical(extreme)[0] == pytest.approx([p.high for p in PARAMETERS])
    assert physical(extreme)[1] == pytest.approx([p.low for p in PARAMETERS])


def test_the_low_glucose_term_cannot_turn_negative() -> None:
    theta = BOOK_PRIOR.mean.copy()
    theta[NAMES.index("risk")] = -0.4
    assert physical(theta)[NAMES.index("risk")] == 0.0


def test_a_head_names_its_values() -> None:
    head = prior_head()
    assert head.values["Gb"] == pytest.approx(119.13)
    assert list(head.values) == list(NAMES)
    assert not head.latent.any()


def test_changing_a_prior_head_leaves_the_book_alone() -> None:
    prior_head().theta[0] = 0.0
    assert BOOK_PRIOR.mean[0] == pytest.approx(119.13)


@pytest.mark.parametrize(("theta", "latent"), [(3, LATENT), (len(NAMES), LATENT + 1)])
def test_a_head_of_another_shape_is_refused(theta: int, latent: int) -> None:
    with pytest.raises(HeadError, match=r"shapes .* expected .* No head was made"):
        Head(np.zeros(theta), np.zeros(latent), 0.97, 4.0)


def test_a_prior_of_another_shape_is_refused() -> None:
    with pytest.raises(HeadError, match=r"No prior was made"):
        HeadPrior(BOOK_PRIOR.mean, np.eye(3))
