"""What is read from a site table is what was written, or nothing is read."""

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.ingest.importer import import_folder
from client.site_table import KEY, read_site, write_site, write_whole
from models.trace import COLUMNS, Trace
from study.failure import ExitCode, Failure

NAN = np.nan


def person(patient: str = "p", n: int = 6, **columns: list[float]) -> Trace:
    glucose = np.where(np.arange(n) % 3 == 0, 100.1 + np.arange(n), NAN)
    named = {name: np.array(values) for name, values in columns.items()}
    return Trace(patient, "Europe/Madrid", 15, 1_700_000_100, {"glucose_mg_dl": glucose, **named})


def round_trip(folder: Path, *traces: Trace) -> tuple[Trace, ...]:
    write_site(folder / "site.parquet", traces)
    return read_site(folder / "site.parquet")


def identical(one: Trace, other: Trace) -> bool:
    """Same attributes, same columns in the same order, same bits."""
    about = [
        (t.patient, t.time_zone, t.sensor_period_min, t.start_utc_s, t.weight_kg, [*t.columns])
        for t in (one, other)
    ]
    bits = all(one.columns[name].tobytes() == other.columns[name].tobytes() for name in one.columns)
    return about[0] == about[1] and bits


def test_unknown_zero_and_fractions_come_back_as_they_were(tmp_path: Path) -> None:
    values = [NAN, 0.0, -0.0, 0.1 + 0.2, 1e-300, np.inf]
    written = replace(person(bolus_u=values), weight_kg=71.3)
    (read,) = round_trip(tmp_path, written)
    assert identical(read, written)
    assert "carbs_g" not in read.columns


def test_patients_keep_their_order_and_their_own_columns(tmp_path: Path) -> None:
    written = (
        person("b", basal_u_per_h=[1.0] * 6),
        replace(person("a", 3), start_utc_s=0, time_zone="UTC", sensor_period_min=5),
        person("Ünï 1", 1),
    )
    read = round_trip(tmp_path, *written)
    assert [one.patient for one in read] == ["b", "a", "Ünï 1"]
    assert all(map(identical, read, written))


def test_nobody_comes_back_as_nobody(tmp_path: Path) -> None:
    assert round_trip(tmp_path) == ()


@pytest.mark.slow
@given(st.lists(st.lists(st.floats(width=64), min_size=1, max_size=30), min_size=1, max_size=4))
def test_any_bits_come_back(
    tmp_path_factory: pytest.TempPathFactory, people: list[list[float]]
) -> None:
    folder = tmp_path_factory.mktemp("site")
    written = [person(str(i), len(values), steps=values) for i, values in enumerate(people)]
    assert all(map(identical, round_trip(folder, *written), written))


def test_real_patients_come_back(shared_data: Path, tmp_path: Path) -> None:
    traces = import_folder(
        shared_data / "uom", "uom", "Europe/London", keep=lambda name: name in ("2307", "2405")
    ).traces
    read = round_trip(tmp_path, *traces)
    assert len(read) == 2
    assert all(map(identical, read, traces))


def test_other_programs_can_read_it(tmp_path: Path) -> None:
    round_trip(tmp_path, person("a"), person("b", 3))
    table = pq.read_table(tmp_path / "site.parquet")
    assert table.column_names == ["patient", "utc_s", *COLUMNS]
    assert table["patient"].to_pylist() == ["a"] * 6 + ["b"] * 3
    assert table["utc_s"].to_pylist()[:2] == [1_700_000_100, 1_700_000_400]


def test_a_patient_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="a more than once"):
        write_site(tmp_path / "site.parquet", [person("a"), person("b"), person("a")])
    assert not (tmp_path / "site.parquet").exists()


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    round_trip(tmp_path / "new" / "folder", person())
    mode = (tmp_path / "new" / "folder" / "site.parquet").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    round_trip(tmp_path, person("old"))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_site(tmp_path / "site.parquet", [person("new")])
    monkeypatch.undo()
    assert [one.patient for one in read_site(tmp_path / "site.parquet")] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["site.parquet"]


