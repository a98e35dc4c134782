"""Those who teach: heads kept under the code that made them, releases as a server makes them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.calibration import Calibration
from models.head_prior import HeadMoments
from models.heads import BOOK_PRIOR, LATENT, NAMES, Head
from privacy.noise import SimulatedNoise
from privacy.release import release_sum
from server.flower import FlowerCentre
from server.rounds import step_of
from simulations import prior_teachers
from simulations.grid import InProcessGrid, quiet_flower
from simulations.prior_teachers import (
    VIRTUAL_PEOPLE,
    VIRTUAL_SEED,
    Class,
    PriorRelease,
    released_prior,
    sources,
    taught,
)
from study.head_prior_file import VIRTUAL, public_prior, read_prior
from study.protocol import parse_protocol
from study.public_start import read_public_start

pytestmark = pytest.mark.slow

PROTOCOL = """
study: heads
clinics:
  - {name: north, declared_patients: 9, source: {layout: uom, folder: north, time_zone: UTC}}
  - {name: south, declared_patients: 6, source: {layout: uom, folder: south, time_zone: UTC}}
release: {kind: prior, public_prior: ABOUT, rounds: 1, clip_norm: 1.5, dimension: 18}
privacy: {epsilon: 20.0, delta: 1.0e-5}
"""


def made_up(count: int, off: float = 0.9, seed: int = 3) -> list[Calibration]:
    random = np.random.default_rng(seed)
    z = off + 0.4 * random.standard_normal((count, len(NAMES)))
    return [
        Calibration(
            patient=str(place),
            head=Head(BOOK_PRIOR.mean + BOOK_PRIOR.sd * one, np.zeros(LATENT), 0.97, 4.0),
            covariance=0.1 * BOOK_PRIOR.covariance,
            objective=1.0,
            flags=("a flag",),
            known_days=14.0,
            readings=4000,
        )
        for place, one in enumerate(z)
    ]


PEOPLE = Class(("child", "adolescent"), "A", 1)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the people whose heads were really fitted; the fit itself is made up."""
    fitted: list[int] = []
    everybody = made_up(40)

    def fit(people: Class, number: int) -> Calibration:
        fitted.append(number)
        return everybody[number]

    monkeypatch.setattr(prior_teachers, "_taught", fit)
    return fitted


def nothing() -> None:
    return None


def test_heads_that_were_kept_are_not_fitted_again(tmp_path: Path, made: list[int]) -> None:
    first = taught(PEOPLE, 30, None, nothing, tmp_path)
    again = taught(PEOPLE, 30, None, nothing, tmp_path)
    assert made == list(range(30))
    for one, other in zip(first, again, strict=True):
        assert one.patient == other.patient and one.identified == other.identified
        assert one.head.theta.tobytes() == other.head.theta.tobytes()
        assert one.covariance.tobytes() == other.covariance.tobytes()
        assert one.head.residual_phi == other.head.residual_phi


def test_a_larger_study_fits_only_those_who_are_new(tmp_path: Path, made: list[int]) -> None:
    taught(PEOPLE, 24, None, nothing, tmp_path)
    taught(PEOPLE, 40, None, nothing, tmp_path)
    assert made == list(range(40))


@pytest.mark.parametrize(
    "other",
    [replace(PEOPLE, seed=2), replace(PEOPLE, world="B"), replace(PEOPLE, groups=("adult",))],
)
def test_other_people_are_not_taken_for_these(
    tmp_path: Path, made: list[int], other: Class
) -> None:
    taught(PEOPLE, 5, None, nothing, tmp_path)
    taught(other, 5, None, nothing, tmp_path)
    assert made == [0, 1, 2, 3, 4] * 2


