"""The processes' log files: begun anew at every start, and followed on request."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TextIO

from local.layout import NAMES, Layout

PAUSE_S = 0.1


def begin(layout: Layout) -> None:
    """Makes an empty log file for each process and keeps those of the last start beside them."""
    layout.logs.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        log = layout.log(name)
        if log.exists():
            log.replace(log.with_suffix(".previous.log"))
        log.touch()


class Follower:
    """Copies what is appended to the logs of a system, each line with the process's name."""

    def __init__(self, layout: Layout, output: TextIO) -> None:
        """Starts following from the files' beginnings."""
        self._output = output
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._follow, args=(layout.log(name), name), daemon=True)
            for name in NAMES
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Copies what is still there and ends."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _follow(self, path: Path, name: str) -> None:
        with path.open(errors="replace") as file:
            is_last_round = False
            while not is_last_round:
                is_last_round = self._stopping.wait(PAUSE_S)
                for line in file:
                    self._output.write(f"{name:<17} {line}")
