"""Whether the disk of a site folder takes what is written, and has room for a study."""

import os
import shutil
import tempfile
from pathlib import Path

from client.preflight import Trouble

LEAST_FREE_BYTES = 256 * 2**20
TRIED_BYTES = 2**16


def look_at_disk(site: Path) -> str:
    """What was seen, after a file was written, brought to the disk and taken away; else Trouble."""
    try:
        with tempfile.TemporaryFile(dir=site) as file:
            file.write(os.urandom(TRIED_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise Trouble("disk-write", f"{site}: {error.strerror}") from error
    free = shutil.disk_usage(site).free
    words = f"{free / 2**20:.0f} MiB free, {LEAST_FREE_BYTES / 2**20:.0f} needed"
    if free < LEAST_FREE_BYTES:
        raise Trouble("disk-space", words)
    return f"{words}; written and synced"
