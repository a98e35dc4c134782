"""What the centre knows after each phase of each round, on disk in one step, so it can be killed.

A round has two phases: the replies are in, and the shared vector has moved. Who is killed between
them does not ask the clinics again, so that a clinic that came late changes nothing.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load, save

from models.trace import FloatArray
from study.failure import ExitCode, Failure
from study.wire import Code, Reply

SHARED, NOTES = "shared", "notes"
REPLIES = "replies"


@dataclass(frozen=True)
class RoundResult:
    """One finished round: who took part, why others did not, and the shared vector (d,) after it.

    `declared_patients` stand behind the round; `refused` is clinic -> code, by name.
    """

    round_number: int
    took_part: tuple[str, ...]
    refused: Mapping[str, str]
    declared_patients: int
    shared: FloatArray = field(repr=False)


@dataclass(frozen=True)
class Checkpoints:
    """A study's phases in a folder, bound to the digests of its protocol and public start."""

    folder: Path
    protocol_sha256: str
    start_sha256: str

    def keep_replies(
        self, round_number: int, replies: Mapping[str, Reply], phase: str = REPLIES
    ) -> None:
        """Phase one: every clinic's reply."""
        codes = {name: int(reply.code) for name, reply in replies.items()}
        releases = {
            name: reply.release for name, reply in replies.items() if reply.release is not None
        }
        self._write(self.path(round_number, phase), releases, {"codes": codes})

    def replies(self, round_number: int, phase: str = REPLIES) -> dict[str, Reply] | None:
        """The replies of a round by clinic, or None before they are all in."""
        path = self.path(round_number, phase)
        if not path.is_file():
            return None
        releases, notes = self._read(path)
        return {
            name: Reply(name, Code(code), releases.get(name))
            for name, code in notes["codes"].items()
        }

    def keep_round(self, result: RoundResult) -> None:
        """Phase two: the round is over."""
        notes = {
            "round": result.round_number,
            "took_part": result.took_part,
            "refused": dict(result.refused),
            "declared_patients": result.declared_patients,
        }
        self._write(self.path(result.round_number, "round"), {SHARED: result.shared}, notes)

    def finished(self) -> list[RoundResult]:
        """The rounds that are over, from the first, without a gap."""
        results: list[RoundResult] = []
        while (path := self.path(len(results) + 1, "round")).is_file():
            tensors, notes = self._read(path)
            result = RoundResult(
                notes["round"],
                tuple(notes["took_part"]),
                notes["refused"],
                notes["declared_patients"],
                tensors[SHARED],
            )
            results.append(result)
        return results

    def path(self, round_number: int, phase: str) -> Path:
        """Where a phase, `replies` or `round`, or the `metrics` at the end, is written."""
        return self.folder / f"{round_number:04d}-{phase}.safetensors"

    def _write(
        self, path: Path, tensors: Mapping[str, FloatArray], notes: Mapping[str, Any]
    ) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        bound = {"protocol": self.protocol_sha256, "start": self.start_sha256, **notes}
        # One entry only: safetensors writes several in no fixed order. Keys stay as they come: the
        # order of the clinics is the order in which their rows are added up.
        replace_whole(path, save(dict(tensors), {NOTES: json.dumps(bound)}))

    def _read(self, path: Path) -> tuple[dict[str, FloatArray], dict[str, Any]]:
        try:
            content = path.read_bytes()
            tensors = load(content)
            header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            notes = json.loads(header["__metadata__"][NOTES])
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise _unusable(path, f"cannot be read: {error}") from error
        if (notes["protocol"], notes["start"]) != (self.protocol_sha256, self.start_sha256):
            raise _unusable(path, "belongs to another protocol or another public start")
        return tensors, notes


def replace_whole(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step: written beside it, synced, renamed, folder synced.

    Raises Failure NOT_WRITTEN where the disk does not take it; what was there before is there.
    """
    draft = path.with_name(f".{path.name}.draft")
    try:
        _synced(draft, content)
        os.replace(draft, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise _not_written(path, error) from error


def _synced(draft: Path, content: bytes) -> None:
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def vector_sha256(vector: FloatArray) -> str:
    """Digest of a shared vector (d,): its little-endian float64 bytes."""
    return hashlib.sha256(vector.astype("<f8").tobytes()).hexdigest()


def _unusable(path: Path, found: str) -> Failure:
    return Failure(
        found=f"checkpoint {path}, which {found}",
        expected="a phase of this study as the server writes it",
        consequence="The study was not continued.",
        remedy="give the folder of this protocol's run, or a new one with --out",
        code=ExitCode.BAD_DATA,
    )


def _not_written(path: Path, error: OSError) -> Failure:
    return Failure(
        found=f"{error.strerror or error} at {path}",
        expected="a disk with room, and permission to write to it",
        consequence="The study stopped. Nothing half written was left; finished rounds are kept.",
        remedy="make room or give permission to write, then run again or `insula study resume RUN`",
        code=ExitCode.NOT_WRITTEN,
    )
