"""Files of a run folder as somebody reads them who trusts none: regular, of bounded size, inside.

A link is not followed, a pipe is not waited at, and a file that is cut short is said to be.
"""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.checkpoint import NOTES

LARGEST_BYTES = 32 * 2**20
LONGEST_HEADER = 2**20


class Unreadable(ValueError):
    """A file that is there and is not what it should be, in words for a page."""


@dataclass(frozen=True)
class File:
    """The bytes of a file and when it was written, seconds since 1970."""

    content: bytes
    written_s: float


@dataclass(frozen=True)
class RunFiles:
    """A run folder, read only; names hold no folder but the part `server/`."""

    folder: Path

    def read(self, name: str) -> File | None:
        """A whole file; None where there is none."""
        with self._opened(name) as found:
            if found is None:
                return None
            handle, told = found
            if told.st_size > LARGEST_BYTES:
                raise Unreadable(f"is larger than {LARGEST_BYTES} bytes")
            return File(_exactly(handle, told.st_size), told.st_mtime)

    def notes(self, name: str) -> tuple[dict[str, Any], float] | None:
        """What a checkpoint says beside its numbers, and when it was written; None if absent."""
        with self._opened(name) as found:
            if found is None:
                return None
            handle, told = found
            length = int.from_bytes(_exactly(handle, 8), "little")
            if length > LONGEST_HEADER:
                raise Unreadable("does not begin as a checkpoint does")
            header = _exactly(handle, length)
            return _notes(header, told.st_size - 8 - length), told.st_mtime

    def server_names(self) -> list[str]:
        """Names of what lies in server/, sorted; none where there is no such folder."""
        try:
            handle = self._folder("server")
        except OSError:
            return []
        try:
            return sorted(os.listdir(handle))
        finally:
            os.close(handle)

    @contextmanager
    def _opened(self, name: str) -> Iterator[tuple[int, os.stat_result] | None]:
        part, _, last = name.rpartition("/")
        try:
            folder = self._folder(part)
            try:
                handle = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            finally:
                os.close(folder)
        except FileNotFoundError:
            yield None
            return
        except OSError as error:
            raise Unreadable(f"cannot be opened: {error.strerror}") from error
        try:
            told = os.fstat(handle)
            if not stat.S_ISREG(told.st_mode):
                raise Unreadable("is no regular file")
            yield handle, told
        finally:
            os.close(handle)

    def _folder(self, part: str) -> int:
        """A handle of the run folder, or of a folder in it that is no link."""
        top = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        if not part:
            return top
        try:
            return os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
        finally:
            os.close(top)


def _exactly(handle: int, count: int) -> bytes:
    """The next so many bytes."""
    parts, left = [], count
    try:
        while left and (part := os.read(handle, left)):
            parts.append(part)
            left -= len(part)
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from error
    if left:
        raise Unreadable(f"ends {left} bytes too soon")
    return b"".join(parts)


def _notes(header: bytes, body_bytes: int) -> dict[str, Any]:
    """The notes in a safetensors header, whose tensors fill the rest of the file."""
    try:
        told = json.loads(header)
        notes = json.loads(told.pop("__metadata__")[NOTES])
        ends = [int(one["data_offsets"][1]) for one in told.values()]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise Unreadable("does not begin as a checkpoint does") from error
    if max(ends, default=0) != body_bytes:
        raise Unreadable(f"holds {body_bytes} bytes of numbers where {max(ends, default=0)} belong")
    if not isinstance(notes, dict):
        raise Unreadable("holds notes of another form")
    return notes
