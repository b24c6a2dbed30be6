"""Decision logs as files: a new one whenever the engine is built anew, the oldest deleted.

A file begins with an engine without nodes and holds every step since, so that it can be replayed
alone. It is written without waiting for the disk: the database is what counts, this is what tells
why.
"""

import asyncio
import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TextIO

from scheduler_service.domain.answers import Explanation
from scheduler_service.domain.errors import HistoryExpired
from scheduler_service.domain.explained import explain_past
from scheduler_service.domain.scheduling.record import BrokenChain
from servicekit.clock import to_micros
from servicekit.logs import logger

KEPT = 20
OPENING = 2
"""Lines that a log begins with: how its engine was made, and all that it was told of the past."""

_NAME = re.compile(r"decisions-(\d{20})\.log")

_log = logger(__name__)


class DecisionLogs:
    """The decision logs of one directory, each ``largest`` bytes and a step after its opening."""

    def __init__(self, directory: Path, largest: int) -> None:
        self._directory = directory
        self._largest = largest
        self._file: TextIO | None = None
        self._lines = 0
        self._size = 0
        self._asking = asyncio.Lock()

    def begin(self, now: datetime) -> None:
        """Begins a new file, in the place of the oldest of too many."""
        self.close()
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / f"decisions-{to_micros(now):020}.log"
        self._file = path.open("w", encoding="utf-8", newline="\n")
        self._lines = self._size = 0
        for old in self._paths()[:-KEPT]:
            old.unlink(missing_ok=True)

    def write(self, line: str) -> None:
        """Adds a line. A disk that is full costs the log, never the decision."""
        if self._file is None:
            return
        try:
            written = self._file.write(f"{line}\n")
            self._file.flush()
            # What a log begins with, down to the rebuilt engine's first step, must not fill it.
            self._size += written if self._lines >= OPENING else 0
            self._lines += 1
        except OSError as error:
            _log.error("decision log given up", error=os.strerror(error.errno or 0))
            self._file = None

    def is_full(self) -> bool:
        """Whether it is time for a new file."""
        return self._size >= self._largest

    def close(self) -> None:
        """Ends the current file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    async def explain(self, workload_id: str, at: datetime) -> Explanation | None:
        """Why a workload waited at a time; None if it neither waited nor ran.

        Replays what led there, beside the event loop and one question at a time.

        Raises:
            HistoryExpired: the decisions of that time are not kept.
        """
        path = self._covering(at)
        async with self._asking:
            try:
                return await asyncio.to_thread(_explain, path, workload_id, at)
            except (OSError, BrokenChain):
                raise HistoryExpired("The decisions of that time cannot be read.") from None

    def _covering(self, at: datetime) -> Path:
        begun = [path for path in self._paths() if _begin(path) <= to_micros(at)]
        if not begun:
            raise HistoryExpired("The decisions of that time are no longer kept.")
        return begun[-1]

    def _paths(self) -> list[Path]:
        """The files, the oldest first."""
        return sorted(it for it in self._directory.glob("decisions-*.log") if _NAME.match(it.name))


def _begin(path: Path) -> int:
    match = _NAME.match(path.name)
    return int(match[1]) if match else 0


def _explain(path: Path, workload_id: str, at: datetime) -> Explanation | None:
    with path.open(encoding="utf-8") as lines:
        return explain_past(_whole(lines), workload_id, at)


def _whole(lines: TextIO) -> Iterator[str]:
    """The lines; the last one may be in the middle of being written."""
    return (line for line in lines if line.endswith("\n"))
