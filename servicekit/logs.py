"""JSON lines on stderr, the same for structlog and for the standard library's logging.

Each line has time, level, service, logger and event, the request id and trace of the call being
served, and whatever the caller added; a value under a key that names a secret is not written.
"""

import asyncio
import atexit
import logging
import sys
import traceback
from collections import deque
from collections.abc import MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from time import time
from typing import Any, BinaryIO, cast

import orjson
import structlog
from structlog.typing import FilteringBoundLogger

from servicekit.call import call_or_none

REDACTED = "[redacted]"

_FLUSH_SECONDS = 0.05
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO}
_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
_SECRET_WORDS = ("authorization", "password", "passphrase", "token", "secret", "cookie", "api_key")
_NO_SECRETS = frozenset({"token_id"})
_NOISY = ("asyncio", "uvicorn.access", "httpx", "httpcore")


def configure(service: str, level: str = "info", stream: BinaryIO | None = None) -> None:
    """Sends all logging of the process to `stream` (stderr) as JSON lines from `level` up.

    Called once, first thing in a process: a logger keeps the level that it was first used with.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    _lines.flush()
    _lines.service = service
    _lines.level = number
    _lines.stream = stream or sys.stderr.buffer
    structlog.configure(
        processors=[_lines.render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _lines,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=number, handlers=[_Handler()], force=True)
    logging.captureWarnings(capture=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    atexit.register(_lines.flush)


def logger(name: str) -> FilteringBoundLogger:
    """Returns the logger of a module; it may be made before `configure`."""
    return cast("FilteringBoundLogger", structlog.get_logger(source=name))


def write(level: str, source: str, event: str, moment: float, fields: dict[str, Any]) -> None:
    """Writes one line of a hot path: `moment` in seconds since 1970, `fields` without secrets."""
    if _LEVELS[level] >= _lines.level:
        _lines.info(
            orjson.dumps(_lines.opening(moment, level, source, event) | fields, option=_OPTIONS)
        )


class _Lines:
    """Writes one line an event; a log that cannot be written must not fail what is logged.

    On an event loop the lines of debug and info wait up to 50 ms for company: each write gives
    the interpreter's lock away, which costs a call more than all the rest of its logging.
    """

    def __init__(self) -> None:
        self.service = ""
        self.level = logging.INFO
        self.stream: BinaryIO = sys.stderr.buffer
        self._waiting: deque[bytes] = deque()
        self._flushing: asyncio.AbstractEventLoop | None = None

    def render(self, _logger: Any, level: str, event: MutableMapping[str, Any]) -> bytes:
        """Returns the event as a line: what is always there first, then what the caller added."""
        fields = self.opening(time(), level, event.pop("source", ""), event.pop("event", ""))
        call = call_or_none()
        if call is not None:
            fields["request_id"] = call.request_id
            fields["traceparent"] = call.traceparent
        trace = _traceback(event.pop("exc_info", None))
        for key, value in event.items():
            fields[key] = REDACTED if _is_secret(key) else _nested(value)
        if trace:
            fields["exception"] = trace
        return orjson.dumps(fields, default=str, option=_OPTIONS)

    def opening(self, moment: float, level: str, source: str, event: Any) -> dict[str, Any]:
        """Returns what every line begins with."""
        return {
            "time": datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds"),
            "level": level,
            "service": self.service,
            "logger": source,
            "event": event,
        }

    def info(self, line: bytes) -> None:
        """Writes a line soon, together with others; at once where no event loop runs."""
        self._waiting.append(line)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        if self._flushing is not loop:
            self._flushing = loop
            loop.call_later(_FLUSH_SECONDS, self.flush)

    def error(self, line: bytes) -> None:
        """Writes a line at once, after those that wait."""
        self._waiting.append(line)
        self.flush()

    debug = msg = info
    warning = critical = exception = warn = fatal = error

    def flush(self) -> None:
        """Writes the lines that wait."""
        self._flushing = None
        lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            self.stream.write(b"".join(lines))
            self.stream.flush()
        except (OSError, ValueError):
            return


class _Handler(logging.Handler):
    """Writes the standard library's records as the same lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record; a warning at once."""
        event = {"source": record.name, "event": record.getMessage(), "exc_info": record.exc_info}
        line = _lines.render(None, record.levelname.lower(), event)
        if record.levelno >= logging.WARNING:
            _lines.error(line)
        else:
            _lines.info(line)

    def flush(self) -> None:
        """Writes the lines that wait."""
        _lines.flush()


def _nested(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        key: REDACTED if _is_secret(str(key)) else _nested(inner) for key, inner in value.items()
    }


@lru_cache(maxsize=1024)
def _is_secret(key: str) -> bool:
    word = key.lower().replace("-", "_")
    return word not in _NO_SECRETS and any(secret in word for secret in _SECRET_WORDS)


def _traceback(exc_info: Any) -> str:
    if not exc_info:
        return ""
    if exc_info is True:
        exc_info = sys.exc_info()
    error = exc_info if isinstance(exc_info, BaseException) else exc_info[1]
    return "".join(traceback.format_exception(error)) if error is not None else ""


_lines = _Lines()
