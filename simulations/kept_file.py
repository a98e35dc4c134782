"""What a long computation has found so far, in files: found again and not made again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from server.run_record import write_atomically

Plain = dict[str, Any]


def read_kept(path: Path) -> Plain | None:
    """The JSON object of a file; None where it is not there. OSError or ValueError if it is none.

    Numbers stay to the bit.
    """
    if not path.exists():
        return None
    held = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(held, dict):
        raise ValueError(f"found {type(held).__name__}; expected an object")
    return held


def keep(path: Path, found: Plain) -> Plain:
    """What was found, once it is on the disk, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(found) + "\n")
    return found


def read_lines(path: Path) -> list[Any]:
    """What JSON stands on each line, nothing where there is no file; OSError or ValueError."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def add_line(path: Path, row: Mapping[str, Any]) -> None:
    """One more line, in one write, so that lines of several processes do not mix."""
    with path.open("ab", buffering=0) as file:
        file.write(f"{json.dumps(row)}\n".encode())
