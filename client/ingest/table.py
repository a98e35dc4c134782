"""One exported CSV file as text columns; rows that cannot be read are listed."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.trace import BoolArray, FloatArray, IntArray
from study.failure import ExitCode, Failure

ObjectArray = npt.NDArray[np.object_]

UNKNOWN_TIME = np.iinfo(np.int64).min
"""What numpy's NaT is as a whole number."""

LONGEST_RECORD_S = 3 * 365 * 86_400
"""A time further than this from the file's median one has a wrong year."""

_DECIMAL_COMMA = r"[+-]?\d+,\d+"


@dataclass(frozen=True)
class QuarantinedRow:
    """A row that was not used: where it stands (the header is row 1), what it says, and why."""

    file: str
    row: int
    column: str
    value: str
    reason: str


@dataclass(frozen=True)
class Range:
    """The numbers that a column can hold; both ends belong to it."""

    low: float
    high: float
    unit: str


@dataclass
class Table:
    """A file's n rows: text by column, line numbers, and which rows are good so far."""

    file: str
    lines: IntArray
    text: Mapping[str, ObjectArray]
    good: BoolArray
    quarantine: list[QuarantinedRow] = field(default_factory=list)

    def put_aside(self, bad: BoolArray, column: str, reason: str) -> int:
        """Lists the rows where `bad`, which are no longer good; how many were good before."""
        rows = np.flatnonzero(bad & self.good)
        self.quarantine += [
            QuarantinedRow(self.file, int(self.lines[i]), column, self.text[column][i], reason)
            for i in rows
        ]
        self.good &= ~bad
        return len(rows)

    def blank(self, column: str) -> BoolArray:
        """True where the field is empty, (n,)."""
        empty: BoolArray = self.text[column] == ""
        return empty

    def numbers(self, column: str, words: Mapping[str, float] | None = None) -> FloatArray:
        """A column as numbers (n,), empty fields NaN; text that is no number goes aside.

        `words` gives the number that stands for a word such as `low`, in lower case.
        """
        text = pd.Series(self.text[column])
        values = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64)
        for word, number in (words or {}).items():
            values = np.where((text.str.lower() == word).to_numpy(), number, values)
        wrong = ~np.isfinite(values) & ~self.blank(column)
        if wrong.any():
            comma = text.str.fullmatch(_DECIMAL_COMMA).to_numpy(dtype=bool)
            self.put_aside(wrong & comma, column, "decimal comma; expected a point")
            self.put_aside(wrong, column, "not a number")
        return np.where(wrong, np.nan, values)

    def keep_within(self, column: str, values: FloatArray, limits: Range) -> int:
        """Puts rows aside whose value is outside the range; how many."""
        outside = (values < limits.low) | (values > limits.high)
        reason = f"outside {limits.low:g} to {limits.high:g} {limits.unit}"
        return self.put_aside(outside, column, reason)

    def wall_s(self, column: str, formats: Sequence[str]) -> IntArray:
        """Clock times (n,) as seconds since 1970 on that clock.

        Unreadable times go aside, and those more than three years from the file's median.
        """
        text = pd.Series(self.text[column])
        wall = np.full(len(text), UNKNOWN_TIME)
        for form in formats:
            unread = wall == UNKNOWN_TIME
            if unread.any():
                stamps = pd.to_datetime(text[unread], format=form, errors="coerce")
                wall[unread] = stamps.to_numpy(dtype="datetime64[s]").astype(np.int64)
        self.put_aside(wall == UNKNOWN_TIME, column, f"not a time like {_spelt(formats[0])}")
        if self.good.any():
            far = np.abs(wall - int(np.median(wall[self.good]))) > LONGEST_RECORD_S
            self.put_aside(far, column, "more than three years from the file's other rows")
        return wall


def read_table(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> Table:
    """The named columns of a CSV file as text; an optional column that is absent is blank.

    Takes a byte-order mark, empty trailing columns and blank lines. Each line stands alone, so an
    unclosed quotation mark costs its own row only. Bytes that are not UTF-8, and NUL, become U+FFFD
    and fail where they are read. A file without the required columns is a Failure.
    """
    lines = _lines(path)
    header = [name.strip() for name in _fields(lines[0])] if lines else []
    missing = [name for name in required if name not in header]
    if missing:
        raise _no_header(path, header, required)
    wanted = {name: header.index(name) for name in (*required, *optional) if name in header}
    rows = [(n, _fields(line)) for n, line in enumerate(lines[1:], 2) if line.strip(", \t\r")]
    wide = [any(map(str.strip, fields[len(header) :])) for _, fields in rows]
    whole = [row for row, more in zip(rows, wide, strict=True) if not more]
    reason = f"more fields than the {len(header)} of the header"
    aside = [
        QuarantinedRow(path.name, number, required[0], ",".join(fields)[:80], reason)
        for (number, fields), more in zip(rows, wide, strict=True)
        if more
    ]
    text = {name: np.full(len(whole), "", dtype=object) for name in (*required, *optional)}
    for name, i in wanted.items():
        text[name][:] = [fields[i].strip() if i < len(fields) else "" for _, fields in whole]
    numbers = np.array([number for number, _ in whole], dtype=np.int64)
    return Table(path.name, numbers, text, np.ones(len(whole), dtype=bool), aside)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise Failure(
            found=f"{path}, which cannot be read ({error.strerror})",
            expected="a file that this user may read",
            consequence="Nothing was imported.",
            remedy="check the file and its permissions, then import again",
            code=ExitCode.MISSING_INPUT,
        ) from error
    return re.split("\r\n?|\n", text.replace("\0", "\ufffd"))


def _fields(line: str) -> list[str]:
    try:
        return next(csv.reader([line])) if '"' in line else line.split(",")
    except csv.Error:
        return line.split(",")


def _spelt(form: str) -> str:
    spelling = {"%d": "DD", "%m": "MM", "%Y": "YYYY", "%H": "hh", "%M": "mm", "%S": "ss"}
    for code, letters in spelling.items():
        form = form.replace(code, letters)
    return form


def _no_header(path: Path, header: Sequence[str], required: Sequence[str]) -> Failure:
    shown = ", ".join(header)[:80] or "nothing"
    return Failure(
        found=f"{path.name}, row 1: {shown!r}",
        expected=f"a header with the columns {', '.join(required)}, separated by commas, in UTF-8",
        consequence="Nothing was imported.",
        remedy=f"export {path.name} again, move it out of the folder, or name another layout",
        code=ExitCode.BAD_DATA,
    )
