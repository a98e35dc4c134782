"""One door for every export: a folder in a named layout becomes traces and a site data report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from client.ingest.glucose_ml import GlucoseMlLayout
from client.ingest.recording import Recording, trace_of
from client.ingest.table import QuarantinedRow
from client.ingest.uom import UomLayout
from client.site_report import PatientReport, SiteReport
from models.trace import Trace
from study.failure import ExitCode, Failure


class Adapter(Protocol):
    """A reader of one layout; the plug-in point for another vendor's export."""

    expected: str

    def patients(self, folder: Path) -> Sequence[str]:
        """Names of everybody whose glucose the folder holds, sorted; none in another layout."""
        ...

    def notes(self, folder: Path) -> Sequence[str]:
        """What a person should know of the folder beside its patients."""
        ...

    def read(self, folder: Path, patient: str, time_zone: str) -> Recording:
        """All that one patient's files say; wall clocks are those of the IANA zone."""
        ...


ADAPTERS: Mapping[str, Adapter] = {"uom": UomLayout(), "glucose_ml": GlucoseMlLayout()}


@dataclass(frozen=True)
class Imported:
    """Traces that a twin can be made of, a report on everybody, and every row put aside."""

    traces: tuple[Trace, ...]
    report: SiteReport
    quarantine: tuple[QuarantinedRow, ...]


def import_folder(
    folder: Path,
    layout: str,
    time_zone: str,
    *,
    keep: Callable[[str], bool] | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> Imported:
    """Everybody in a folder for whom `keep` holds; `progress` is told each name and how many.

    Raises Failure for a folder that is absent or in another layout, a time zone that does not
    exist, or a file without the columns that it should have. Rows that cannot be read, and patients
    whose readings cannot be used, are listed and stop nothing.
    """
    names = _patients(folder, layout, time_zone)
    adapter = ADAPTERS[layout]
    traces: list[Trace] = []
    reports: list[PatientReport] = []
    quarantine: list[QuarantinedRow] = []
    chosen = [name for name in names if keep is None or keep(name)]
    for name in chosen:
        recording = adapter.read(folder, name, time_zone)
        trace, report = trace_of(recording)
        traces += [trace] if trace is not None else []
        reports.append(report)
        quarantine += recording.quarantine
        if progress is not None:
            progress(name, len(chosen))
    site = SiteReport(layout, time_zone, tuple(reports), tuple(adapter.notes(folder)))
    return Imported(tuple(traces), site, tuple(quarantine))


def _patients(folder: Path, layout: str, time_zone: str) -> Sequence[str]:
    """Names of everybody in the folder, after the arguments have been checked."""
    if layout not in ADAPTERS:
        raise _refused(f"layout {layout!r}", f"one of {', '.join(ADAPTERS)}", ExitCode.USAGE)
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        expected = "an IANA name such as Europe/London"
        raise _refused(f"time zone {time_zone!r}", expected, ExitCode.USAGE) from error
    if not folder.is_dir():
        raise _refused(f"no folder {folder}", "a folder of exports", ExitCode.MISSING_INPUT)
    names = ADAPTERS[layout].patients(folder)
    if not names:
        raise _other_layout(folder, layout)
    return names


def _other_layout(folder: Path, layout: str) -> Failure:
    fitting = [name for name, adapter in ADAPTERS.items() if adapter.patients(folder)]
    hint = f"; it looks like layout {fitting[0]}" if fitting else ""
    return _refused(
        f"no patient of layout {layout} in {folder}{hint}",
        ADAPTERS[layout].expected,
        ExitCode.BAD_DATA,
    )


def _refused(found: str, expected: str, code: ExitCode) -> Failure:
    return Failure(
        found=found,
        expected=expected,
        consequence="Nothing was imported.",
        remedy="correct it and import again",
        code=code,
    )
