"""Machine code that numba keeps on the disk, forgotten once any kernel's source is newer.

numba looks at the file of the function it kept, and not at those of the functions which that one
calls: after an update it could go on running the old equations without a word.
"""

from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KERNELS = ("models", "simulations")
"""Folders with compiled functions; the second is missing where no study is simulated."""


def forget_stale(root: Path = ROOT) -> int:
    """Removes what was compiled before the newest source of a kernel was written; how many files.

    A folder that cannot be written to is left as it is: nothing was kept in it either.
    """
    kept = [path for one in KERNELS for path in (root / one / "__pycache__").glob("*.nb[ic]")]
    sources = [path for one in KERNELS for path in (root / one).glob("*.py")]
    oldest = min(map(_written, kept), default=float("inf"))
    newer = [path for path in sources if _written(path) > oldest]
    newest = max(map(_written, _compiled(newer)), default=0.0)
    stale = [path for path in kept if _written(path) < newest]
    return sum(_removed(path) for path in stale)


def _compiled(sources: Iterable[Path]) -> list[Path]:
    return [path for path in sources if "njit" in path.read_text(encoding="utf-8")]


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another process forgot it in the meantime
        return float("inf")


def _removed(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True
