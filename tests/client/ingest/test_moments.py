"""Rows without a moment go aside; doses are kept where readings are not."""

from pathlib import Path

import pytest

from client.ingest.moments import utc_moments
from client.ingest.table import Table, read_table
from tests.client.ingest.exports import write

CLOCK = ("%d/%m/%Y %H:%M",)


def table_of(folder: Path, *times: str) -> Table:
    return read_table(
        write(folder / "x.csv", ["at,value", *(f"{time},1" for time in times)]), ("at",)
    )


def moments(table: Table, *, doubtful: bool = False) -> list[int]:
    wall_s = table.wall_s("at", CLOCK)
    utc_s = utc_moments(table, "at", wall_s, "Europe/London", doubtful=doubtful)
    return [int(moment) for moment in utc_s[table.good]]


def test_times_become_utc(tmp_path: Path) -> None:
    assert moments(table_of(tmp_path, "01/01/1972 00:00")) == [730 * 86_400]


def test_a_skipped_hour_goes_aside_by_name(tmp_path: Path) -> None:
    table = table_of(tmp_path, "31/03/2024 00:30", "31/03/2024 01:30", "31/03/2024 02:30")
    assert len(moments(table)) == 2
    assert [(q.row, q.column, q.value) for q in table.quarantine] == [(3, "at", "31/03/2024 01:30")]
    assert table.quarantine[0].reason == "an hour that clocks in Europe/London skip"


@pytest.mark.parametrize(("doubtful", "aside"), [(True, 0), (False, 4)])
def test_an_hour_in_doubt_is_kept_for_doses_only(
    tmp_path: Path, doubtful: bool, aside: int
) -> None:
    hour = [f"29/10/2023 01:{minute:02}" for minute in range(0, 60, 15)]
    table = table_of(tmp_path, "29/10/2023 00:55", *hour, "29/10/2023 02:00")
    assert len(moments(table, doubtful=doubtful)) == 6 - aside
    assert [row.value for row in table.quarantine] == hour[:aside]


def test_rows_already_aside_do_not_disturb_the_order(tmp_path: Path) -> None:
    table = table_of(tmp_path, "29/10/2023 01:50", "nonsense", "29/10/2023 01:05")
    first, second = moments(table)
    assert second - first == 15 * 60
    assert [row.value for row in table.quarantine] == ["nonsense"]
