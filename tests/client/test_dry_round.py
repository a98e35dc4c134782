"""A round that spends nothing says how far one patient moves the sum, and sees who cheats."""

from collections.abc import Sequence

import numpy as np
import pytest

from client import dry_round as module
from client.dry_round import dry_round
from models.sharing import PatientData
from models.trace import FloatArray
from tests.client.test_agent import SiteScaled
from tests.study.small_study import PlantedVector, RidgeVector, protocol_with, small_person

PROTOCOL = protocol_with(("clip_norm: 0.5", "clip_norm: 0.02"))
CLIP_NORM = PROTOCOL.release.clip_norm
PEOPLE = [small_person("east", number) for number in range(5)]


def test_one_patient_moves_the_sum_by_the_clip_norm_at_most() -> None:
    tried = dry_round(PROTOCOL, RidgeVector(), PEOPLE)
    rows = RidgeVector().rows(RidgeVector().start(), PEOPLE)
    longest = np.linalg.norm(rows, axis=1)
    assert (tried.patients, tried.left_out, tried.unusable) == (5, 5, 0)
    assert tried.clipped == int((longest > CLIP_NORM).sum()) > 0
    assert 0.9 * CLIP_NORM < tried.moved <= CLIP_NORM


def test_rows_that_depend_on_others_are_seen() -> None:
    """The planted mistake: a site that centres its rows over its patients."""
    assert dry_round(PROTOCOL, SiteScaled(), PEOPLE).moved > 1.2 * CLIP_NORM


def test_a_row_that_is_not_finite_is_counted_and_weighs_nothing() -> None:
    class OneNaN(RidgeVector):
        def rows(self, shared: FloatArray, patients: Sequence[PatientData]) -> FloatArray:
            rows = super().rows(shared, patients)
            bad = [one.patient == PEOPLE[0].patient for one in patients]
            return np.where(np.array(bad)[:, None], np.nan, rows)

    tried = dry_round(PROTOCOL, OneNaN(), PEOPLE)
    assert tried.unusable == 1
    assert tried.moved <= CLIP_NORM


@pytest.mark.parametrize("shape", [(4, 3), (5, 2), (15,)])
def test_rows_that_are_not_one_a_patient_are_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="one a patient"):
        dry_round(PROTOCOL, PlantedVector(planted=np.zeros(shape)), PEOPLE)


def test_slow_rows_are_left_out_for_a_few_patients_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.0)
    asked: list[int] = []

    class Counted(RidgeVector):
        def rows(self, shared: FloatArray, patients: Sequence[PatientData]) -> FloatArray:
            asked.append(len(patients))
            return super().rows(shared, patients)

    assert dry_round(PROTOCOL, Counted(), PEOPLE).left_out == 2
    assert asked == [5, 2, 1, 1]
