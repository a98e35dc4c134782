"""Usual settings: more numbers for louder studies, and a release as the agent expects it."""

import pytest

from models.correction import BODY_DIMENSION
from privacy.gaussian_dp import mu_of_epsilon
from simulations.usual_settings import MOST_NUMBERS, loudness_of, settings_for, usual
from study.expected_share import loudness
from study.protocol import Protocol, parse_protocol
from study.public_start import read_public_start


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
    assert loudness_of(study((18,) * 4)) == pytest.approx(loudness(4, 18, 8.0, 1e-5))


def test_loudness_of_others_is_that_of_their_mean() -> None:
    mu = mu_of_epsilon(8.0, 1e-5)
    assert loudness_of(study((3, 3, 8, 7))) == pytest.approx(mu * 21 / 2)


def test_a_louder_study_releases_more_numbers() -> None:
    numbers = [settings_for("adapter", loud, 72).dimension for loud in (5, 18, 33, 60, 263)]
    assert numbers == [16, 48, 80, 160, MOST_NUMBERS]


def test_few_people_go_less_far() -> None:
    rates = [settings_for("adapter", 20.0, people).rate for people in (21, 72, 500)]
    assert rates == [2.3125, 5.5, 6.0]


@pytest.mark.parametrize("kind", ["adapter", "body"])
def test_a_usual_release_is_one_that_sites_can_make(kind: str) -> None:
    own = study((18,) * 4)
    again = usual(own, kind)
    assert again.release.kind == kind and again.release.rounds == 1
    assert (again.clinics, again.privacy) == (own.clinics, own.privacy)
    vector = read_public_start().shared_vector(again)
    assert vector.dimension == again.release.dimension
    assert again.sigma == pytest.approx(own.sigma / 2), "one release in the place of four"
    if kind == "body":
        assert vector.dimension == BODY_DIMENSION
