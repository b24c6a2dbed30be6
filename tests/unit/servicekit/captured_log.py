"""The process's log, caught: what is configured for one test is undone after it."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from servicekit import logs


class CapturedLog:
    """What was written since, at level info."""

    def __init__(self) -> None:
        self.stream = io.BytesIO()
        logs.configure("demo", "info", self.stream)

    def lines(self) -> list[dict[str, Any]]:
        """Returns the lines that have been written; those that wait are not among them."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@contextmanager
def captured_log() -> Iterator[CapturedLog]:
    """Catches the log within the block."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield CapturedLog()
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
