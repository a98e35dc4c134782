"""Forgetting one patient at a site: what is erased, in an order that a crash cannot undo.

The list of the forgotten comes first: from then on no release uses the patient, whatever is still
on the disk. Running it again finishes what a crash cut short.
"""

import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from client.departure import forget_pseudonym, takes_part
from client.head_store import HeadStore
from client.site_folder import QUARANTINE, REPORT, SITE_TABLE, disk
from client.site_table import read_site, write_site, write_whole
from models.trace import Trace
from privacy.durable import sync_folder
from study.failure import ExitCode, Failure

UNFINISHED = f".{SITE_TABLE}.*", f".{REPORT}.*", f".{QUARANTINE}.*", "heads/tmp*"
"""What a killed process may have left behind: whole tables and heads, under passing names."""


@dataclass(frozen=True)
class Erased:
    """What was erased, as names of files below the site; `named_in` still name the patient.

    `days` of readings are gone from the site table. The pseudonym is what the site calls a patient.
    Of each log, `named_in` has how many of its lines are to be read by a person.
    """

    pseudonym: str
    files: tuple[str, ...]
    days: float
    named_in: dict[str, int]


def forget(site: Path, patient: str) -> Erased:
    """Erase what the site keeps of a patient, for good; a Failure if it knows nobody so named.

    Where the site table cannot be read, the patient takes part no more all the same.
    """
    if not site.is_dir():
        raise _unknown(site)
    store = HeadStore(site)
    pseudonym = store.pseudonym(patient)
    traces = _traces(site, patient)
    known = any(one.patient == patient for one in traces) or pseudonym in store.pseudonyms()
    if not known and takes_part(site)(patient):
        raise _unknown(site)
    forget_pseudonym(site, patient)
    with disk(site):
        files = [*_erased_pages(site, patient), *_erased_lists(site, patient)]
        for pattern in (f"**/*{pseudonym}*", *UNFINISHED):
            files += _erased(site, site.glob(pattern))
        kept = [one for one in traces if one.patient != patient]
        if len(kept) < len(traces):
            write_site(site / SITE_TABLE, kept)
            files.append(SITE_TABLE)
    days = sum(one.days for one in traces if one.patient == patient)
    return Erased(pseudonym, tuple(sorted(files)), days, _named_in(site, patient))


def _traces(site: Path, patient: str) -> tuple[Trace, ...]:
    if not (site / SITE_TABLE).exists():
        return ()
    try:
        return read_site(site / SITE_TABLE)
    except Failure:
        forget_pseudonym(site, patient)
        raise


def _erased(site: Path, paths: Iterable[Path]) -> Iterator[str]:
    """Each of these files, taken off the disk."""
    for path in sorted(paths):
        path.unlink()
        sync_folder(path.parent)
        yield path.relative_to(site).as_posix()


def _erased_pages(site: Path, patient: str) -> Iterator[str]:
    """Pages that name the patient: quality cards and their overview, which can be made again."""
    name = _name(patient)

    def tells(page: Path) -> bool:
        text = page.read_text(encoding="utf-8", errors="replace")
        return name.search(html.unescape(text)) is not None

    yield from _erased(site, [path for path in site.rglob("*.html") if tells(path)])


def _erased_lists(site: Path, patient: str) -> Iterator[str]:
    """The import's report without the patient; its list of bad rows, which names files, emptied."""
    if (site / REPORT).exists():
        report = _read_report(site / REPORT)
        people = [one for one in report["patients"] if one["patient"] != patient]
        if len(people) < len(report["patients"]):
            plain = {**report, "patients": people}
            write_whole(site / REPORT, json.dumps(plain, indent=1).encode())
            yield REPORT
    if (site / QUARANTINE).exists():
        header = (site / QUARANTINE).read_bytes().partition(b"\n")[0]
        write_whole(site / QUARANTINE, header + b"\n")
        yield QUARANTINE


def _read_report(path: Path) -> dict[str, list[dict[str, object]]]:
    try:
        report: dict[str, list[dict[str, object]]] = json.loads(path.read_bytes())
        [one["patient"] for one in report["patients"]]
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(
            found=f"{path}, which is no report of an import ({error!r})",
            expected="the report that `insula site import` wrote",
            consequence="The patient is forgotten by the agent; this file may still name them.",
            remedy=f"delete {path} and run the command again",
            code=ExitCode.BAD_DATA,
        ) from error
    return report


def _named_in(site: Path, patient: str) -> dict[str, int]:
    """Logs below the site whose lines name the patient, and how many do."""
    logs = sorted([*site.rglob("*.log"), *site.rglob("*.txt")])
    counts = {path.relative_to(site).as_posix(): _lines_that_name(path, patient) for path in logs}
    return {name: count for name, count in counts.items() if count}


def _lines_that_name(log: Path, patient: str) -> int:
    name = _name(patient)
    with log.open(encoding="utf-8", errors="replace") as lines:
        return sum(1 for line in lines if name.search(line))


def _name(patient: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(patient)}(?!\w)")


def _unknown(site: Path) -> Failure:
    return Failure(
        found=f"nobody of this name in {site / SITE_TABLE} or among the heads",
        expected="a patient of this site, named as in its exports",
        consequence="Nothing was erased.",
        remedy="`insula twin list` names the patients",
        code=ExitCode.MISSING_INPUT,
    )
