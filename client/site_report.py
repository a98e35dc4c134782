"""What a clinic's import found in each patient's files: a page for people, and the same as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

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


def report_table(report: SiteReport) -> Table:
    """The report as a table, a patient a line; a column that is 0 for everybody is left out."""
    plain = [asdict(patient) for patient in report.patients]
    shown = [name for name in COLUMNS if name in ALWAYS or any(row[name] for row in plain)]
    table = Table(title=f"{report.layout}, clocks of {report.time_zone}", title_justify="left")
    for name in shown:
        table.add_column(COLUMNS[name], justify="left" if name in TEXT else "right")
    for row in plain:
        style = "yellow" if row["unusable"] else None
        table.add_row(*(_cell(name, row) for name in shown), style=style)
    return table


ALWAYS = {"patient", "days", "sensor_period_min", "readings", "coverage_pct"}
TEXT = {"patient", "unusable"}
COLUMNS = {
    "patient": "patient",
    "days": "days",
    "sensor_period_min": "every min",
    "readings": "readings",
    "coverage_pct": "coverage %",
    "gaps": "gaps",
    "longest_gap_h": "longest gap h",
    "interpolated_rows": "inter-polated",
    "interleaved_readings": "inter-leaved",
    "duplicates_removed": "dupli-cates",
    "conflicting_duplicates": "con-flicting",
    "conflicting_basal_records": "basal con-flicting",
    "clipped_readings": "at limit",
    "outliers": "outliers",
    "dst_hours": "clock changes",
    "days_with_cgm_but_no_meals": "days without meals",
    "quarantined_rows": "put aside",
    "unusable": "not usable because",
}
"""Column heads; hyphens are where a narrow terminal may break them."""


def _cell(name: str, row: Mapping[str, object]) -> str:
    value = row[name]
    return f"{value:.1f}" if isinstance(value, float) else str(value)
