"""The CGM-only layout: every trap that is known of the four real sets, and small files."""

from pathlib import Path

import numpy as np
import pytest

from client.ingest import interpolation
from client.ingest.glucose_ml import GlucoseMlLayout
from client.ingest.importer import Imported, import_folder
from client.ingest.recording import trace_of
from client.site_report import PatientReport
from models.trace import GlucoseFlag, Trace
from tests.client.ingest.exports import mg_dl_readings, write, write_glucose_ml

MADRID = "Europe/Madrid"


def trace(imported: Imported, patient: str) -> Trace:
    return next(trace for trace in imported.traces if trace.patient == patient)


def report(imported: Imported, patient: str) -> PatientReport:
    return next(report for report in imported.report.patients if report.patient == patient)


def file_of(folder: Path, patient: str) -> list[tuple[str, str]]:
    """The rows of a person's file as (time, value), header left out."""
    path = next(folder.glob(f"*-extracted-glucose-files/{patient}.csv"))
    lines = path.read_text("utf-8-sig").splitlines()[1:]
    return [(time, value) for time, value in (line.split(",") for line in lines)]


# Real files


def test_everybody_has_a_page_and_the_usable_a_trace(
    hupa: Imported, azt1d: Imported, hall: Imported, colas: Imported
) -> None:
    assert [len(one.report.patients) for one in (hupa, azt1d, hall, colas)] == [24, 25, 57, 208]
    assert [len(one.traces) for one in (hupa, azt1d, hall, colas)] == [21, 25, 57, 208]


def test_hupa_is_fifteen_minute_readings_drawn_to_five(hupa: Imported) -> None:
    usable = [report for report in hupa.report.patients if not report.unusable]
    assert {one.sensor_period_min for one in hupa.traces} == {15}
    for one in usable:
        drawn = one.interpolated_rows / (one.interpolated_rows + one.readings)
        assert 0.66 < drawn < 0.73
        assert one.coverage_pct > 80


def test_what_is_left_of_hupa_lies_on_one_beat_in_whole_mg_dl(hupa: Imported) -> None:
    for one in hupa.traces:
        glucose = one["glucose_mg_dl"]
        rows = np.flatnonzero(np.isfinite(glucose))
        assert len(np.unique(rows % 3)) == 1
        assert (np.abs(glucose[rows] - np.round(glucose[rows])) < 1e-6).mean() > 0.99


def test_a_gap_that_was_bridged_is_masked(hupa: Imported, shared_data: Path) -> None:
    """HUPA0014 has gaps of up to 14 hours: inside a straight line of 45 minutes nothing is left."""
    raw = GlucoseMlLayout().read(shared_data / "hupa", "HUPA0014P", MADRID).mg_dl
    straight = np.append(False, np.append(np.abs(np.diff(raw, 2)) < 1e-6, False))
    inside = np.lib.stride_tricks.sliding_window_view(straight, 9).all(axis=1)
    middle = np.flatnonzero(inside) + 4
    middle = middle[raw[middle] > 40.0]
    assert len(middle) > 300
    assert np.isnan(trace(hupa, "HUPA0014P")["glucose_mg_dl"][middle]).all()


