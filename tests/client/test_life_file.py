"""events.csv: what it may say, and every way in which it is refused."""

from pathlib import Path

import pytest

from client.life_file import life_on_file
from models.movement import Bout, Kind
from models.scenario import Life
from models.strain import Illness, Stretch
from study.failure import ExitCode, Failure
from tests.client.recorded_person import recorded_person

HEADER = "patient,time,kind,minutes,intensity,heart_rate_bpm,temperature_c"


def read(tmp_path: Path, *rows: str, header: str = HEADER) -> Life:
    file = tmp_path / "events.csv"
    file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return life_on_file(file, recorded_person())


def test_no_file_is_an_empty_life(tmp_path: Path) -> None:
    assert life_on_file(tmp_path / "events.csv", recorded_person()) == Life()


def test_every_kind_is_read_at_its_local_minute(tmp_path: Path) -> None:
    life = read(
        tmp_path,
        "P1,2023-11-14 17:30,aerobic,45,moderate,,",
        "P1,2023-11-15 17:30,interval,30,,150,",
        "P1,2023-11-15 09:00,stress,,,,",
        "P1,2023-11-16 06:00,short_sleep,,,,",
        "P1,2023-11-16 00:00,illness,1440,,,38.5",
        "P1,2023-11-14 00:00,luteal_phase,4320,,,",
        "P2,2023-11-14 00:00,nonsense of somebody else,,,,",
    )
    assert life == Life(
        exercise=(
            Bout(17 * 60 + 30, 45, Kind.AEROBIC, 55.0),
            Bout(1440 + 17 * 60 + 30, 30, Kind.INTERVAL, 70.0),
        ),
        stress_minutes=(1440 + 9 * 60,),
        short_sleep=(Stretch(2 * 1440 + 6 * 60, 16 * 60),),
        illness=(Illness(Stretch(2 * 1440, 1440), 38.5),),
        luteal=(Stretch(0, 4320),),
    )


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("P1,14/11/2023 17:30,aerobic,45,moderate,,", "time '14/11/2023 17:30' in row 2"),
        ("P1,2023-11-14 17:30,swimming,45,moderate,,", "kind 'swimming'"),
        ("P1,2023-11-14 17:30,aerobic,,moderate,,", "minutes ''"),
        ("P1,2023-11-14 17:30,aerobic,900,moderate,,", "minutes '900'"),
        ("P1,2023-11-14 17:30,aerobic,45,,,", "intensity ''"),
        ("P1,2023-11-14 17:30,aerobic,45,,600,", "heart_rate_bpm '600'"),
        ("P1,2023-11-14 17:30,illness,1440,,,101.3", "temperature_c '101.3'"),
        ("P1,2023-11-14 17:30,illness,1440,,,nan", "temperature_c 'nan'"),
        ("P1,2023-11-14 17:30,aerobic,45,moderate,,,,", "too many fields"),
    ],
)
def test_what_cannot_be_is_refused_with_its_row(tmp_path: Path, row: str, found: str) -> None:
    with pytest.raises(Failure) as failure:
        read(tmp_path, row)
    assert found in failure.value.found and failure.value.code is ExitCode.BAD_DATA
    assert "docs/scenarios.md" in failure.value.remedy


@pytest.mark.parametrize(
    ("header", "found"),
    [("patient,time", "without kind"), (HEADER + ",dose", "columns dose")],
)
def test_other_columns_are_refused(tmp_path: Path, header: str, found: str) -> None:
    with pytest.raises(Failure, match=found):
        read(tmp_path, header=header)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_bytes(b"patient,time,kind\n\xff\xfe\x00,,\n")
    with pytest.raises(Failure, match="cannot be read"):
        life_on_file(file, recorded_person())
