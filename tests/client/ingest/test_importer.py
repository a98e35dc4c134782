"""The one door: what it refuses and lists, and that good patients pass whatever others do."""

from pathlib import Path

import numpy as np
import pytest

from client.ingest.importer import ADAPTERS, Imported, import_folder
from models.trace import COLUMNS, STEP_S
from study.failure import ExitCode, Failure
from tests.client.ingest.exports import (
    GLUCOSE,
    GLUCOSE_ML,
    mg_dl_readings,
    readings,
    write,
    write_glucose_ml,
    write_uom,
)

ZONE = "Europe/London"


def refusal(folder: Path, layout: str = "uom", zone: str = ZONE) -> Failure:
    with pytest.raises(Failure) as caught:
        import_folder(folder, layout, zone)
    assert "Nothing was imported." in caught.value.consequence
    return caught.value


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    failure = refusal(tmp_path / "absent")
    assert failure.code == ExitCode.MISSING_INPUT
    assert "absent" in failure.found


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    assert refusal(write(tmp_path / "x.csv", ["a"])).code == ExitCode.MISSING_INPUT


def test_an_unknown_layout_names_the_known(tmp_path: Path) -> None:
    failure = refusal(tmp_path, layout="dexcom")
    assert failure.code == ExitCode.USAGE
    assert "uom, glucose_ml" in failure.expected


@pytest.mark.parametrize("zone", ["Manchester", "", "../etc/passwd", "Europe/", "Europe"])
def test_a_time_zone_that_does_not_exist_is_refused(tmp_path: Path, zone: str) -> None:
    write_uom(tmp_path, GLUCOSE, readings())
    failure = refusal(tmp_path, zone=zone)
    assert failure.code == ExitCode.USAGE
    assert "Europe/London" in failure.expected


def test_an_empty_folder_says_what_the_layout_needs(tmp_path: Path) -> None:
    failure = refusal(tmp_path)
    assert failure.code == ExitCode.BAD_DATA
    assert "Glucose Data/UoMGlucose*.csv" in failure.expected
    assert "looks like" not in failure.found


def test_the_wrong_layout_names_the_right_one(tmp_path: Path) -> None:
    write_glucose_ml(tmp_path / "cgm", mg_dl_readings())
    write_uom(tmp_path / "uom", GLUCOSE, readings())
    assert "it looks like layout glucose_ml" in refusal(tmp_path / "cgm", "uom").found
    assert "it looks like layout uom" in refusal(tmp_path / "uom", "glucose_ml").found


def test_a_file_without_header_stops_everything_by_name(tmp_path: Path) -> None:
    write_glucose_ml(tmp_path, mg_dl_readings(), "good")
    write(tmp_path / GLUCOSE_ML / "bad.csv", mg_dl_readings())
    failure = refusal(tmp_path, "glucose_ml")
    assert failure.code == ExitCode.BAD_DATA
    assert "bad.csv, row 1" in failure.found


def clinic(folder: Path) -> Imported:
    """Two good patients and one with nonsense in every row."""
    for name in ("a", "b"):
        write_uom(folder, GLUCOSE, readings(), name)
    write_uom(folder, GLUCOSE, [f"{i},nonsense" for i in range(60)], "c")
    return import_folder(folder, "uom", ZONE)


def test_a_patient_of_nonsense_stops_nobody(tmp_path: Path) -> None:
    found = clinic(tmp_path)
    assert [one.patient for one in found.traces] == ["a", "b"]
    assert [one.patient for one in found.report.unusable] == ["c"]
    assert len(found.quarantine) == found.report.patients[2].quarantined_rows == 60
    assert {row.file for row in found.quarantine} == {"UoMGlucosec.csv"}


def test_keep_chooses_patients_before_they_are_read(tmp_path: Path) -> None:
    clinic(tmp_path)
    write(tmp_path / f"{GLUCOSE}d.csv", ["no header"])
    found = import_folder(tmp_path, "uom", ZONE, keep=lambda name: name == "b")
    assert [one.patient for one in found.traces] == ["b"]
    assert [one.patient for one in found.report.patients] == ["b"]


def test_progress_is_told_each_patient_and_how_many(tmp_path: Path) -> None:
    clinic(tmp_path)
    told: list[tuple[str, int]] = []
    import_folder(tmp_path, "uom", ZONE, progress=lambda name, total: told.append((name, total)))
    assert told == [("a", 3), ("b", 3), ("c", 3)]


def test_importing_twice_gives_the_same(tmp_path: Path) -> None:
    one, two = clinic(tmp_path), import_folder(tmp_path, "uom", ZONE)
    assert one.report == two.report
    assert one.quarantine == two.quarantine
    for a, b in zip(one.traces, two.traces, strict=True):
        assert all(np.array_equal(a[name], b[name], equal_nan=True) for name in COLUMNS)


def test_every_layout_has_an_adapter_that_finds_nobody_in_an_empty_folder(tmp_path: Path) -> None:
    assert set(ADAPTERS) == {"uom", "glucose_ml"}
    assert all(not adapter.patients(tmp_path) for adapter in ADAPTERS.values())


def test_every_real_trace_keeps_the_rules_of_traces(uom: Imported, hupa: Imported) -> None:
    """On the grid, flags where readings are, no negative dose, sorted by patient."""
    for imported in (uom, hupa):
        names = [one.patient for one in imported.traces]
        assert names == sorted(names)
        for one in imported.traces:
            glucose, flag = one["glucose_mg_dl"], one["glucose_flag"]
            assert one.start_utc_s % STEP_S == 0
            assert np.array_equal(np.isfinite(glucose), (flag == 1) | (flag == 2))
            assert np.nanmin(glucose) >= 39.0 and np.nanmax(glucose) <= 501.0
            for name in set(one.columns) - {"glucose_mg_dl", "glucose_flag"}:
                assert np.nanmin(one[name]) >= 0.0, name
