"""Checks of single fields. Each refusal names the field by its path and says what was expected."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration

from servicekit import wellknown
from servicekit.errors import invalid

LONGEST = timedelta(days=366)
LONGEST_TEXT = 1024
MOST_LABELS = 32
LONGEST_LABEL_KEY = 63
LONGEST_LABEL_VALUE = 255
PAGE_DEFAULT = 50
PAGE_MOST = 500

T = TypeVar("T")


def text(value: str, field: str, longest: int = LONGEST_TEXT) -> str:
    """A text that both databases can hold: not too long, and without NUL."""
    if len(value) > longest or "\0" in value:
        raise invalid(field, f"at most {longest} characters, none of them NUL")
    return value


def printable(value: str, field: str, longest: int) -> str:
    """A text of one line; the scheduler takes no other as a name of its own."""
    if value and not (len(value) <= longest and value.isprintable()):
        raise invalid(field, f"at most {longest} printable characters")
    return value


def required(value: str, field: str, longest: int = LONGEST_TEXT) -> str:
    """A text that must be there."""
    if not value.strip():
        raise invalid(field, "a text that is not empty")
    return text(value, field, longest)


def between(number: int, least: int, most: int, default: int, field: str) -> int:
    """A whole number; 0 stands for the default."""
    number = number or default
    if not least <= number <= most:
        raise invalid(field, f"a whole number from {least} to {most}")
    return number


def known(values: Mapping[int, T], number: int, field: str) -> T:
    """What a number of an enum means; the contract may have numbers that are not known here."""
    if number not in values:
        raise invalid(field, f"one of the contract's values, not {number}")
    return values[number]


def labels(pairs: Mapping[str, str], field: str) -> dict[str, str]:
    """Labels by their keys."""
    if not pairs:
        return {}
    if len(pairs) > MOST_LABELS:
        raise invalid(field, f"at most {MOST_LABELS} labels")
    found = plain(pairs)
    for key, value in found.items():
        label_key(key, field)
        text(value, field, LONGEST_LABEL_VALUE)
    return found


def plain(pairs: Mapping[str, str]) -> dict[str, str]:
    """A map field as a dictionary, in half the time that the field's own ``items`` takes."""
    return {key: pairs[key] for key in pairs}


def label_key(key: str, field: str) -> str:
    """A key that a condition "key=value" can name."""
    if not 0 < len(key) <= LONGEST_LABEL_KEY or "=" in key or "\0" in key:
        raise invalid(field, f"keys of 1 to {LONGEST_LABEL_KEY} characters without = and NUL")
    return key


def duration(value: Duration, field: str, least: timedelta = timedelta(seconds=1)) -> timedelta:
    """A span from ``least`` to the longest that a job may take."""
    if abs(value.seconds) <= LONGEST.total_seconds():
        span = wellknown.span(value)
        if least <= span <= LONGEST:
            return span
    raise invalid(field, f"a duration from {least.total_seconds():.0f} s to {LONGEST.days} days")


def moment(request: Any, field: str, path: str = "") -> datetime | None:
    """An optional time of a request, or of the part of one that ``path`` leads to."""
    if not request.HasField(field):
        return None
    try:
        return wellknown.moment(getattr(request, field))
    except OverflowError:
        raise invalid(path + field, "a time between the years 1 and 9999") from None


def page_size(asked: int) -> int:
    """The size of a page: the default for 0, the most for more than that."""
    if asked < 0:
        raise invalid("page_size", "0 or more")
    return min(asked or PAGE_DEFAULT, PAGE_MOST)
