"""Who takes part and what is kept for scoring: nothing later than the cut reaches the learning."""

import csv
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from client import enrolment
from client.ingest.recording import MG_DL_PER_MMOL_L
from models.calibration import CalibrationError
from models.trace import STEP_MIN, Trace
from models.windows import Windows
from simulations.people import ClinicPeople, Person, gather, person_of, select
from study.failure import ExitCode, Failure
from study.protocol import Protocol, Source, parse_protocol
from tests.models.people import made_up_trace

pytestmark = pytest.mark.slow

PROTOCOL = """
study: tiny
clinics:
  - name: harbour
    declared_patients: 4
    source: {layout: uom, folder: harbour}
    hold_out_patients: 1
  - name: far-shore
    declared_patients: 1
    role: observer
    source: {layout: uom, folder: far-shore}
release: {kind: adapter, rounds: 2, clip_norm: 0.5, dimension: 16}
privacy: {epsilon: 8.0, delta: 1.0e-5, noise: exact}
"""
LONGEST_HORIZON_ROWS = 120 // STEP_MIN


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return parse_protocol(PROTOCOL)


@pytest.fixture(scope="module")
def trace() -> Trace:
    return made_up_trace(1, days=4, doses=True)


@pytest.fixture(scope="module")
def person(trace: Trace, protocol: Protocol) -> Person:
    return person_of(trace, protocol)


def cut_of(trace: Trace) -> int:
    """The first row held out: the last fifth is."""
    return int(0.8 * len(trace))


def with_another_end(trace: Trace) -> Trace:
    """The same record up to the cut; other glucose, doses and meals from there on."""
    later = np.arange(len(trace)) >= cut_of(trace)
    columns = {
        name: np.where(later, 1.3 * column + 20.0, column) for name, column in trace.columns.items()
    }
    return replace(trace, columns=columns)


def head_bytes(person: Person) -> bytes:
    head = person.head
    noise = np.array([head.residual_phi, head.residual_sd_mg_dl])
    return head.theta.tobytes() + head.latent.tobytes() + noise.tobytes()


def window_bytes(windows: Windows) -> list[bytes]:
    arrays = [getattr(windows, item.name) for item in fields(windows)]
    return [array.tobytes() for array in arrays if isinstance(array, np.ndarray)]


def last_row_learned_from(person: Person) -> int:
    """The latest row that any training window has as its target."""
    return int(person.train.origin.max()) + LONGEST_HORIZON_ROWS


def write_export(folder: Path, traces: Sequence[Trace]) -> None:
    """The readings of each trace as the glucose file of a clinic's export."""
    for trace in traces:
        path = folder / "Glucose Data" / f"UoMGlucose{trace.patient}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle)
            writer.writerow(["bg_ts", "value"])
            for second, reading in zip(trace.utc_s.tolist(), trace["glucose_mg_dl"], strict=True):
                clock = datetime.fromtimestamp(second, UTC).strftime("%d/%m/%Y %H:%M")
                writer.writerow([clock, f"{reading / MG_DL_PER_MMOL_L:.1f}"])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people at the harbour, one of them for two days only, and one on the far shore."""
    folder = tmp_path_factory.mktemp("data")
    days = (4, 4, 2, 4)
    write_export(folder / "harbour", [made_up_trace(seed, n) for seed, n in enumerate(days)])
    write_export(folder / "far-shore", [made_up_trace(9, days=4)])
    return folder


@pytest.fixture(scope="module")
def clinics(protocol: Protocol, data: Path) -> list[ClinicPeople]:
    return gather(protocol, data, data / "cache", lambda step: None)


def patients(group: Sequence[Person]) -> set[str]:
    return {one.trace.patient for one in group}


# The split by time.


def test_no_training_target_lies_at_or_after_the_cut(person: Person) -> None:
    assert last_row_learned_from(person) < cut_of(person.trace)
    assert last_row_learned_from(person) == cut_of(person.trace) - 1


def test_every_scored_window_begins_at_or_after_the_cut(person: Person) -> None:
    assert person.test.origin.min() == cut_of(person.trace)


def test_a_split_by_origins_alone_would_be_noticed(
    trace: Trace, protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: windows that begin before the cut are learned from, wherever their targets lie."""
    monkeypatch.setattr(enrolment, "max", lambda horizons: 0, raising=False)
    assert last_row_learned_from(person_of(trace, protocol)) >= cut_of(trace)


def test_the_split_follows_the_protocols_fraction(trace: Trace, protocol: Protocol) -> None:
    cohorts = protocol.cohorts.model_copy(update={"hold_out_time_fraction": 0.5})
    halved = person_of(trace, protocol.model_copy(update={"cohorts": cohorts}))
    assert halved.test.origin.min() == len(trace) // 2
    assert last_row_learned_from(halved) == len(trace) // 2 - 1


def test_a_head_is_bit_equal_whatever_comes_later(
    trace: Trace, person: Person, protocol: Protocol
) -> None:
    other = person_of(with_another_end(trace), protocol)
    assert person.head.identified and head_bytes(other) == head_bytes(person)
    assert other.head.background == person.head.background


def test_what_is_learned_from_is_bit_equal_whatever_comes_later(
    trace: Trace, person: Person, protocol: Protocol
) -> None:
    other = person_of(with_another_end(trace), protocol)
    assert window_bytes(other.train) == window_bytes(person.train)
    assert other.train_doses.tobytes() == person.train_doses.tobytes()
    assert window_bytes(other.test) != window_bytes(person.test)


