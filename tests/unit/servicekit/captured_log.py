"""The process's log, caught: what is configured for one test is undone after it."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
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
def captured_log(*modules: ModuleType) -> Iterator[CapturedLog]:
    """Catches the log within the block.

    A module's logger keeps the level that it was first used with, in whatever test that was; the
    ``modules`` have a fresh one meanwhile.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    kept = {module: module.__dict__["_log"] for module in modules}
    try:
        for module in modules:
            module.__dict__["_log"] = logs.logger(module.__name__)
        yield CapturedLog()
    finally:
        for module, logger in kept.items():
            module.__dict__["_log"] = logger
        logging.captureWarnings(capture=False)
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
