"""A disk that takes nothing, or has no room, is told before the first round needs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from client import disk_check
from client.disk_check import look_at_disk
from client.preflight import Trouble


def test_a_good_disk_is_left_as_it_was(tmp_path: Path) -> None:
    assert look_at_disk(tmp_path).endswith("256 needed; written and synced")
    assert list(tmp_path.iterdir()) == []


def test_little_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_check, "LEAST_FREE_BYTES", 2**62)
    with pytest.raises(Trouble) as trouble:
        look_at_disk(tmp_path)
    assert trouble.value.code == "disk-space"


@pytest.mark.parametrize("place", ["absent", "file"])
def test_what_is_no_folder_is_told(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Trouble) as trouble:
        look_at_disk(tmp_path / place)
    assert trouble.value.code == "disk-write"


def test_a_disk_that_fails_when_it_is_asked_to_keep_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(Trouble, match="Input/output error") as trouble:
        look_at_disk(tmp_path)
    assert trouble.value.code == "disk-write"


MOUNTED = """\
mount -t tmpfs -o "$3" none "$1" && exec "$2" -c '
import sys
from pathlib import Path
from client.disk_check import look_at_disk
from client.preflight import Trouble
try:
    look_at_disk(Path(sys.argv[1]))
except Trouble as trouble:
    print(trouble.code, trouble.found)
' "$1"
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "reason"), [("size=16k", "No space left"), ("ro", "Read-only file system")]
)
def test_a_real_disk_that_takes_nothing_is_told(options: str, reason: str, tmp_path: Path) -> None:
    """A file system of its own, in a namespace of its own."""
    words = ["unshare", "--mount", "--map-root-user", "sh", "-c", MOUNTED, "sh"]
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [*words, str(tmp_path), sys.executable, options],
        capture_output=True,
        text=True,
        cwd=root,
        check=False,
    )
    if "unshare" in ran.stderr or "mount:" in ran.stderr:
        pytest.skip("needs a mount namespace of its own, which this machine refuses")
    assert ran.stdout.startswith(f"disk-write {tmp_path}: {reason}")