def test_unmasked_hupa_would_see_the_future(
    hupa: Imported, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rows of a straight line tell the next one; two real readings do not."""
    monkeypatch.setattr(interpolation, "DRAWN_SHARE", 1.0)
    raw, _ = trace_of(GlucoseMlLayout().read(shared_data / "hupa", "HUPA0007P", MADRID))
    assert raw is not None and raw.sensor_period_min == 5
    seen = np.abs(np.diff(raw["glucose_mg_dl"], 2)) < 1e-6
    assert seen.mean() > 0.6
    masked = trace(hupa, "HUPA0007P")["glucose_mg_dl"]
    assert not (np.abs(np.diff(masked, 2)) < 1e-6).any()


@pytest.mark.parametrize(
    ("patient", "reason"),
    [
        ("HUPA0001P", "two series interleaved"),
        ("HUPA0009P", "readings are real; the others were interpolated"),
        ("HUPA0010P", "readings are real; the others were interpolated"),
    ],
)
def test_three_of_hupa_cannot_be_used_and_the_report_says_why(
    hupa: Imported, patient: str, reason: str
) -> None:
    assert reason in report(hupa, patient).unusable
    assert patient not in {one.patient for one in hupa.traces}
    assert len(hupa.report.unusable) == 3


def test_sensors_without_a_period_of_lines_are_left_alone(
    azt1d: Imported, hall: Imported, colas: Imported
) -> None:
    for imported in (azt1d, hall, colas):
        assert {report.interpolated_rows for report in imported.report.patients} == {0}
        assert {one.sensor_period_min for one in imported.traces} == {5}


def test_duplicated_stamps_of_azt1d_are_all_accounted_for(
    azt1d: Imported, shared_data: Path
) -> None:
    people = azt1d.report.patients
    duplicates = sum(one.duplicates_removed for one in people)
    conflicts = sum(one.conflicting_duplicates for one in people)
    stamps = [[time for time, _ in file_of(shared_data / "azt1d", one.patient)] for one in people]
    assert duplicates + conflicts == sum(len(each) - len(set(each)) for each in stamps) == 5175
    assert 0 < conflicts < 500


def test_a_few_days_of_azt1d_hold_two_series(azt1d: Imported) -> None:
    torn = {one.patient: one.interleaved_readings for one in azt1d.report.patients}
    assert sum(count > 0 for count in torn.values()) == 3
    assert sum(torn.values()) < 1200


def test_the_word_low_is_the_sensors_limit(hall: Imported, shared_data: Path) -> None:
    people = ["1636-69-111", "2133-011", "2133-013", "2133-022", "2133-023"]
    words = 0
    for patient in people:
        said = [value for _, value in file_of(shared_data / "hall", patient)]
        words += said.count("Low")
        one = trace(hall, patient)
        at_limit = one["glucose_flag"] == GlucoseFlag.AT_SENSOR_LIMIT
        assert at_limit.sum() >= said.count("Low")
        assert set(one["glucose_mg_dl"][at_limit]) == {40.0}
    assert words == 9
    assert not [row for row in hall.quarantine if row.value == "Low"]


def test_a_day_of_colas_begins_where_the_clock_passes_midnight(
    colas: Imported, shared_data: Path
) -> None:
    """Not by its length: 'case  1' has 567 readings, of which 243 times of day occur twice."""
    one = trace(colas, "case  1")
    rows = file_of(shared_data / "colas", "case  1")
    assert len(rows) - len({time for time, _ in rows}) == 243
    assert one.days == pytest.approx(2.0, abs=0.01)
    assert np.isfinite(one["glucose_mg_dl"]).sum() == 567
    assert report(colas, "case  1").duplicates_removed == 0


def test_all_of_colas_is_two_days_and_no_stamp_is_a_duplicate(colas: Imported) -> None:
    assert {round(one.days) for one in colas.traces} <= {1, 2, 3}
    assert sum(one.duplicates_removed for one in colas.report.patients) == 0
    assert sum(one.conflicting_duplicates for one in colas.report.patients) == 0
    assert {one.local_day[0] for one in colas.traces} <= {17_531, 17_532}


def test_a_byte_order_mark_does_not_hide_the_metadata(shared_data: Path) -> None:
    path = shared_data / "hupa" / "HUPA-UCM-metadata.csv"
    assert path.read_bytes().startswith(b"\xef\xbb\xbfperson_id")
    assert GlucoseMlLayout().notes(shared_data / "hupa") == [
        "HUPA0027P is in the metadata but has no file"
    ]


def test_metadata_and_files_name_the_same_people(
    azt1d: Imported, hall: Imported, colas: Imported
) -> None:
    assert azt1d.report.notes == hall.report.notes == colas.report.notes == ()


# Small files


def imported_from(folder: Path) -> Imported:
    return import_folder(folder, "glucose_ml", MADRID)


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        ("2024-06-17 12:02:00,", "glucose_value_mg_dl", "no value"),
        ("2024-06-17 12:02:00,n/a", "glucose_value_mg_dl", "not a number"),
        ("2024-06-17 12:02:00,-5", "glucose_value_mg_dl", "outside 20 to 600 mg/dL"),
        ("2024-06-17 12:02:00,6.1", "glucose_value_mg_dl", "outside 20 to 600 mg/dL"),
        ("2024-06-17 24:00:00,120", "timestamp", "not a time like YYYY-MM-DD hh:mm:ss"),
        ("17/06/2024 12:02,120", "timestamp", "not a time like"),
        ("2042-06-17 12:02:00,120", "timestamp", "more than three years from"),
        ("2024-06-17 12:02:00,120,5", "timestamp", "more fields than the 2"),
    ],
)
def test_a_bad_row_is_named_and_the_good_ones_stay(
    tmp_path: Path, row: str, column: str, reason: str
) -> None:
    write_glucose_ml(tmp_path, [*mg_dl_readings(), row])
    found = imported_from(tmp_path)
    assert [(q.file, q.row, q.column) for q in found.quarantine] == [("p.csv", 290, column)]
    assert found.quarantine[0].reason.startswith(reason)
    assert found.report.patients[0].readings == 288


def test_words_are_limits_of_the_sensor_that_the_metadata_names(tmp_path: Path) -> None:
    rows = mg_dl_readings()
    rows[10] = rows[10].split(",")[0] + ",High"
    rows[20] = rows[20].split(",")[0] + ",LOW"
    write_glucose_ml(tmp_path, rows, "a")
    write_glucose_ml(tmp_path, rows, "b")
    write(
        tmp_path / "set-metadata.csv",
        ["person_id,CGM_type", "a,Dexcom G6", "b,Abbott FreeStyle Libre 2"],
    )
    for one, high in zip(imported_from(tmp_path).traces, (400.0, 500.0), strict=True):
        at_limit = one["glucose_flag"] == GlucoseFlag.AT_SENSOR_LIMIT
        assert one["glucose_mg_dl"][at_limit].tolist() == [high, 40.0]


def test_people_without_metadata_are_imported_and_noted(tmp_path: Path) -> None:
    write_glucose_ml(tmp_path, mg_dl_readings(), "a")
    assert imported_from(tmp_path).report.notes == ()
    write(tmp_path / "set-metadata.csv", ["person_id", "b"])
    assert imported_from(tmp_path).report.notes == (
        "b is in the metadata but has no file",
        "a has a file but is not in the metadata",
    )


def test_times_of_day_pass_midnight_more_than_once(tmp_path: Path) -> None:
    rows = [row.split(" ")[1] for row in mg_dl_readings()]
    write_glucose_ml(tmp_path, [*rows[140:], *rows, *rows[:100]])
    one = imported_from(tmp_path).traces[0]
    assert len(one) == 148 + 288 + 100
    assert np.isfinite(one["glucose_mg_dl"]).all()
    assert one.start_utc_s == 1_514_764_800 + (140 * 5 - 60) * 60


def test_a_clock_that_jitters_back_does_not_pass_midnight(tmp_path: Path) -> None:
    rows = [row.split(" ")[1] for row in mg_dl_readings()]
    rows[50], rows[51] = rows[51], rows[50]
    write_glucose_ml(tmp_path, rows)
    assert len(imported_from(tmp_path).traces[0]) == 288


def test_a_bad_time_of_day_goes_aside(tmp_path: Path) -> None:
    rows = [row.split(" ")[1] for row in mg_dl_readings()]
    rows[50] = "25:10:00,120"
    write_glucose_ml(tmp_path, rows)
    found = imported_from(tmp_path)
    assert [(q.row, q.value) for q in found.quarantine] == [(52, "25:10:00")]
    assert len(found.traces[0]) == 288


def test_a_header_alone_is_a_patient_without_readings(tmp_path: Path) -> None:
    write_glucose_ml(tmp_path, [], "a")
    write_glucose_ml(tmp_path, mg_dl_readings(), "b")
    found = imported_from(tmp_path)
    assert [one.patient for one in found.traces] == ["b"]
    assert report(found, "a").unusable == "0 readings; at least 48 are needed"
