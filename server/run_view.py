"""A run folder as it lies there now, finished or not: what is known of each round, and what broke.

Nothing here raises for what a folder holds: a file that cannot be read is named, with the reason,
and everything else is shown. Seconds come from the times at which the files were written.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from server.app_ending import FAILURE
from server.run_files import RunFiles, Unreadable
from server.run_record import RUN_RECORD, RunRecord
from study.failure import Failure
from study.protocol import Protocol, parse_protocol
from study.wire import Code

PROTOCOL = "protocol.yaml"
FAILED = f"server/{FAILURE}"
CHECKPOINT = re.compile(r"(\d{4,})-(replies|round)\.safetensors")
RELEASED = Code.RELEASED.name

Phase = Literal["asking", "replied", "over"]


@dataclass(frozen=True)
class Broken:
    """A file that cannot be shown, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class RoundView:
    """One round: the code of each clinic by name, once replies are in, and times since 1970."""

    number: int
    phase: Phase
    codes: Mapping[str, str]
    declared_patients: int | None = None
    asked_s: float | None = None
    replied_s: float | None = None
    over_s: float | None = None

    @property
    def took_part(self) -> tuple[str, ...]:
        """Clinics whose release came."""
        return tuple(name for name, code in self.codes.items() if code == RELEASED)

    @property
    def waited_s(self) -> float | None:
        """Seconds from the question to the last reply, as the files' times tell it."""
        return _between(self.asked_s, self.replied_s)

    @property
    def added_s(self) -> float | None:
        """Seconds from the last reply to the new shared vector."""
        return _between(self.replied_s, self.over_s)


@dataclass(frozen=True)
class RunView:
    """All that a reader may know of a run; parts that are not there are None or empty."""

    name: str
    protocol: Protocol | None
    rounds: tuple[RoundView, ...]
    record: RunRecord | None
    has_report: bool
    broken: tuple[Broken, ...]
    failure: str | None = None

    @property
    def study(self) -> str:
        """The study's name; the folder's where no file tells it."""
        known = self.protocol or self.record
        return known.study if known else self.name

    @property
    def clinics(self) -> tuple[str, ...]:
        """Every clinic that is spoken of, in the protocol's order."""
        listed = [one.name for one in self.protocol.clinics] if self.protocol else []
        listed += self.record.clinic_names if self.record else ()
        listed += [name for one in self.rounds for name in one.codes]
        return tuple(dict.fromkeys(listed))

    @property
    def finished(self) -> int:
        """How many rounds are over."""
        return sum(one.phase == "over" for one in self.rounds)

    @property
    def planned(self) -> int | None:
        """How many rounds the protocol has."""
        return self.protocol.release.rounds if self.protocol else None

    @property
    def is_over(self) -> bool:
        """Whether no round is left to run."""
        return self.finished == self.planned if self.planned else self.record is not None


class _Notes(BaseModel):
    model_config = ConfigDict(strict=True)

    protocol: str


class _Failed(BaseModel):
    found: str
    remedy: str


class _ReplyNotes(_Notes):
    codes: dict[str, int]


class _RoundNotes(_Notes):
    took_part: list[str]
    refused: dict[str, str]
    declared_patients: int


_Form = TypeVar("_Form", bound=_Notes)


def read_run(folder: Path) -> RunView:
    """The run in a folder as it is at this moment."""
    files, broken = RunFiles(folder), list[Broken]()
    agreed = _protocol(files, broken)
    protocol, began_s = agreed or (None, None)
    record = _record(files, broken, protocol)
    rounds = _rounds(files, broken, protocol, began_s)
    has_report = (folder / "report.html").is_file()
    failure = _failure(files, broken)
    name = folder.resolve().name
    return RunView(name, protocol, rounds, record, has_report, tuple(broken), failure)


def _protocol(files: RunFiles, broken: list[Broken]) -> tuple[Protocol, float] | None:
    try:
        found = files.read(PROTOCOL)
        if found is None:
            return None
        return parse_protocol(found.content.decode(), PROTOCOL), found.written_s
    except (ValueError, RecursionError, Failure) as error:
        broken.append(Broken(PROTOCOL, _why(error)))
        return None


def _failure(files: RunFiles, broken: list[Broken]) -> str | None:
    """Why the server stopped, in its own words; a study that goes on takes them away."""
    try:
        found = files.read(FAILED)
        told = _Failed.model_validate_json(found.content) if found else None
        return f"{told.found}. What to do: {told.remedy}" if told else None
    except (Unreadable, ValidationError) as error:
        broken.append(Broken(FAILED, _why(error)))
        return None


def _record(files: RunFiles, broken: list[Broken], protocol: Protocol | None) -> RunRecord | None:
    try:
        found = files.read(RUN_RECORD)
        record = RunRecord.model_validate_json(found.content) if found else None
        if record and protocol and record.protocol_sha256 != protocol.digest():
            raise Unreadable("belongs to another protocol")
        return record
    except (Unreadable, ValidationError) as error:
        broken.append(Broken(RUN_RECORD, _why(error)))
        return None


def _rounds(
    files: RunFiles, broken: list[Broken], protocol: Protocol | None, began_s: float | None
) -> tuple[RoundView, ...]:
    """Rounds from the first, as far as the checkpoints go, and the one that is being asked."""
    names = set(files.server_names())
    numbers = {int(found[1]) for name in names if (found := CHECKPOINT.fullmatch(name))}
    rounds: list[RoundView] = []
    asked_s = began_s
    for number in sorted(numbers):
        one = _round(files, broken, number, asked_s, protocol)
        if one is not None:
            rounds.append(one)
            asked_s = one.over_s
    last = rounds[-1] if rounds else None
    asking = (last.number + 1 if last.phase == "over" else 0) if last else 1
    if protocol is not None and 0 < asking <= protocol.release.rounds:
        rounds.append(RoundView(asking, "asking", {}, asked_s=asked_s))
    return tuple(rounds)


def _round(
    files: RunFiles,
    broken: list[Broken],
    number: int,
    asked_s: float | None,
    protocol: Protocol | None,
) -> RoundView | None:
    """A round from its checkpoints; from one of them if the other is broken."""
    replies = _notes(
        files, broken, f"server/{number:04d}-replies.safetensors", _ReplyNotes, protocol
    )
    over = _notes(files, broken, f"server/{number:04d}-round.safetensors", _RoundNotes, protocol)
    if replies is None and over is None:
        return None
    codes = {name: _code_name(code) for name, code in replies[0].codes.items()} if replies else {}
    if over:
        codes |= dict.fromkeys(over[0].took_part, RELEASED) | over[0].refused
    return RoundView(
        number,
        "over" if over else "replied",
        codes,
        over[0].declared_patients if over else None,
        asked_s,
        replies[1] if replies else None,
        over[1] if over else None,
    )


def _notes(
    files: RunFiles, broken: list[Broken], name: str, form: type[_Form], protocol: Protocol | None
) -> tuple[_Form, float] | None:
    try:
        found = files.notes(name)
        if found is None:
            return None
        notes = form.model_validate(found[0])
        if protocol is not None and notes.protocol != protocol.digest():
            raise Unreadable("belongs to another protocol")
        return notes, found[1]
    except (Unreadable, ValidationError) as error:
        broken.append(Broken(name, _why(error)))
        return None


def _code_name(code: int) -> str:
    return Code(code).name if code in list(Code) else f"CODE_{code}"


def _why(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole file"
        return f"{place}: {first['msg']}"
    return error.found if isinstance(error, Failure) else str(error)


def _between(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else max(0.0, after - before)
