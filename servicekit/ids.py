"""Identifiers: time-sortable UUIDs for things, W3C trace context to follow one request."""

import random
import re
from collections.abc import Callable
from typing import TypeAlias

import uuid_utils

from servicekit.errors import invalid

IdSource: TypeAlias = Callable[[], str]
"""Gives a new id at each call; `new_id` in production, a counter in tests."""

# Trace ids need no secrecy, and the system's generator gives the interpreter's lock away each time.
_random = random.Random()  # noqa: S311
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


def new_id() -> str:
    """Returns a UUID version 7: unique everywhere, and ordered by time of making."""
    return str(uuid_utils.uuid7())


def checked_uuid(field: str, text: str) -> str:
    """Returns `text` as a canonical UUID, or raise InvalidArgument naming `field`."""
    try:
        return str(uuid_utils.UUID(text))
    except ValueError:
        raise invalid(field, "a UUID") from None


def usable_request_id(text: str | None) -> str:
    """Returns the caller's request id if it is safe to log and to echo, else a new one."""
    if text is not None and _REQUEST_ID.fullmatch(text):
        return text
    return new_id()


def new_traceparent() -> str:
    """Returns the W3C trace context of a new, sampled trace."""
    return f"00-{_random.getrandbits(128):032x}-{_random.getrandbits(64):016x}-01"


def usable_traceparent(text: str | None) -> str:
    """Returns the caller's trace context if it is one, else that of a new trace."""
    if text is not None and _TRACEPARENT.fullmatch(text):
        return text
    return new_traceparent()


def child_traceparent(parent: str | None) -> str:
    """Returns a new span of `parent`'s trace, or of a new trace if `parent` is none."""
    if parent is None or not _TRACEPARENT.fullmatch(parent):
        return new_traceparent()
    return f"{parent[:36]}{_random.getrandbits(64):016x}{parent[52:]}"
