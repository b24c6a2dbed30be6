"""What the measured machine can do: a rate of commits means little without it."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

BLOCK = b"\0" * 4096
WRITES = 50


def sync_ms(folder: Path) -> float:
    """Returns the median time of a block's append and fdatasync in `folder`, in milliseconds."""
    path = folder / "sync-probe"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        return 1e3 * statistics.median(_write(handle) for _ in range(WRITES))
    finally:
        os.close(handle)
        path.unlink()


def _write(handle: int) -> float:
    started = time.perf_counter()
    os.write(handle, BLOCK)
    os.fdatasync(handle)
    return time.perf_counter() - started
