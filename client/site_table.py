"""A clinic's patients in one file: site.parquet, a row per patient and five minutes.

Columns: `patient`, `utc_s`, and those of models.trace.COLUMNS, whose names carry their units. NaN
is unknown and 0 is zero. What belongs to a patient as a whole stands in the file's metadata under
`insula.site`, as JSON. What is read is what was written, bit for bit.
"""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from models.trace import COLUMNS, FloatArray, Trace, TraceError
from study.failure import ExitCode, Failure

KEY = b"insula.site"
FORMAT = 1


@dataclass(frozen=True)
class _Person:
    """What the metadata says of one patient; `columns` are those that the trace has."""

    patient: str
    time_zone: str
    sensor_period_min: int
    start_utc_s: int
    rows: int
    columns: tuple[str, ...]
    weight_kg: float | None
    long_acting_product: str | None = None


def write_site(path: Path, traces: Sequence[Trace]) -> None:
    """Writes the site table: whole or, if anything fails, not at all. For its owner's eyes only."""
    names = [trace.patient for trace in traces]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise Failure(
            found=f"{', '.join(twice)} more than once",
            expected="each patient once",
            consequence="No site table was written.",
            remedy="give each patient a name of their own",
            code=ExitCode.BAD_DATA,
        )
    write_whole(path, _parquet(traces))


def read_site(path: Path) -> tuple[Trace, ...]:
    """The traces of a site table, in the order in which they were written."""
    if not path.is_file():
        raise Failure(
            found=f"no file {path}",
            expected="a site table",
            consequence="Nothing was read.",
            remedy="run `insula site import` first",
            code=ExitCode.MISSING_INPUT,
        )
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise _refused(path, f"which does not read as parquet ({error})") from error
    return _traces(path, table)


def write_whole(path: Path, content: bytes) -> None:
    """Puts a file in place in one step, after it has reached the disk; mode 0600."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _parquet(traces: Sequence[Trace]) -> bytes:
    patients = np.repeat([trace.patient for trace in traces], [len(trace) for trace in traces])
    columns: dict[str, object] = {
        "patient": pa.array(patients.tolist(), pa.string()).dictionary_encode(),
        "utc_s": np.concatenate([np.zeros(0, np.int64), *(trace.utc_s for trace in traces)]),
    }
    for name in COLUMNS:
        columns[name] = np.concatenate([np.zeros(0), *(trace[name] for trace in traces)])
    people = [asdict(_person(trace)) for trace in traces]
    about = json.dumps({"format": FORMAT, "patients": people}).encode()
    table = pa.table(columns).replace_schema_metadata({KEY: about})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _person(trace: Trace) -> _Person:
    return _Person(
        patient=trace.patient,
        time_zone=trace.time_zone,
        sensor_period_min=trace.sensor_period_min,
        start_utc_s=trace.start_utc_s,
        rows=len(trace),
        columns=tuple(trace.columns),
        weight_kg=trace.weight_kg,
        long_acting_product=trace.long_acting_product,
    )


def _traces(path: Path, table: pa.Table) -> tuple[Trace, ...]:
    try:
        about = json.loads((table.schema.metadata or {})[KEY])
        if about["format"] != FORMAT:
            raise _refused(path, f"in format {about['format']}")
        people = [_Person(**person) for person in about["patients"]]
        columns = {name: table[name].to_numpy() for name in ("utc_s", *COLUMNS)}
        edges = np.cumsum([0, *(person.rows for person in people)], dtype=np.int64)
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        missing = f"a parquet file without a site's columns and metadata ({error})"
        raise _refused(path, missing) from error
    if edges[-1] != table.num_rows:
        raise _refused(path, f"with {table.num_rows} rows where its metadata counts {edges[-1]}")
    return tuple(
        _trace(path, person, {name: column[a:b] for name, column in columns.items()})
        for person, (a, b) in zip(people, pairwise(edges), strict=True)
    )


def _trace(path: Path, person: _Person, columns: Mapping[str, FloatArray]) -> Trace:
    try:
        trace = Trace(
            patient=person.patient,
            time_zone=person.time_zone,
            sensor_period_min=person.sensor_period_min,
            start_utc_s=person.start_utc_s,
            columns={name: columns[name] for name in person.columns},
            weight_kg=person.weight_kg,
            long_acting_product=person.long_acting_product,
        )
    except (TraceError, KeyError, TypeError) as error:
        raise _refused(path, f"a patient who is no trace ({error})") from error
    if not np.array_equal(trace.utc_s, columns["utc_s"]):
        raise _refused(path, f"with rows of {person.patient} that are not five minutes apart")
    return trace


def _refused(path: Path, found: str) -> Failure:
    return Failure(
        found=f"{path}, {found}",
        expected=f"a site table of format {FORMAT}",
        consequence="Nothing was read.",
        remedy="run `insula site import` again",
        code=ExitCode.BAD_DATA,
    )
