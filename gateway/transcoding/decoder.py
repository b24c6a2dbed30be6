"""JSON objects into messages, by one closure per message type and one per field.

A decoder fills a message that exists already, so that the body, the path and the query of one
HTTP request can go into the same message. All violations of an object are gathered before it is
refused.
"""

import difflib
from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.transcoding.encoder import is_map, is_wrapper
from gateway.transcoding.mismatch import MOST_VIOLATIONS, Mismatch
from gateway.transcoding.scalars import Convert, boolean_text, converter
from gateway.transcoding.times import duration_parts, timestamp_parts
from servicekit.errors import Violation

Fill = Callable[[Any, Any], None]
"""`fill(message, value)` sets what the JSON value says; raises Mismatch."""

_LONGEST_NAME_SHOWN = 64


class Decoders:
    """Makes and keeps the decoder of each message type."""

    def __init__(self) -> None:
        self._made: dict[str, Fill] = dict(_WELL_KNOWN)

    def of(self, descriptor: Descriptor) -> Fill:
        """Returns the decoder of a message type; well-known types have JSON of their own."""
        made = self._made.get(descriptor.full_name)
        if made is not None:
            return made
        if is_wrapper(descriptor):
            return _wrapper(descriptor)
        return self._regular(descriptor)

    def of_field(self, field: FieldDescriptor) -> Fill:
        """Returns what sets one field of a message to a JSON value that is not null."""
        if field.message_type is not None and is_map(field):
            return self._map(field.name, field.message_type)
        if field.message_type is None:
            return _scalars(field) if field.is_repeated else _scalar(field)
        if field.is_repeated:
            return _messages(field.name, self.of(field.message_type))
        return _message(field.name, self.of(field.message_type))

    def _regular(self, descriptor: Descriptor) -> Fill:
        fields: dict[str, Fill] = {}
        exclusive = [[field.name for field in oneof.fields] for oneof in descriptor.oneofs]
        exclusive = [names for names in exclusive if len(names) > 1]
        nullable = {field.name for field in descriptor.fields if _is_value(field)}

        def fill(message: Any, value: Any) -> None:
            if type(value) is not dict:
                raise Mismatch.expected("an object")
            violations: list[Violation] = []
            for name, item in value.items():
                assign = fields.get(name)
                if assign is None:
                    violations.append(_unknown(name, fields))
                elif item is not None or name in nullable:
                    try:
                        assign(message, item)
                    except Mismatch as mismatch:
                        violations.extend(mismatch.under(name))
                if len(violations) >= MOST_VIOLATIONS:
                    break
            for names in exclusive:
                violations.extend(_excess(names, value))
            if violations:
                raise Mismatch(*violations)

        # Known before its fields are looked at, so that a type may contain itself.
        self._made[descriptor.full_name] = fill
        fields.update((field.name, self.of_field(field)) for field in descriptor.fields)
        return fill

    def _map(self, name: str, entry: Descriptor) -> Fill:
        key, value = (entry.fields_by_name[part] for part in ("key", "value"))
        key_of = _key(key)
        if value.message_type is None:
            return _scalar_entries(name, key_of, converter(value))
        return _message_entries(name, key_of, self.of(value.message_type))


def _scalar(field: FieldDescriptor) -> Fill:
    name, convert = field.name, converter(field)

    def assign(message: Any, value: Any) -> None:
        setattr(message, name, convert(value))

    return assign


def _scalars(field: FieldDescriptor) -> Fill:
    name, convert = field.name, converter(field)

    def extend(message: Any, values: Any) -> None:
        container = getattr(message, name)
        try:
            container.extend([convert(value) for value in _list(values)])
        except Mismatch:
            # Once more, slowly: which of them are wrong.
            _gather(enumerate(_list(values)), lambda index, value: convert(value))
            raise

    return extend


def _message(name: str, fill: Fill) -> Fill:
    def assign(message: Any, value: Any) -> None:
        target = getattr(message, name)
        target.SetInParent()
        fill(target, value)

    return assign


def _messages(name: str, fill: Fill) -> Fill:
    def extend(message: Any, values: Any) -> None:
        add = getattr(message, name).add
        _gather(enumerate(_list(values)), lambda index, value: fill(add(), value))

    return extend


def _scalar_entries(name: str, key_of: Convert, convert: Convert) -> Fill:
    def update(message: Any, entries: Any) -> None:
        target = getattr(message, name)

        def put(key: str, value: Any) -> None:
            target[key_of(key)] = convert(value)

        _gather(_entries(entries), put)

    return update


def _message_entries(name: str, key_of: Convert, fill: Fill) -> Fill:
    def update(message: Any, entries: Any) -> None:
        target = getattr(message, name)
        _gather(_entries(entries), lambda key, value: fill(target[key_of(key)], value))

    return update


def _wrapper(descriptor: Descriptor) -> Fill:
    convert = converter(descriptor.fields_by_name["value"])

    def fill(message: Any, value: Any) -> None:
        message.value = convert(value)

    return fill


def _gather(items: Iterable[tuple[Any, Any]], handle: Callable[[Any, Any], object]) -> None:
    """Handles every (index or key, value); then raise what was wrong with any of them."""
    violations: list[Violation] = []
    for label, value in items:
        try:
            handle(label, value)
        except Mismatch as mismatch:
            violations.extend(mismatch.under(f"[{str(label)[:_LONGEST_NAME_SHOWN]}]"))
            if len(violations) >= MOST_VIOLATIONS:
                break
    if violations:
        raise Mismatch(*violations)


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise Mismatch.expected("a list")
    return value


def _entries(value: Any) -> Iterable[tuple[str, Any]]:
    if type(value) is not dict:
        raise Mismatch.expected("an object")
    return value.items()


def _key(field: FieldDescriptor) -> Convert:
    """Returns what turns an object's key, which JSON only has as text, into the map's key."""
    convert = converter(field)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return lambda key: convert(boolean_text(key))
    return convert


def _is_value(field: FieldDescriptor) -> bool:
    """Returns whether null is a value of the field; for all others it means "not given"."""
    message = field.message_type
    return message is not None and message.full_name == "google.protobuf.Value"


def _unknown(name: str, fields: Iterable[str]) -> Violation:
    shown = name[:_LONGEST_NAME_SHOWN]
    close = difflib.get_close_matches(shown, list(fields), n=1)
    hint = f', did you mean "{close[0]}"?' if close else ""
    return Violation(shown, f"unknown field{hint}")


def _excess(names: list[str], value: dict[str, Any]) -> Iterable[Violation]:
    given = [name for name in names if value.get(name) is not None]
    for name in given[1:]:
        yield Violation(name, f"excludes {given[0]}, which is given too")


def _timestamp(message: Any, value: Any) -> None:
    message.seconds, message.nanos = timestamp_parts(value)


def _duration(message: Any, value: Any) -> None:
    message.seconds, message.nanos = duration_parts(value)


def _by_reference(expected: str) -> Fill:
    def fill(message: Any, value: Any) -> None:
        try:
            json_format.ParseDict(value, message)
        except (json_format.ParseError, AttributeError, TypeError, ValueError):
            raise Mismatch.expected(expected) from None

    return fill


_WELL_KNOWN: dict[str, Fill] = {
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Duration": _duration,
    # Rare, and never on the path of a submit: the reference implementation does them.
    "google.protobuf.Struct": _by_reference("an object"),
    "google.protobuf.Value": _by_reference("any JSON value"),
    "google.protobuf.ListValue": _by_reference("a list"),
    "google.protobuf.FieldMask": _by_reference("field names with commas between"),
    "google.protobuf.Any": _by_reference("an object with @type"),
}
