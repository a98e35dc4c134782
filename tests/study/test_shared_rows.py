"""The unit is the patient in every kind of release: real rows of patients made up to harm."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from models.heads import prior_head
from models.sharing import PatientData, SharedVector
from models.trace import FloatArray
from models.windows import Windows
from privacy.sensitivity import clipped_sum, max_leave_one_out
from study.protocol import Protocol
from study.public_start import read_public_start
from tests.models.people import made_up_windows
from tests.study.small_study import protocol_with

pytestmark = pytest.mark.slow

C = 0.5
KINDS = {
    "adapter": "kind: adapter, rounds: 2, clip_norm: 0.5, dimension: 16",
    "wide adapter": "kind: adapter, directions: wide, rounds: 2, clip_norm: 0.5, dimension: 16",
    "body": "kind: body, rounds: 2, clip_norm: 0.5, local_steps: 5, dimension: 4588",
    "prior": "kind: prior, rounds: 2, clip_norm: 0.5, dimension: 18",
}


def protocol_of(kind: str) -> Protocol:
    return protocol_with(("kind: adapter, rounds: 2, clip_norm: 0.5, dimension: 3", KINDS[kind]))


def patient(name: str, windows: Windows) -> PatientData:
    """Somebody whose head is near the prior's."""
    head = replace(prior_head(), theta=prior_head().theta + 0.1)
    return PatientData(name, head, windows)


def usual(count: int = 3) -> list[PatientData]:
    return [patient(f"usual-{seed}", made_up_windows(seed)) for seed in range(count)]


def hostile() -> list[PatientData]:
    """One window, ten thousand, none, values of 1e30, no number at all, a head far away."""
    one = made_up_windows(7)
    many = one.where(np.resize(np.arange(len(one)), 10_000))
    far = replace(prior_head(), theta=prior_head().theta * 1e30)
    unread = np.full_like(one.target, np.nan)
    return [
        patient("one window", one.where(np.array([3]))),
        patient("ten thousand windows", many),
        patient("no window", one.where(np.array([], dtype=int))),
        patient("loud target", replace(one, target=one.target * 1e30)),
        patient("loud features", replace(one, features=one.features * 1e30)),
        patient("no target", replace(one, target=unread)),
        patient("infinite", replace(one, features=one.features * np.inf)),
        replace(patient("far head", one), head=far),
    ]


def rows_of(vector: SharedVector, people: Sequence[PatientData]) -> FloatArray:
    return np.asarray(vector.rows(vector.start(), people), dtype=np.float64)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_patient_however_made_up_moves_the_sum_further_than_the_clip_norm(kind: str) -> None:
    vector = read_public_start().shared_vector(protocol_of(kind))
    own = {one.patient: rows_of(vector, [one])[0] for one in [*usual(), *hostile()]}

    def alone(people: Sequence[PatientData]) -> FloatArray:
        return np.array([own[one.patient] for one in people]).reshape(-1, vector.dimension)

    together = rows_of(vector, [*usual(), *hostile()])
    np.testing.assert_allclose(
        together, alone([*usual(), *hostile()]), rtol=1e-4, atol=1e-6, equal_nan=True
    )
    assert max_leave_one_out(lambda people: rows_of(vector, people), usual(), C) <= C * (1 + 1e-6)
    assert max_leave_one_out(alone, [*usual(), *hostile()], C) <= C * (1 + 1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_patient_is_one_row_and_the_loud_do_not_silence_the_others(kind: str) -> None:
    vector = read_public_start().shared_vector(protocol_of(kind))
    rows = rows_of(vector, [*usual(), *hostile()])
    assert rows.shape == (11, vector.dimension)
    assert np.isfinite(clipped_sum(rows, C)).all()
    assert np.isfinite(rows[:3]).all() and np.abs(rows[:3]).max() > 0.0