def test_what_is_in_place_has_reached_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is synced before it is moved, and its folder after."""
    calls: list[str] = []
    sync, move = os.fsync, os.replace

    def synced(file: int) -> None:
        calls.append("sync")
        sync(file)

    def moved(source: str, target: Path) -> None:
        calls.append("move")
        move(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", moved)
    write_whole(tmp_path / "x", b"content")
    assert calls == ["sync", "move", "sync"]
    assert (tmp_path / "x").read_bytes() == b"content"


# Refusals


def refusal(path: Path) -> Failure:
    with pytest.raises(Failure) as caught:
        read_site(path)
    assert caught.value.consequence == "Nothing was read."
    assert "insula site import" in caught.value.remedy
    return caught.value


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    failure = refusal(tmp_path / "site.parquet")
    assert failure.code == ExitCode.MISSING_INPUT
    assert "site.parquet" in failure.found


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"patient,utc_s\n", b"PAR1" + b"\0" * 200 + b"PAR1"]
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "site.parquet").write_bytes(content)
    failure = refusal(tmp_path / "site.parquet")
    assert failure.code == ExitCode.BAD_DATA
    assert "does not read as parquet" in failure.found


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    round_trip(tmp_path, person(n=2000))
    path = tmp_path / "site.parquet"
    for share in (0.2, 0.9, 0.999):
        whole = path.read_bytes()
        (tmp_path / "cut").write_bytes(whole[: int(share * len(whole))])
        assert refusal(tmp_path / "cut").code == ExitCode.BAD_DATA


def test_a_changed_bit_is_seen(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    traces = [person(n=4000, steps=rng.normal(size=4000).tolist())]
    write_site(tmp_path / "site.parquet", traces)
    whole = bytearray((tmp_path / "site.parquet").read_bytes())
    for place in rng.integers(0, len(whole), 150):
        spoilt = whole.copy()
        spoilt[place] ^= 1
        (tmp_path / "spoilt").write_bytes(bytes(spoilt))
        try:
            (read,) = read_site(tmp_path / "spoilt")
        except Failure as failure:
            assert failure.code == ExitCode.BAD_DATA
        else:
            assert identical(read, traces[0])


@pytest.mark.slow
def test_without_checksums_a_changed_bit_would_not_be_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    traces = [person(n=4000, steps=rng.normal(size=4000).tolist())]
    write_site(tmp_path / "site.parquet", traces)
    whole = bytearray((tmp_path / "site.parquet").read_bytes())
    read = pq.read_table
    monkeypatch.setattr(pq, "read_table", lambda path, **_: read(path))
    wrong = 0
    for place in range(len(whole) // 3, len(whole) // 2, 37):
        spoilt = whole.copy()
        spoilt[place] ^= 1
        (tmp_path / "spoilt").write_bytes(bytes(spoilt))
        try:
            wrong += not identical(read_site(tmp_path / "spoilt")[0], traces[0])
        except Failure:
            continue
    assert wrong


def altered(path: Path, change: dict[str, object] | None, rows: int | None = None) -> None:
    """The table with its metadata changed, or without any, and cut to some rows."""
    table = pq.read_table(path)
    about = json.loads(table.schema.metadata[KEY])
    metadata = None
    if change is not None:
        people = [{**one, **change} for one in about["patients"]]
        metadata = {KEY: json.dumps({**about, "patients": people, **change}).encode()}
    table = table.replace_schema_metadata(metadata)
    pq.write_table(table if rows is None else table.slice(0, rows), path)


@pytest.mark.parametrize(
    ("change", "rows", "said"),
    [
        (None, None, "without a site's columns and metadata"),
        ({"format": 2}, None, "in format 2"),
        ({"patients": 7}, None, "without a site's columns and metadata"),
        ({"shoe_size": 43}, None, "without a site's columns and metadata"),
        ({"rows": 5}, None, "with 6 rows where its metadata counts 5"),
        ({}, 4, "with 4 rows where its metadata counts 6"),
        ({"start_utc_s": 1}, None, "who is no trace"),
        ({"rows": "6"}, None, "without a site's columns and metadata"),
        ({"start_utc_s": None}, None, "who is no trace"),
        ({"columns": ["glucose_mmol_l"]}, None, "who is no trace"),
        ({"start_utc_s": 1_700_000_400}, None, "not five minutes apart"),
    ],
)
def test_metadata_that_does_not_fit_is_refused(
    tmp_path: Path, change: dict[str, object] | None, rows: int | None, said: str
) -> None:
    path = tmp_path / "site.parquet"
    round_trip(tmp_path, person())
    altered(path, change, rows)
    failure = refusal(path)
    assert failure.code == ExitCode.BAD_DATA
    assert said in failure.found


def test_a_foreign_parquet_file_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"glucose": [1.0]}), tmp_path / "site.parquet")
    assert "without a site's columns and metadata" in refusal(tmp_path / "site.parquet").found


def test_a_table_without_one_of_our_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.parquet"
    round_trip(tmp_path, person())
    pq.write_table(pq.read_table(path).drop_columns(["carbs_g"]), path)
    assert "carbs_g" in refusal(path).found


def test_the_long_acting_product_survives_and_older_tables_are_still_read(tmp_path: Path) -> None:
    """A table from before there was the field has no such key: its patients take the default."""
    path = tmp_path / "site.parquet"
    one = Trace("a", "UTC", 5, 0, {"glucose_mg_dl": np.ones(3)}, None, "Tresiba")
    write_site(path, [one, Trace("b", "UTC", 5, 0, {"glucose_mg_dl": np.ones(3)})])
    assert [trace.long_acting_product for trace in read_site(path)] == ["Tresiba", None]
    table = pq.read_table(path)
    about = json.loads(table.schema.metadata[b"insula.site"])
    for person in about["patients"]:
        del person["long_acting_product"]
    older = table.replace_schema_metadata({b"insula.site": json.dumps(about).encode()})
    pq.write_table(older, path)
    assert [trace.long_acting_product for trace in read_site(path)] == [None, None]
