"""Encoders and decoders against the reference implementation, on every contract message.

Messages are drawn field by field from the descriptors, so that a type that is added later is
covered without a word here.
"""

from __future__ import annotations

import contextlib
from typing import Any

import orjson
import pytest
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contracts import load_contracts
from gateway.routes import routes_of
from gateway.transcoding import Decoders, Encoders, Mismatch

_F = FieldDescriptor
_INT32 = st.integers(-(2**31), 2**31 - 1)
_INT64 = st.integers(-(2**63), 2**63 - 1)
_UINT32 = st.integers(0, 2**32 - 1)
_UINT64 = st.integers(0, 2**64 - 1)
_TEXT = st.text(max_size=8)
_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    _F.TYPE_DOUBLE: st.floats(),
    _F.TYPE_FLOAT: st.floats(width=32),
    _F.TYPE_INT64: _INT64,
    _F.TYPE_SINT64: _INT64,
    _F.TYPE_SFIXED64: _INT64,
    _F.TYPE_UINT64: _UINT64,
    _F.TYPE_FIXED64: _UINT64,
    _F.TYPE_INT32: _INT32,
    _F.TYPE_SINT32: _INT32,
    _F.TYPE_SFIXED32: _INT32,
    _F.TYPE_UINT32: _UINT32,
    _F.TYPE_FIXED32: _UINT32,
    _F.TYPE_BOOL: st.booleans(),
    _F.TYPE_STRING: _TEXT,
    _F.TYPE_BYTES: st.binary(max_size=8),
}
_NANOS = st.sampled_from([0, 1, 1_000, 120_000_000, 999_999_999])


def message_names() -> list[str]:
    """Returns every message that an RPC with a route takes or gives, however deep."""
    found: dict[str, None] = {}
    for route in routes_of(load_contracts().services):
        _collect(route.method.input_type, found)
        _collect(route.method.output_type, found)
    return list(found)


def _collect(descriptor: Descriptor, found: dict[str, None]) -> None:
    if descriptor.full_name in found or descriptor.full_name.startswith("google."):
        return
    if not descriptor.GetOptions().map_entry:
        found[descriptor.full_name] = None
    for field in descriptor.fields:
        if field.message_type is not None:
            _collect(field.message_type, found)


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = 0) -> Any:
    """Draws a message of any type, its fields set or not, to a depth of three."""
    message: Any = message_factory.GetMessageClass(descriptor)()
    if descriptor.full_name == "google.protobuf.Timestamp":
        message.seconds = draw(st.integers(-62_135_596_800, 253_402_300_799))
        message.nanos = draw(_NANOS)
        return message
    if descriptor.full_name == "google.protobuf.Duration":
        sign = draw(st.sampled_from([-1, 1]))
        message.seconds = sign * draw(st.integers(0, 315_576_000_000))
        message.nanos = sign * draw(_NANOS)
        return message
    for field in descriptor.fields:
        if draw(st.booleans()):
            _fill(draw, message, field, depth)
    return message


def _fill(draw: st.DrawFn, message: Any, field: FieldDescriptor, depth: int) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = (field.message_type.fields_by_name[part] for part in ("key", "value"))
        for name in draw(st.lists(_scalar(key), max_size=2)):
            if value.message_type is None:
                getattr(message, field.name)[name] = draw(_scalar(value))
            else:
                getattr(message, field.name)[name].CopyFrom(draw(messages(value.message_type)))
    elif field.message_type is not None:
        if depth < 3:
            element = messages(field.message_type, depth + 1)
            if field.is_repeated:
                getattr(message, field.name).extend(draw(st.lists(element, max_size=2)))
            else:
                getattr(message, field.name).CopyFrom(draw(element))
    elif field.is_repeated:
        getattr(message, field.name).extend(draw(st.lists(_scalar(field), max_size=3)))
    else:
        setattr(message, field.name, draw(_scalar(field)))


def _scalar(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    if field.full_name == "google.protobuf.Value.number_value":
        return st.floats(allow_nan=False, allow_infinity=False)  # as JSON has no others
    return _SCALARS[field.type]


def reference(message: Message) -> Any:
    """Returns json_format's object, with the two settings that ours corresponds to."""
    return json_format.MessageToDict(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )


def descriptor_of(name: str) -> Descriptor:
    """Returns the type of this full name."""
    return descriptor_pool.Default().FindMessageTypeByName(name)


@pytest.mark.parametrize("name", message_names())
def test_encodes_and_decodes_as_the_reference_does(name: str) -> None:
    """What is written equals json_format's object, and reading it back gives the same message."""
    descriptor = descriptor_of(name)
    encode, fill = Encoders().of(descriptor), Decoders().of(descriptor)

    @settings(max_examples=10, deadline=None)
    @given(messages(descriptor))
    def check(message: Message) -> None:
        written = orjson.dumps(encode(message))
        assert reference(message) == orjson.loads(written)
        read = message_factory.GetMessageClass(descriptor)()
        fill(read, orjson.loads(written))
        expected = json_format.ParseDict(reference(message), type(message)())
        assert expected.SerializeToString(deterministic=True) == read.SerializeToString(
            deterministic=True
        )

    check()


@pytest.mark.parametrize("name", message_names())
def test_refuses_or_accepts_any_json_without_another_exception(name: str) -> None:
    """Any JSON value in any field is either taken or a Mismatch, never another exception."""
    descriptor = descriptor_of(name)
    fill = Decoders().of(descriptor)
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | _TEXT,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXT, inner, max_size=2),
        max_leaves=4,
    )
    names = st.sampled_from([field.name for field in descriptor.fields] or ["absent"])

    @settings(max_examples=10, deadline=None)
    @given(st.dictionaries(names, anything, max_size=4))
    def check(value: dict[str, Any]) -> None:
        message = message_factory.GetMessageClass(descriptor)()
        with contextlib.suppress(Mismatch):
            fill(message, value)
        written = message.SerializeToString(deterministic=True)
        read = type(message).FromString(written)
        assert written == read.SerializeToString(deterministic=True)

    check()
