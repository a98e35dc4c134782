"""What a clinic's import found in each patient's files: a page for people, and the same as JSON."""

from dataclasses import asdict, dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table


@dataclass(frozen=True)
class PatientReport:
    """One patient's files: what was used and what was not. `unusable` says why there is no trace.

    Days from the first reading to the last; coverage of what the sensor should have given in them;
    gaps are longer than 30 minutes; `dst_hours` are clock changes in the record.
    """

    patient: str
    days: float = 0.0
    sensor_period_min: int = 5
    readings: int = 0
    coverage_pct: float = 0.0
    gaps: int = 0
    longest_gap_h: float = 0.0
    interpolated_rows: int = 0
    interleaved_readings: int = 0
    duplicates_removed: int = 0
    conflicting_duplicates: int = 0
    conflicting_basal_records: int = 0
    clipped_readings: int = 0
    outliers: int = 0
    dst_hours: int = 0
    days_with_cgm_but_no_meals: int = 0
    quarantined_rows: int = 0
    unusable: str = ""


@dataclass(frozen=True)
class SiteReport:
    """A clinic's import: where from, each patient, and what else a person should know."""

    layout: str
    time_zone: str
    patients: tuple[PatientReport, ...]
    notes: tuple[str, ...] = ()

    @property
    def unusable(self) -> tuple[PatientReport, ...]:
        """The patients who have no trace."""
        return tuple(patient for patient in self.patients if patient.unusable)

    def as_dict(self) -> dict[str, object]:
        """The report as plain values."""
        return asdict(self)


FINDINGS = {
    "interpolated_rows": "interpolated before us",
    "interleaved_readings": "of two interleaved series",
    "duplicates_removed": "duplicates",
    "conflicting_duplicates": "conflicting duplicates",
    "conflicting_basal_records": "conflicting basal records",
    "clipped_readings": "at the sensor's limit",
    "outliers": "outliers",
    "dst_hours": "clock changes",
    "days_with_cgm_but_no_meals": "days without a meal",
    "quarantined_rows": "rows put aside",
}
"""What each count is called in a sentence that begins with the number."""


def report_table(report: SiteReport) -> Table:
    """The report as a table, a patient a line, with what was found in words."""
    title = f"layout {report.layout}, clocks of {report.time_zone}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("patient", no_wrap=True)
    for name in ("days", "every", "coverage", "gaps", "longest"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("found")
    for patient in report.patients:
        style = "yellow" if patient.unusable else None
        table.add_row(*_line(patient), style=style)
    return table


def findings(patient: PatientReport) -> str:
    """What was found in one patient's files, in words."""
    counts = {FINDINGS[name]: value for name, value in asdict(patient).items() if name in FINDINGS}
    words = [f"{count} {what}" for what, count in counts.items() if count]
    if patient.unusable:
        words.insert(0, f"not usable: {patient.unusable}")
    return "; ".join(words)


def _line(patient: PatientReport) -> tuple[str, ...]:
    return (
        patient.patient,
        f"{patient.days:.1f}",
        f"{patient.sensor_period_min} min",
        f"{patient.coverage_pct:.1f} %",
        str(patient.gaps),
        f"{patient.longest_gap_h:.1f} h",
        findings(patient),
    )
