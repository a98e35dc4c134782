"""Usual settings: more numbers for louder studies, and a release as the agent expects it."""

from typing import Literal

import pytest

from models.correction import BODY_DIMENSION
from privacy.gaussian_dp import mu_of_epsilon
from study.expected_share import loudness
from study.protocol import Protocol, parse_protocol
from study.public_start import read_public_start
from study.usual_settings import MOST_NUMBERS, adapter_settings, loudness_of, usual


def study(sizes: tuple[int, ...], epsilon: float = 8.0) -> Protocol:
    clinics = "".join(
        f"  - name: c{i}\n    declared_patients: {n}\n    source: {{layout: uom, folder: f}}\n"
        for i, n in enumerate(sizes)
    )
    return parse_protocol(
        f"study: tiny\nclinics:\n{clinics}"
        "release: {kind: adapter, rounds: 4, clip_norm: 0.5, dimension: 160}\n"
        f"privacy: {{epsilon: {epsilon}, delta: 1.0e-5, noise: simulated}}\n"
    )


def test_loudness_of_equal_clinics_is_that_of_a_plan() -> None:
    assert loudness_of([18] * 4, 8.0, 1e-5) == pytest.approx(loudness(4, 18, 8.0, 1e-5))


def test_loudness_of_others_is_that_of_their_mean() -> None:
    mu = mu_of_epsilon(8.0, 1e-5)
    assert loudness_of((3, 3, 8, 7), 8.0, 1e-5) == pytest.approx(mu * 21 / 2)


def test_a_louder_study_releases_more_numbers() -> None:
    four = [adapter_settings([18] * 4, epsilon).dimension for epsilon in (0.5, 2.0, 4.0, 8.0)]
    assert four == [16, 48, 80, 160]
    assert adapter_settings([50] * 10, 2.0).dimension == MOST_NUMBERS


def test_few_people_go_less_far() -> None:
    rates = [adapter_settings(sizes, 8.0).rate for sizes in ((3, 3, 8, 7), [18] * 4, [50] * 10)]
    assert rates == [1.0, 5.49, 6.0]


@pytest.mark.parametrize("kind", ["adapter", "body"])
def test_a_usual_release_is_one_that_sites_can_make(kind: Literal["adapter", "body"]) -> None:
    own = study((18,) * 4)
    again = usual(own, kind)
    assert again.release.kind == kind and again.release.rounds == 1
    assert (again.clinics, again.privacy) == (own.clinics, own.privacy)
    vector = read_public_start().shared_vector(again)
    assert vector.dimension == again.release.dimension
    assert again.sigma == pytest.approx(own.sigma / 2), "one release in the place of four"
    if kind == "body":
        assert vector.dimension == BODY_DIMENSION
