"""PostgreSQL arrays in their binary form, packed a column at a time.

The driver makes an array value by value in Python, which for a group's rows took longer than all
the group's statements. The form is that of the server's `array_recv`: dimensions, a flag for nulls,
the element's type, length and lower bound, then each value behind its length.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from struct import Struct
from typing import Any, NamedTuple

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_HEADER = Struct("!iiIii").pack
_LENGTH = Struct("!i").pack
_NULL = _LENGTH(-1)


def packed(type_name: str, values: Sequence[Any]) -> Any:
    """The parameter for a column of values; None stands for NULL.

    Raises:
        KeyError: there are no columns of this type, in SQL's words such as "BIGINT".
    """
    kind = _KINDS[type_name]
    encoded = [b"" if value is None else kind.encode(value) for value in values]
    lengths = [
        _NULL if value is None else _LENGTH(len(its))
        for value, its in zip(values, encoded, strict=True)
    ]
    header = _HEADER(1, _NULL in lengths, kind.oid, len(values), 1)
    parts = chain.from_iterable(zip(lengths, encoded, strict=True))
    return kind.parameter(header + b"".join(parts))


class _Array:
    """An array's bytes on the way to the driver; each type of element has a class of its own."""

    def __init__(self, data: bytes) -> None:
        self.data = data


class _Kind(NamedTuple):
    """A type of element: its oid, how a value is encoded, and the class of its arrays."""

    oid: int
    encode: Callable[[Any], bytes]
    parameter: type[_Array]


def _kind(oid: int, array_oid: int, encode: Callable[[Any], bytes]) -> _Kind:
    parameter = type("_Array", (_Array,), {})
    settings = {"oid": array_oid, "format": Format.BINARY, "dump": lambda _, array: array.data}
    psycopg.adapters.register_dumper(parameter, type("_ArrayDumper", (Dumper,), settings))
    return _Kind(oid, encode, parameter)


_KINDS = {
    "BOOLEAN": _kind(16, 1000, Struct("!?").pack),
    "BYTEA": _kind(17, 1001, bytes),
    "BIGINT": _kind(20, 1016, Struct("!q").pack),
    "INTEGER": _kind(23, 1007, Struct("!i").pack),
    "TEXT": _kind(25, 1009, str.encode),
}
