"""Messages to JSON objects, by one closure per message type.

Everything that depends only on the type is decided when the closure is made; what is left per
message is one C-level read of all plain fields and a short loop over those that need a conversion.
"""

import base64
import math
import struct
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from gateway.transcoding.scalars import WIDE
from gateway.transcoding.times import duration_text, timestamp_text

Encode = Callable[[Any], Any]
"""Message (or field value) in, JSON value out."""

_F = FieldDescriptor


class Encoders:
    """Makes and keeps the encoder of each message type."""

    def __init__(self) -> None:
        self._made: dict[str, Encode] = dict(_WELL_KNOWN)

    def of(self, descriptor: Descriptor) -> Encode:
        """Returns the encoder of a message type; well-known types have JSON of their own."""
        made = self._made.get(descriptor.full_name)
        if made is not None:
            return made
        if is_wrapper(descriptor):
            return self._wrapper(descriptor)
        return self._regular(descriptor)

    def of_field(self, field: FieldDescriptor) -> Encode | None:
        """Returns the encoder of a field's whole value; None where the value is JSON already."""
        if field.message_type is not None and is_map(field):
            return self._map(field.message_type)
        element = self._element(field)
        if not field.is_repeated:
            return element
        if element is None:
            return lambda values: values[:]
        return lambda values: [element(value) for value in values] if values else []

    def _regular(self, descriptor: Descriptor) -> Encode:
        names: list[str] = []
        conversions: list[tuple[str, Encode]] = []
        optional: list[tuple[str, Encode | None]] = []
        values: Callable[[Any], Iterable[Any]] = _reader(
            [field.name for field in descriptor.fields if not field.has_presence]
        )

        def encode(message: Any) -> dict[str, Any]:
            # Checking that both are of one length would double the cost, and they are.
            result = dict(zip(names, values(message), strict=False))
            for name, convert in conversions:
                result[name] = convert(result[name])
            for name, conversion in optional:
                if message.HasField(name):
                    value = getattr(message, name)
                    result[name] = value if conversion is None else conversion(value)
            return result

        # Known before its fields are looked at, so that a type may contain itself.
        self._made[descriptor.full_name] = encode
        for field in descriptor.fields:
            conversion = self.of_field(field)
            if field.has_presence:
                optional.append((field.name, conversion))
                continue
            names.append(field.name)
            if conversion is not None:
                conversions.append((field.name, conversion))
        return encode

    def _element(self, field: FieldDescriptor) -> Encode | None:
        if field.message_type is not None:
            return self.of(field.message_type)
        if field.enum_type is not None:
            return _enum(field.enum_type)
        if field.type in WIDE:
            return str
        return _SCALARS.get(field.type)

    def _map(self, entry: Descriptor) -> Encode:
        fields = entry.fields_by_name
        key = _boolean_key if fields["key"].type == _F.TYPE_BOOL else str
        value = self._element(fields["value"])
        if value is None:
            return lambda items: {key(name): items[name] for name in items} if items else {}
        return lambda items: {key(name): value(items[name]) for name in items} if items else {}

    def _wrapper(self, descriptor: Descriptor) -> Encode:
        conversion = self._element(descriptor.fields_by_name["value"])
        if conversion is None:
            return lambda message: message.value
        return lambda message: conversion(message.value)


def is_map(field: FieldDescriptor) -> bool:
    """Returns whether the field is a map: JSON writes it as an object, not as a list of entries."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def is_wrapper(descriptor: Descriptor) -> bool:
    """Returns whether the type is a nullable scalar such as `google.protobuf.StringValue`."""
    return descriptor.file.name == "google/protobuf/wrappers.proto"


def _reader(names: list[str]) -> Callable[[Any], Iterable[Any]]:
    if not names:
        return lambda message: ()
    if len(names) == 1:
        return lambda message: (getattr(message, names[0]),)
    return attrgetter(*names)


def _enum(enum: EnumDescriptor) -> Encode:
    names = {value.number: value.name for value in reversed(enum.values)}
    return lambda number: names.get(number, number)


def _boolean_key(value: bool) -> str:
    return "true" if value else "false"


def _double(value: float) -> float | str:
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _single(value: float) -> float | str:
    """Returns the shortest decimal that is the same 32-bit number: 0.1, not 0.10000000149."""
    if not math.isfinite(value):
        return _double(value)
    for digits in range(6, 9):
        short = float(f"{value:.{digits}g}")
        if abs(short) < 3.4e38 and struct.unpack("<f", struct.pack("<f", short))[0] == value:
            return short
    return float(f"{value:.9g}")


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


_SCALARS: dict[int, Encode] = {
    _F.TYPE_DOUBLE: _double,
    _F.TYPE_FLOAT: _single,
    _F.TYPE_BYTES: _base64,
}

_WELL_KNOWN: dict[str, Encode] = {
    "google.protobuf.Timestamp": lambda message: timestamp_text(message.seconds, message.nanos),
    "google.protobuf.Duration": lambda message: duration_text(message.seconds, message.nanos),
    # Rare, and never on the path of a submit: the reference implementation does them.
    "google.protobuf.Struct": json_format.MessageToDict,
    "google.protobuf.Value": json_format.MessageToDict,
    "google.protobuf.ListValue": json_format.MessageToDict,
    "google.protobuf.FieldMask": json_format.MessageToDict,
    "google.protobuf.Any": json_format.MessageToDict,
}
