"""One function per scalar type that turns a JSON value into what a message's field takes."""

import base64
import binascii
import difflib
import math
import re
import struct
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from gateway.transcoding.mismatch import Mismatch

Convert = Callable[[Any], Any]
"""JSON value in, field value out; raises Mismatch."""

_F = FieldDescriptor
_INT32 = {_F.TYPE_INT32, _F.TYPE_SINT32, _F.TYPE_SFIXED32}
_UINT32 = {_F.TYPE_UINT32, _F.TYPE_FIXED32}
_INT64 = {_F.TYPE_INT64, _F.TYPE_SINT64, _F.TYPE_SFIXED64}
_UINT64 = {_F.TYPE_UINT64, _F.TYPE_FIXED64}
WIDE = frozenset(_INT64 | _UINT64)
"""The integer types that JSON carries as strings."""

_INTEGER_TEXT = re.compile(r"-?\d{1,20}", re.ASCII)
_NUMBER_TEXT = re.compile(r"-?\d{1,400}(\.\d{1,400})?([eE][+-]?\d{1,4})?", re.ASCII)
_EXACT_FLOAT = 2.0**53
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def converter(field: FieldDescriptor) -> Convert:
    """Returns the converter of a scalar or enum field's element."""
    if field.type in _INT32:
        return _integer_of(-(2**31), 2**31 - 1)
    if field.type in _UINT32:
        return _integer_of(0, 2**32 - 1)
    if field.type in _INT64:
        return _integer_of(-(2**63), 2**63 - 1)
    if field.type in _UINT64:
        return _integer_of(0, 2**64 - 1)
    if field.enum_type is not None:
        return _enum_of(field.enum_type)
    return _OTHERS[field.type]


def boolean_text(text: str) -> Any:
    """Returns what JSON would have held, for a boolean written in a URL; others stay text."""
    return {"true": True, "false": False}.get(text, text)


def _integer_of(low: int, high: int) -> Convert:
    def integer(value: Any) -> int:
        if type(value) is int and low <= value <= high:
            return value
        number = _whole(value)
        if number is None:
            raise Mismatch.expected("an integer")
        if not low <= number <= high:
            raise Mismatch.expected(f"an integer from {low} to {high}")
        return number

    return integer


def _whole(value: Any) -> int | None:
    """Returns the integer that is meant by `7`, `7.0` or `"7"`; None for everything else."""
    if type(value) is int:
        return value
    # Above 2^53 a float no longer says which integer was meant.
    if type(value) is float and value.is_integer() and abs(value) <= _EXACT_FLOAT:
        return int(value)
    if type(value) is str and _INTEGER_TEXT.fullmatch(value):
        return int(value)
    return None


def _enum_of(enum: EnumDescriptor) -> Convert:
    numbers = {value.name: value.number for value in enum.values}
    known = set(numbers.values())

    def enumerated(value: Any) -> int:
        if type(value) is str:
            number = numbers.get(value)
            if number is not None:
                return number
        number = _whole(value)
        if number is None or number not in known:
            raise Mismatch.expected(_one_of(enum, value))
        return number

    return enumerated


def _one_of(enum: EnumDescriptor, value: Any) -> str:
    names = [each.name for each in enum.values if each.number != 0]
    if isinstance(value, str) and len(value) <= 64:
        close = difflib.get_close_matches(value.upper(), names, n=1)
        if close:
            return f'one of {", ".join(names)}; did you mean "{close[0]}"?'
    return f"one of {', '.join(names)}"


def _text(value: Any) -> str:
    if type(value) is not str:
        raise Mismatch.expected("a string")
    return value


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise Mismatch.expected("true or false")
    return value


def _double(value: Any) -> float:
    if type(value) is float or type(value) is int:
        number = _float_of(value)
    elif type(value) is str and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    elif type(value) is str and _NUMBER_TEXT.fullmatch(value):
        number = float(value)
    else:
        raise Mismatch.expected("a number")
    if not math.isfinite(number):
        raise Mismatch.expected("a number that fits into 64 bits")
    return number


def _float_of(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _single(value: Any) -> float:
    number = _double(value)
    try:
        struct.pack("<f", number)
    except OverflowError:
        raise Mismatch.expected("a number that fits into 32 bits") from None
    return number


def _base64(value: Any) -> bytes:
    if type(value) is not str:
        raise Mismatch.expected("base64 text")
    standard = value.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Mismatch.expected("base64 text") from None


_OTHERS: dict[int, Convert] = {
    _F.TYPE_STRING: _text,
    _F.TYPE_BOOL: _boolean,
    _F.TYPE_DOUBLE: _double,
    _F.TYPE_FLOAT: _single,
    _F.TYPE_BYTES: _base64,
}
