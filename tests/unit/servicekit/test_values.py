"""Values: frozen, compared by content, small as JSON, and able to travel."""

import pickle
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from servicekit.values import PlainValue, Value, field, replace


class Point(Value, frozen=True):
    """A value with a default of each sort."""

    x: int
    y: int = 0
    names: dict[str, str] = field(default_factory=dict)


def test_a_value_never_changes() -> None:
    """What was decided on cannot be altered behind the back of whoever decided."""
    with pytest.raises(AttributeError):
        Point(1).x = 2  # type: ignore[misc]


def test_a_changed_copy_leaves_the_original() -> None:
    """``replace`` keeps all that it is not told."""
    point = Point(1, 2)

    assert Point(1, 3) == replace(point, y=3)
    assert Point(1, 2) == point


def test_defaults_are_left_out_of_the_document_and_come_back() -> None:
    """A row and an event hold only what differs from the usual."""
    document = msgspec.json.encode(Point(1))

    assert b'{"x":1}' == document
    assert Point(1, 0, {}) == msgspec.json.decode(document, type=Point)


def test_a_value_travels() -> None:
    """Commands reach the writer's process as they were."""
    point = Point(1, 2, {"a": "b"})

    assert point == pickle.loads(pickle.dumps(point))


class Account(Value, frozen=True):
    """A value with something to hide."""

    hidden = ("secret",)
    name: str
    secret: str = ""


def test_a_value_shows_all_but_what_it_hides() -> None:
    """A log line about a command must not have the password in it."""
    assert "Account(name='ada')" == repr(Account("ada", "s3cret"))
    assert "Point(x=1, y=2, names={})" == repr(Point(1, 2))
    assert Account("ada", "s3cret") != Account("ada", "other")


def test_what_hides_something_still_travels_whole() -> None:
    """It is hidden from readers, not from the writer's process."""
    assert "s3cret" == pickle.loads(pickle.dumps(Account("ada", "s3cret"))).secret


class Route(PlainValue, frozen=True, kw_only=True):
    """A plain value with others inside."""

    points: tuple[Point, ...]
    since: datetime
    length: timedelta | None = None


def test_a_plain_value_travels_in_one_piece() -> None:
    """With all that hangs on it, times to the microsecond, tuples as tuples."""
    since = datetime(2026, 1, 1, 12, 0, 0, 123_456, tzinfo=UTC)
    route = Route(points=(Point(1), Point(2, names={"a": "b"})), since=since)

    travelled = pickle.loads(pickle.dumps([route]))[0]

    assert route == travelled
    assert tuple is type(travelled.points)
    assert b"Point" not in pickle.dumps(route)
