"""A file is read as far as it goes: what cannot be read is named by file, row and column."""

from pathlib import Path

import numpy as np
import pytest

from client.ingest import table as table_module
from client.ingest.table import QuarantinedRow, Range, Table, read_table
from study.failure import ExitCode, Failure
from tests.client.ingest.exports import write

WANTED = ("at", "value")
CLOCK = ("%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S")


def table_of(folder: Path, *lines: str) -> Table:
    return read_table(write(folder / "x.csv", ["at,value", *lines]), WANTED)


def put_aside(table: Table) -> list[tuple[int, str, str]]:
    return [(row.row, row.column, row.value) for row in table.quarantine]


def test_rows_keep_their_number_in_the_file(tmp_path: Path) -> None:
    table = table_of(tmp_path, "a,1", "", "b,2", ",,", "c,3")
    assert table.lines.tolist() == [2, 4, 6]
    assert table.text["at"].tolist() == ["a", "b", "c"]
    assert table.numbers("value").tolist() == [1.0, 2.0, 3.0]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xef\xbb\xbfat,value\r\na,1\r\n")
    table = read_table(path, WANTED)
    assert table.text["at"].tolist() == ["a"]
    assert table.text["value"].tolist() == ["1"]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_ending(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(ending.join(["at,value", "a,1", "b,2"]).encode())
    assert read_table(path, WANTED).lines.tolist() == [2, 3]


def test_a_form_feed_inside_a_field_is_no_new_row(tmp_path: Path) -> None:
    assert table_of(tmp_path, "a\x0cb\x85c,1").lines.tolist() == [2]


def test_empty_columns_at_the_end_are_no_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", ["at,value,,", "a,1,,", "b,2"])
    table = read_table(path, WANTED)
    assert table.numbers("value").tolist() == [1.0, 2.0]
    assert table.quarantine == []


def test_a_row_with_more_fields_than_the_header_is_listed(tmp_path: Path) -> None:
    table = table_of(tmp_path, "a,1", "b,7,5", "c,3")
    assert table.text["at"].tolist() == ["a", "c"]
    assert table.quarantine == [
        QuarantinedRow("x.csv", 3, "at", "b,7,5", "more fields than the 2 of the header")
    ]


def test_a_short_row_lacks_its_value_and_nothing_else(tmp_path: Path) -> None:
    table = table_of(tmp_path, "a", "b,2")
    assert table.blank("value").tolist() == [True, False]


def test_columns_are_found_by_name_in_any_order(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", ["note, value ,at", '"a, b",1,x'])
    table = read_table(path, WANTED)
    assert table.text["at"].tolist() == ["x"]
    assert table.numbers("value").tolist() == [1.0]


def test_an_optional_column_that_is_absent_is_blank(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", ["at,value", "a,1"])
    table = read_table(path, ("at",), ("value", "fat"))
    assert table.blank("fat").tolist() == [True]
    assert np.isnan(table.numbers("fat")).all()


def test_an_unclosed_quotation_mark_costs_its_own_row_only(tmp_path: Path) -> None:
    table = table_of(tmp_path, 'a,"1', "b,2", "c,3")
    assert table.text["at"].tolist() == ["a", "b", "c"]
    assert table.numbers("value")[1:].tolist() == [2.0, 3.0]


def test_a_field_longer_than_csv_takes_is_split_at_commas(tmp_path: Path) -> None:
    table = table_of(tmp_path, "a,1", 'b,"' + "9" * 200_000 + '"')
    assert table.lines.tolist() == [2, 3]
    assert np.isnan(table.numbers("value")[1])


@pytest.mark.parametrize("value", ["7\0.5", "7.5\0", "\0"])
def test_a_nul_byte_makes_no_number(tmp_path: Path, value: str) -> None:
    table = table_of(tmp_path, "a,1", f"b,{value}")
    assert np.isnan(table.numbers("value")).tolist() == [False, True]
    assert put_aside(table) == [(3, "value", value.replace("\0", "\ufffd"))]


def test_bytes_that_are_not_utf_8_cost_their_own_row_only(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"at,value\na,1\nb,\xb57\nc,3\n")
    table = read_table(path, WANTED)
    assert np.isnan(table.numbers("value")).tolist() == [False, True, False]
    assert put_aside(table) == [(3, "value", "\ufffd7")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "'nothing'"),
        (b"\n\n", "'nothing'"),
        (b"\xef\xbb\xbf", "'nothing'"),
        (b"at;value\na;7,5\n", "at;value"),
        (b"a,1\nb,2\n", "a, 1"),
        ("at,value\na,1\n".encode("utf-16"), "x.csv, row 1"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "x.csv, row 1"),
    ],
)
def test_a_file_without_the_header_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(Failure) as caught:
        read_table(path, WANTED)
    assert caught.value.code == ExitCode.BAD_DATA
    assert "x.csv" in caught.value.found
    assert said in caught.value.found
    assert "at, value" in caught.value.expected


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(Failure, match=r"x\.csv, which cannot be read") as caught:
        read_table(tmp_path / "x.csv", WANTED)
    assert caught.value.code == ExitCode.MISSING_INPUT


def test_a_header_alone_is_an_empty_table(tmp_path: Path) -> None:
    table = table_of(tmp_path)
    assert table.numbers("value", words={"low": 40.0}).tolist() == []
    assert table.wall_s("at", CLOCK).tolist() == []
    assert table.put_aside(table.blank("at"), "at", "blank") == 0


@pytest.mark.parametrize(
    "text", ["seven", "1_0", "7,5x", "inf", "nan", "1e999", "--", "True", "7 5"]
)
def test_text_that_is_no_number_goes_aside(tmp_path: Path, text: str) -> None:
    table = table_of(tmp_path, "a,1", f'b,"{text}"')
    assert np.isnan(table.numbers("value")).tolist() == [False, True]
    assert table.good.tolist() == [True, False]
    assert table.quarantine == [QuarantinedRow("x.csv", 3, "value", text, "not a number")]


def test_a_decimal_comma_is_named_as_such(tmp_path: Path) -> None:
    table = table_of(tmp_path, 'a,"7,5"')
    assert np.isnan(table.numbers("value")).all()
    assert table.quarantine[0].reason == "decimal comma; expected a point"


def test_an_empty_field_is_unknown_and_no_error(tmp_path: Path) -> None:
    table = table_of(tmp_path, "a,", "b, ")
    assert np.isnan(table.numbers("value")).all()
    assert table.quarantine == []


def test_words_stand_for_numbers_in_any_case(tmp_path: Path) -> None:
    table = table_of(tmp_path, "a,Low", "b,HIGH", "c,7", "d,lower")
    values = table.numbers("value", words={"low": 40.0, "high": 400.0})
    assert values[:3].tolist() == [40.0, 400.0, 7.0]
    assert put_aside(table) == [(5, "value", "lower")]


def test_numbers_out_of_range_go_aside_and_are_counted(tmp_path: Path) -> None:
    table = table_of(tmp_path, "a,-1", "b,0", "c,60", "d,61", "e,")
    doses = table.numbers("value")
    assert table.keep_within("value", doses, Range(0.0, 60.0, "U")) == 2
    assert table.good.tolist() == [False, True, True, False, True]
    assert {row.reason for row in table.quarantine} == {"outside 0 to 60 U"}


def test_a_row_goes_aside_once(tmp_path: Path) -> None:
    table = table_of(tmp_path, "nonsense,seven")
    table.numbers("value")
    table.wall_s("at", CLOCK)
    assert put_aside(table) == [(2, "value", "seven")]


def test_clock_times_are_read_as_they_are_written(tmp_path: Path) -> None:
    table = table_of(tmp_path, "01/02/1970 00:01,1", "01/02/1970 00:01:30,1")
    assert table.wall_s("at", CLOCK).tolist() == [31 * 86_400 + 60, 31 * 86_400 + 90]


@pytest.mark.parametrize(
    "text",
    ["17/06/2024 24:00", "17/06/2024 23:60", "06/17/2024 10:00", "30/02/2024 10:00", "", "x"],
)
def test_a_time_that_does_not_exist_goes_aside(tmp_path: Path, text: str) -> None:
    table = table_of(tmp_path, "16/06/2024 10:00,1", f"{text},1")
    table.wall_s("at", CLOCK)
    assert put_aside(table) == [(3, "at", text)]
    assert table.quarantine[0].reason == "not a time like DD/MM/YYYY hh:mm"


@pytest.mark.parametrize("text", ["17/06/2204 10:00", "17/06/0024 10:00", "17/06/9999 10:00"])
def test_a_wrong_year_goes_aside(tmp_path: Path, text: str) -> None:
    table = table_of(tmp_path, *["17/06/2024 10:00,1"] * 3, f"{text},1")
    table.wall_s("at", CLOCK)
    assert table.good.tolist() == [True, True, True, False]


def test_without_the_median_a_wrong_year_would_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_module, "LONGEST_RECORD_S", 1 << 60)
    table = table_of(tmp_path, *["17/06/2024 10:00,1"] * 3, "17/06/2204 10:00,1")
    table.wall_s("at", CLOCK)
    assert table.good.all()