def test_a_head_fitted_on_the_whole_record_would_be_noticed(
    trace: Trace, protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: the rows before the cut are all rows."""
    monkeypatch.setattr(Trace, "rows", lambda whole, start, stop: whole)
    first, second = person_of(trace, protocol), person_of(with_another_end(trace), protocol)
    assert head_bytes(first) != head_bytes(second)


def test_a_clinics_agent_is_given_training_windows_only(person: Person) -> None:
    assert person.data.windows is person.train and person.data.head is person.head
    assert person.data.patient == person.trace.patient


def test_doses_stand_beside_their_windows(person: Person) -> None:
    assert len(person.train_doses) == len(person.train)
    assert len(person.test_doses) == len(person.test)


# Records that are too short.


def test_fewer_days_than_agreed_are_refused(protocol: Protocol) -> None:
    with pytest.raises(CalibrationError, match=r"has 2\.0 days; the protocol asks for 3"):
        person_of(made_up_trace(days=2), protocol)


def test_too_few_windows_to_be_scored_on_are_refused(protocol: Protocol) -> None:
    trace = made_up_trace(days=4)
    glucose = trace["glucose_mg_dl"].copy()
    glucose[cut_of(trace) + 40 :] = np.nan  # The last six have no reading half an hour later.
    silent = replace(trace, columns={"glucose_mg_dl": glucose})
    with pytest.raises(CalibrationError, match=r"learn from and 34 to be scored on; expected 50"):
        person_of(silent, protocol)


def test_those_left_out_are_named_with_the_reason(clinics: list[ClinicPeople]) -> None:
    (reason,) = clinics[0].left_out
    assert reason.startswith("patient made-up-2 has 2.0 days")
    assert "made-up-2" not in patients(clinics[0].members + clinics[0].new)
    assert clinics[1].left_out == ()


def test_one_who_is_left_out_takes_nobody_along(clinics: list[ClinicPeople]) -> None:
    everybody = patients(clinics[0].members) | patients(clinics[0].new)
    assert everybody == {"made-up-0", "made-up-1", "made-up-3"}


# People held out whole.


def test_as_many_new_people_as_asked_for_and_nobody_twice(clinics: list[ClinicPeople]) -> None:
    assert len(clinics[0].new) == 1 and len(clinics[0].members) == 2
    assert not patients(clinics[0].members) & patients(clinics[0].new)
    assert clinics[1].new == ()


def test_an_observer_does_not_take_part(clinics: list[ClinicPeople]) -> None:
    assert [(one.name, one.takes_part) for one in clinics] == [
        ("harbour", True),
        ("far-shore", False),
    ]


def test_gathering_twice_gives_the_same_bytes(
    protocol: Protocol, data: Path, clinics: list[ClinicPeople]
) -> None:
    again = gather(protocol, data, data / "cache", lambda step: None)
    for first, second in zip(clinics, again, strict=True):
        assert patients(first.new) == patients(second.new)
        for one, other in zip(first.members, second.members, strict=True):
            assert head_bytes(one) == head_bytes(other)
            assert window_bytes(one.train) == window_bytes(other.train)


# Whose traces a clinic's rule names.


def named(name: str, sensor_period_min: int = 5) -> Trace:
    trace = made_up_trace(days=1, sensor_period_min=sensor_period_min)
    return replace(trace, patient=name)


def chosen(traces: Sequence[Trace], source: Source) -> list[str]:
    return [one.patient for one in select(traces, source)]


def test_everybody_is_taken_in_the_order_of_names() -> None:
    traces = [named(name) for name in "dbca"]
    assert chosen(traces, Source(layout="uom", folder="shared")) == list("abcd")


def test_every_third_person_from_the_places_named() -> None:
    traces = [named(name) for name in "gfedcba"]
    assert chosen(traces, Source(layout="uom", folder="shared", every=3)) == list("adg")
    two_of_three = Source(layout="uom", folder="shared", every=3, take=(1, 2))
    assert chosen(traces, two_of_three) == list("bcef")


def test_two_clinics_can_share_a_folder_and_nobody_belongs_to_both() -> None:
    traces = [named(name) for name in "abcdefg"]
    first = chosen(traces, Source(layout="uom", folder="shared", every=2, take=(0,)))
    second = chosen(traces, Source(layout="uom", folder="shared", every=2, take=(1,)))
    assert not set(first) & set(second) and sorted(first + second) == list("abcdefg")


def test_people_are_counted_among_those_with_the_sensor() -> None:
    sensors = {"a": 5, "b": 15, "c": 5, "d": 15, "e": 15}
    traces = [named(name, minutes) for name, minutes in sensors.items()]
    quarter_hourly = Source(layout="uom", folder="shared", sensor_period_min=15)
    assert chosen(traces, quarter_hourly) == list("bde")
    every_second = quarter_hourly.model_copy(update={"every": 2})
    assert chosen(traces, every_second) == list("be")


# Files that are not there.


def test_a_missing_folder_is_a_failure_that_names_it(protocol: Protocol, tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"no folder .*harbour") as caught:
        gather(protocol, tmp_path, tmp_path, lambda step: None)
    assert caught.value.code is ExitCode.MISSING_INPUT
    assert "--data" in caught.value.remedy


def test_each_clinic_is_announced_before_it_is_read(protocol: Protocol, data: Path) -> None:
    said: list[str] = []
    gather(protocol, data, data / "cache", said.append)
    assert said == [
        "harbour: reading",
        "harbour: calibrating 4 twins",
        "far-shore: reading",
        "far-shore: calibrating 1 twins",
    ]


def test_two_people_of_one_name_are_refused(data: Path) -> None:
    """Scores are kept by name, so one would be scored as the other."""
    twice = parse_protocol(PROTOCOL.replace("folder: far-shore", "folder: harbour"))
    with pytest.raises(Failure, match="people of one name at several clinics") as caught:
        gather(twice, data, data / "cache", lambda step: None)
    assert caught.value.code == ExitCode.BAD_DATA
