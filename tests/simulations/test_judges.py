"""Judges: a sample of every clinic, whose errors tell a better body from a worse."""

from collections.abc import Sequence

import numpy as np
import pytest

from simulations import judges as module
from simulations.judges import Judges, rmse
from simulations.people import ClinicPeople, person_of
from study.protocol import parse_protocol
from study.public_start import PublicStart, read_public_start
from tests.models.people import made_up_trace

PROTOCOL = """
study: tiny
clinics:
  - name: harbour
    declared_patients: 4
    source: {layout: uom, folder: harbour}
release: {kind: adapter, rounds: 1, clip_norm: 0.5, dimension: 8}
privacy: {epsilon: 8.0, delta: 1.0e-5, noise: simulated}
"""


@pytest.fixture(scope="module")
def start() -> PublicStart:
    return read_public_start()


@pytest.fixture(scope="module")
def clinics() -> list[ClinicPeople]:
    """Four members and a new person; three members and a new person."""
    protocol = parse_protocol(PROTOCOL)
    people = [person_of(made_up_trace(n, days=4), protocol) for n in range(9)]
    return [
        ClinicPeople("harbour", True, tuple(people[:4]), (people[4],), ()),
        ClinicPeople("lagoon", True, tuple(people[5:8]), (people[8],), ()),
    ]


@pytest.mark.slow
def test_judges_are_of_every_clinic_and_see_a_better_body(
    start: PublicStart, clinics: Sequence[ClinicPeople], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Judges(start.weights, clinics)
    assert whole.sizes == [4, 3]
    before = whole.errors(start.weights)
    assert before.same.shape == (7, 3) and before.new.shape == (2, 3)
    monkeypatch.setattr(module, "PEOPLE_TO_JUDGE", 4)
    some = Judges(start.weights, clinics)
    assert some.sizes == [2, 2]
    np.testing.assert_allclose(some.errors(start.weights).same[0], before.same[0], rtol=0.02)
    worse = start.weights + np.float32(0.05)
    assert whole.errors(worse).gain_over(before).max() < 0.0


def test_errors_leave_out_what_was_not_measured() -> None:
    said, target = np.array([[3.0], [9.0]]), np.array([[0.0], [np.nan]])
    assert rmse(said, target) == pytest.approx([3.0])
