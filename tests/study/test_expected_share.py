"""Expected shares: a line through virtual studies near in loudness, its doubt, and the advice."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from privacy.gaussian_dp import mu_of_epsilon
from privacy.plan import noise_on_average
from study.expected_share import (
    SHIPPED,
    VirtualStudy,
    expected,
    loudness,
    read_studies,
    write_studies,
)
from study.failure import ExitCode, Failure


def virtual(patients: int, kept: float, sd: float = 5.0, worse: float = 0.0) -> VirtualStudy:
    """Four clinics at epsilon 8 that kept so much."""
    return VirtualStudy(
        release="adapter",
        people="nobody",
        sites=4,
        patients=patients,
        epsilon=8.0,
        delta=1e-5,
        judged=("30 min", "60 min"),
        kept_pct=(kept, kept + 10.0),
        kept_sd_pct=(sd, sd),
        worse_off_pct=(worse, worse),
        releases=4,
        dimension=160,
        clip_norm=0.5,
        draws=20,
    )


LADDER = [virtual(n, 20.0 * math.log2(n / 5)) for n in (5, 10, 20, 40, 80)]
"""Twenty points more for each doubling."""


def test_loudness_is_clip_norms_in_the_noise_of_the_mean() -> None:
    mu = mu_of_epsilon(4.0, 1e-5)
    loud = loudness(10, 50, 4.0, 1e-5)
    for releases in (1, 50):
        sigma = math.sqrt(releases) / mu
        assert noise_on_average(sigma, 10, 50) == pytest.approx(math.sqrt(releases) / loud)


@pytest.mark.parametrize("patients", [10, 15, 30])
def test_between_studies_on_a_line_the_line_is_found(patients: int) -> None:
    hoped = expected(loudness(4, patients, 8.0, 1e-5), "adapter", LADDER)
    assert hoped.inside
    assert hoped.kept_pct[0] == pytest.approx(20.0 * math.log2(patients / 5))
    assert hoped.kept_pct[1] == pytest.approx(hoped.kept_pct[0] + 10.0)
    np.testing.assert_allclose(hoped.doubt_pct, 5.0)


def test_studies_that_disagree_are_doubt() -> None:
    other = [replace(one, kept_pct=(one.kept_pct[0] + 30.0, 0.0)) for one in LADDER]
    hoped = expected(loudness(4, 20, 8.0, 1e-5), "adapter", LADDER + other)
    assert hoped.kept_pct[0] == pytest.approx(55.0)
    assert hoped.doubt_pct[0] == pytest.approx(math.hypot(15.0, 5.0))


@pytest.mark.parametrize(("patients", "nearest", "doubts"), [(5000, 80, 1.0), (2, 5, 2.0)])
def test_outside_what_was_tried_the_nearest_is_taken_and_the_quieter_doubted_twice(
    patients: int, nearest: int, doubts: float
) -> None:
    inside = expected(loudness(4, nearest, 8.0, 1e-5), "adapter", LADDER)
    hoped = expected(loudness(4, patients, 8.0, 1e-5), "adapter", LADDER)
    assert inside.inside and not hoped.inside
    np.testing.assert_allclose(hoped.kept_pct, inside.kept_pct, atol=1e-9)
    np.testing.assert_allclose(hoped.doubt_pct, doubts * np.array(inside.doubt_pct))


def test_the_settings_are_those_of_the_study_that_is_nearest() -> None:
    assert expected(loudness(4, 11, 8.0, 1e-5), "adapter", LADDER).like.patients == 10


def test_a_budget_is_worth_it_only_beyond_doubt_and_victims_are_warned_of() -> None:
    at = loudness(4, 20, 8.0, 1e-5)
    assert expected(at, "adapter", LADDER).worth_it
    shaky = [replace(one, kept_sd_pct=(60.0, 60.0)) for one in LADDER]
    assert not expected(at, "adapter", shaky).worth_it
    victims = [replace(one, worse_off_pct=(0.0, 12.0)) for one in LADDER]
    assert expected(at, "adapter", victims).hurts_some
    assert not expected(at, "adapter", LADDER).hurts_some


def test_a_kind_that_was_never_tried_is_refused() -> None:
    with pytest.raises(Failure, match="0 virtual studies of kind body") as caught:
        expected(10.0, "body", LADDER)
    assert caught.value.code is ExitCode.MISSING_INPUT


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "shares.json"
    write_studies(LADDER, path)
    assert read_studies(path) == tuple(LADDER)


@pytest.mark.parametrize(
    ("field", "value"),
    [("kept_pct", [1.0]), ("release", "all"), ("worse_off_pct", [1e999, 0.0]), ("sites", "many")],
)
def test_a_damaged_file_is_refused(field: str, value: object, tmp_path: Path) -> None:
    path = tmp_path / "shares.json"
    write_studies(LADDER, path)
    plain = json.loads(path.read_text())
    plain["studies"][2][field] = value
    path.write_text(json.dumps(plain))
    with pytest.raises(Failure, match="cannot be used") as caught:
        read_studies(path)
    assert caught.value.code is ExitCode.MISSING_INPUT


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="FileNotFoundError"):
        read_studies(tmp_path / "none.json")


def test_the_shipped_file_knows_every_kind() -> None:
    studies = read_studies(SHIPPED)
    assert {one.release for one in studies} == {"adapter", "prior", "body"}
    for kind in ("adapter", "prior", "body"):
        loud = [one.loudness for one in studies if one.release == kind]
        assert max(loud) > 8 * min(loud)
