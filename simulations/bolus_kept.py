"""What a long trial has done so far, person by person, in a folder: found again, not done again."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from simulations.kept_file import Plain, keep, read_kept
from study.failure import ExitCode, Failure


def name_of(*parts: object, weights: bytes = b"") -> str:
    """A file's name that says whose it is, and changes with what they were advised by."""
    words = "".join(c if c.isalnum() or c in "-." else "_" for c in "-".join(map(str, parts)))
    return f"{words}-{sha256(weights).hexdigest()[:8]}" if weights else words


def kept(folder: Path, name: str, make: Callable[[], Plain]) -> Plain:
    """What bears this name, from the folder or made now and put there; numbers stay to the bit.

    A Failure where a file of the folder cannot be read.
    """
    path = folder / f"{name}.json"
    try:
        held = read_kept(path)
    except (OSError, ValueError) as error:
        raise Failure(
            found=f"{path}, which is no JSON ({error})",
            expected="what an earlier run of this trial kept there",
            consequence="The trial did not go on.",
            remedy="remove this file, and it is made anew",
            code=ExitCode.BAD_DATA,
        ) from error
    return keep(path, make()) if held is None else held