def test_heads_of_other_code_are_fitted_again(
    tmp_path: Path, made: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    taught(PEOPLE, 5, None, nothing, tmp_path)
    changed = tmp_path / "posterior.py"
    changed.write_text("x = 1")
    monkeypatch.setattr(prior_teachers, "sources", lambda: {changed})
    taught(PEOPLE, 5, None, nothing, tmp_path)
    assert len(made) == 10


def test_what_a_head_depends_on_is_found_through_imports() -> None:
    names = {one.name for one in sources()}
    assert {"scan.py", "nuisance.py", "padova.py", "heads.py", "behaviour.py"} <= names
    assert "head_prior.py" not in names, "what is released makes no head"


def test_a_part_that_was_not_finished_is_no_kept_one(tmp_path: Path, made: list[int]) -> None:
    taught(PEOPLE, 5, None, nothing, tmp_path)
    (kept,) = tmp_path.glob("*.npz")
    kept.rename(kept.with_suffix(".part.npz"))
    taught(PEOPLE, 5, None, nothing, tmp_path)
    assert len(made) == 10


@pytest.mark.parametrize("about", ["book", "virtual"])
def test_the_study_s_release_is_the_server_s_own(about: str) -> None:
    """The same rows, clip, grid, noise, weights and shrinkage as a round of a federation."""
    heads = made_up(15)
    clinics = [heads[:9], heads[9:]]
    protocol = parse_protocol(PROTOCOL.replace("ABOUT", about))
    vector = read_public_start().shared_vector(protocol)
    assert isinstance(vector, HeadMoments)
    sums = [
        release_sum(
            np.stack([vector.moments(one.head, one.covariance) for one in own]),
            protocol.release.clip_norm,
            protocol.sigma,
            SimulatedNoise(7, f"site-{site}", 1),
        ).values
        for site, own in enumerate(clinics)
    ]
    with quiet_flower():
        centre = FlowerCentre(InProcessGrid([]), 2, 0.0, lambda seconds: None)
        step = step_of(protocol, vector, centre, sums, [9, 6])
    expected = vector.prior(step)
    found = released_prior(clinics, PriorRelease(about=protocol.release.public_prior), 20.0, 7)
    assert np.linalg.norm(step) > 0.1
    np.testing.assert_allclose(found.mean, expected.mean)
    np.testing.assert_allclose(found.covariance, expected.covariance)


def test_whoever_is_not_identified_adds_nothing() -> None:
    heads = made_up(12)
    unknown = replace(heads[0], head=replace(heads[0].head, identified=False))
    loud = replace(unknown, head=replace(unknown.head, theta=unknown.head.theta + 50.0))
    one, other = (
        released_prior([[who, *heads[1:]]], PriorRelease(), 40.0, 0) for who in (unknown, loud)
    )
    assert one.mean.tobytes() == other.mean.tobytes()
    believed = replace(loud, head=replace(loud.head, identified=True))
    assert released_prior([[believed, *heads[1:]]], PriorRelease(), 40.0, 0).mean.tolist() != (
        one.mean.tolist()
    )


def test_the_shipped_virtual_prior_is_a_prior_of_other_people() -> None:
    virtual = public_prior("virtual")
    assert virtual.mean.tolist() == read_prior(VIRTUAL).mean.tolist()
    off = (virtual.mean - BOOK_PRIOR.mean) / BOOK_PRIOR.sd
    assert 2.0 < np.linalg.norm(off) < 4.0
    correlation = virtual.covariance / np.outer(virtual.sd, virtual.sd)
    assert np.abs(correlation - np.eye(len(NAMES))).max() > 0.4
    assert public_prior("book") is BOOK_PRIOR


@pytest.mark.slow
def test_the_shipped_virtual_prior_comes_from_the_recipe() -> None:
    """One of its people is fitted again, and lies where such people do."""
    (one,) = taught(Class(("child", "adolescent"), "A", VIRTUAL_SEED), 1, None, nothing)
    virtual = public_prior("virtual")
    z = np.linalg.solve(np.linalg.cholesky(virtual.covariance), one.head.theta - virtual.mean)
    assert one.patient == "child-0" and np.linalg.norm(z) < 2.0 * np.sqrt(len(NAMES))
    assert VIRTUAL_PEOPLE == 48


def test_writing_the_virtual_prior_takes_both_worlds(
    tmp_path: Path, made: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prior_teachers, "VIRTUAL_PEOPLE", 20)
    assert prior_teachers.write_virtual_prior(None, nothing, tmp_path / "prior.json") == 40
    assert made == [*range(20), *range(20)]
    read_prior(tmp_path / "prior.json")
