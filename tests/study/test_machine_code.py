"""What numba kept of older equations is forgotten, and of the newest it is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from study.machine_code import forget_stale

CALLED = "import numba\n@numba.njit(cache=True, inline='always')\ndef rate(x):\n    return {} * x\n"
CALLER = (
    "import numba\nfrom models.called import rate\n"
    "@numba.njit(cache=True)\ndef run(x):\n    return rate(x)\n"
)


def write(path: Path, text: str, at_s: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (at_s, at_s))
    return path


def kept(root: Path, at_s: float, name: str = "a.f-1.nbi") -> Path:
    return write(root / "models" / "__pycache__" / name, "", at_s)


def test_older_than_a_kernel_is_forgotten_and_newer_is_kept(tmp_path: Path) -> None:
    write(tmp_path / "simulations" / "b.py", "@njit\ndef f(): ...", 200.0)
    old, data, new = (
        kept(tmp_path, 100.0),
        kept(tmp_path, 150.0, "a.nbc"),
        kept(tmp_path, 300.0, "c.nbi"),
    )
    assert forget_stale(tmp_path) == 2
    assert [one.exists() for one in (old, data, new)] == [False, False, True]
    assert forget_stale(tmp_path) == 0


def test_a_source_without_a_kernel_costs_nothing(tmp_path: Path) -> None:
    write(tmp_path / "models" / "plain.py", "x = 1", 200.0)
    assert forget_stale(tmp_path) == 0 and not forget_stale(tmp_path / "absent")
    assert kept(tmp_path, 100.0).exists()
    assert forget_stale(tmp_path) == 0


def answer(root: Path) -> float:
    code = "from models.caller import run; print(run(1.0))"
    return float(subprocess.check_output([sys.executable, "-c", code], cwd=root, text=True))


@pytest.mark.slow
def test_planted_without_it_an_update_runs_the_old_equations(tmp_path: Path) -> None:
    write(tmp_path / "models" / "__init__.py", "", 100.0)
    write(tmp_path / "models" / "caller.py", CALLER, 100.0)
    write(tmp_path / "models" / "called.py", CALLED.format("2.0"), 100.0)
    assert answer(tmp_path) == 2.0
    (tmp_path / "models" / "called.py").write_text(CALLED.format("3.0"))
    later = 2.0 * os.stat(tmp_path / "models" / "called.py").st_mtime
    os.utime(tmp_path / "models" / "called.py", (later, later))
    assert answer(tmp_path) == 2.0, "numba sees changes of callers' files alone"
    assert forget_stale(tmp_path) > 0
    assert answer(tmp_path) == 3.0
