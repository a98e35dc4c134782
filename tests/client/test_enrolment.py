"""A site enrols whom a rehearsal would enrol, with the same bytes, and fits no head twice."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from client import enrolment
from client.enrolment import enrol, split_new
from client.head_store import HeadStore
from models.calibration import Calibration, calibrate
from models.heads import HeadPrior
from models.sharing import PatientData
from models.trace import Trace
from study.protocol import Protocol, parse_protocol
from tests.models.people import made_up_trace

NAMES = [f"person-{number}" for number in range(12)]
TEXT = """
study: tiny
clinics:
  - name: harbour
    declared_patients: 4
    source: {layout: uom, folder: harbour}
    hold_out_patients: 1
release: {kind: adapter, rounds: 2, clip_norm: 0.5, dimension: 16}
privacy: {epsilon: 8.0, delta: 1.0e-5, noise: exact}
"""


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return parse_protocol(TEXT)


@pytest.fixture(scope="module")
def traces() -> list[Trace]:
    """Three people with enough days, one of two days, one with insulin; not in order of names."""
    days = (4, 4, 2, 4)
    plain = [made_up_trace(seed, n) for seed, n in enumerate(days)]
    return [*plain[::-1], made_up_trace(9, days=4, doses=True)]


def bytes_of(person: PatientData) -> bytes:
    arrays = [getattr(person.windows, item.name) for item in fields(person.windows)]
    numbers = [one for one in arrays if isinstance(one, np.ndarray)]
    doubt = [] if person.doubt is None else [person.doubt]
    return b"".join(one.tobytes() for one in [*numbers, person.head.theta, *doubt])


def test_everybody_able_but_one_takes_part_in_the_order_of_names(
    protocol: Protocol, traces: list[Trace], tmp_path: Path
) -> None:
    enrolled = enrol(protocol, "harbour", traces, HeadStore(tmp_path))
    names = [one.patient for one in enrolled.members]
    able = sorted({f"made-up-{n}" for n in (0, 1, 3, 9)} - split_new("tiny", able_names(), 1))
    assert names == able and enrolled.held_out == 1
    (why,) = enrolled.left_out
    assert why.startswith("patient made-up-2 has 2.0 days")


def able_names() -> list[str]:
    return [f"made-up-{n}" for n in (0, 1, 3, 9)]


def test_a_restarted_site_fits_nothing_again_and_has_the_same_bytes(
    protocol: Protocol, traces: list[Trace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[str] = []

    def counted(given: Sequence[Trace], prior: HeadPrior) -> tuple[Calibration, ...]:
        fitted.extend(one.patient for one in given)
        return calibrate(given, prior)

    monkeypatch.setattr(enrolment, "calibrate", counted)
    first = enrol(protocol, "harbour", traces, HeadStore(tmp_path))
    assert sorted(fitted) == sorted(able_names())
    fitted.clear()
    again = enrol(protocol, "harbour", traces[::-1], HeadStore(tmp_path))
    assert fitted == []
    assert [bytes_of(one) for one in again.members] == [bytes_of(one) for one in first.members]


def test_new_readings_make_a_new_head_of_that_patient_alone(
    protocol: Protocol, traces: list[Trace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = HeadStore(tmp_path)
    enrol(protocol, "harbour", traces, store)
    fitted: list[str] = []

    def counted(given: Sequence[Trace], prior: HeadPrior) -> tuple[Calibration, ...]:
        fitted.extend(one.patient for one in given)
        return calibrate(given, prior)

    monkeypatch.setattr(enrolment, "calibrate", counted)
    changed = [
        replace(one, columns={**one.columns, "glucose_mg_dl": one["glucose_mg_dl"] + 1.0})
        if one.patient == "made-up-3"
        else one
        for one in traces
    ]
    enrol(protocol, "harbour", changed, store)
    assert fitted == ["made-up-3"]


def test_the_same_people_are_held_out_each_time_and_in_any_order() -> None:
    """The expected names are what `sha256sum` says of `tiny|person-0` and so on."""
    held_out = split_new("tiny", NAMES, 3)
    assert held_out == split_new("tiny", NAMES[::-1], 3)
    assert held_out == {"person-4", "person-5", "person-7"}


def test_another_study_holds_out_others() -> None:
    assert len({split_new(f"study-{number}", NAMES, 3) for number in range(10)}) > 5


def test_holding_out_more_people_keeps_those_held_out_before() -> None:
    assert split_new("tiny", NAMES, 2) < split_new("tiny", NAMES, 5)
    assert split_new("tiny", NAMES, 0) == frozenset()


@pytest.mark.parametrize("gone", NAMES)
def test_one_person_more_or_less_moves_one_row_at_most(gone: str) -> None:
    """Members with everybody, and without one: the two sets differ by one name."""
    fewer = [name for name in NAMES if name != gone]
    members = set(NAMES) - split_new("tiny", NAMES, 4)
    assert len(members ^ (set(fewer) - split_new("tiny", fewer, 4))) == 1
