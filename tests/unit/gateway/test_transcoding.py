"""What the mapping says where the reference implementation is laxer or silent."""

from __future__ import annotations

import math
from typing import Any

import pytest
from google.protobuf import descriptor_pb2 as d
from google.protobuf import descriptor_pool, duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.contracts import load_contracts
from gateway.transcoding import Decoders, Encoders, Mismatch
from gateway.transcoding.mismatch import MOST_VIOLATIONS


def decode(kind: type[Message], value: Any) -> Any:
    """Returns a message of this kind made from a JSON value."""
    message: Any = kind()
    Decoders().of(message.DESCRIPTOR)(message, value)
    return message


def encode(message: Any) -> Any:
    """Returns a message's JSON value."""
    return Encoders().of(message.DESCRIPTOR)(message)


@pytest.mark.parametrize("value", [7, 7.0, "7"])
def test_an_integer_may_be_written_three_ways(value: Any) -> None:
    """As a number, as a number with a zero fraction, and as a string."""
    assert 7 == decode(wrappers_pb2.Int64Value, value).value


@pytest.mark.parametrize("value", [True, 7.5, "7.5", " 7", "", None, 2**63, float(2**60), "x", []])
def test_what_is_no_64_bit_integer_is_refused(value: Any) -> None:
    """A float above 2^53 is refused too: it no longer says which integer was meant."""
    with pytest.raises(Mismatch):
        decode(wrappers_pb2.Int64Value, value)


@pytest.mark.parametrize("value", [10**400, "1e400", "nan", "inf", " 1", "1_0", False])
def test_what_is_no_number_is_refused(value: Any) -> None:
    """Python's float() takes more than JSON means."""
    with pytest.raises(Mismatch):
        decode(wrappers_pb2.DoubleValue, value)


def test_what_is_not_finite_has_a_name() -> None:
    """JSON has no NaN; the mapping writes it as text, both ways."""
    assert ["NaN", "Infinity", "-Infinity"] == [
        encode(wrappers_pb2.DoubleValue(value=value)) for value in (math.nan, math.inf, -math.inf)
    ]
    assert math.isnan(decode(wrappers_pb2.DoubleValue, "NaN").value)


@pytest.mark.parametrize("text", ["_-8=", "/+8=", "_-8", "/+8"])
def test_base64_of_both_alphabets_with_or_without_padding(text: str) -> None:
    """Web clients write the URL alphabet, others the standard one."""
    assert b"\xff\xef" == decode(wrappers_pb2.BytesValue, text).value


@pytest.mark.parametrize("text", ["a", "!!!!", 5])
def test_what_is_no_base64_is_refused(text: Any) -> None:
    """Characters outside the alphabet are not skipped."""
    with pytest.raises(Mismatch):
        decode(wrappers_pb2.BytesValue, text)


@pytest.mark.parametrize(
    ("text", "seconds", "nanos"),
    [
        ("1970-01-01T00:00:00Z", 0, 0),
        ("2025-01-31T12:00:00.5+02:00", 1738317600, 500_000_000),
        ("1969-12-31T23:59:59.000000001Z", -1, 1),
        ("0001-01-01T00:00:00Z", -62135596800, 0),
    ],
)
def test_times_with_fractions_and_offsets(text: str, seconds: int, nanos: int) -> None:
    """Whatever the offset, the instant is the same."""
    message = decode(timestamp_pb2.Timestamp, text)
    assert (seconds, nanos) == (message.seconds, message.nanos)


@pytest.mark.parametrize(
    "text",
    ["2025-01-31", "2025-01-31T12:00:00", "2025-02-30T00:00:00Z", "0001-01-01T00:00:00+01:00", 0],
)
def test_what_is_no_time_is_refused(text: Any) -> None:
    """A time without an offset is no instant."""
    with pytest.raises(Mismatch, match="RFC 3339"):
        decode(timestamp_pb2.Timestamp, text)


@pytest.mark.parametrize("text", ["1h", "5", 5, "1.0000000001s", "315576000001s", "--1s"])
def test_what_is_no_duration_is_refused(text: Any) -> None:
    """Seconds with an s, to the nanosecond, for ten thousand years."""
    with pytest.raises(Mismatch, match="duration"):
        decode(duration_pb2.Duration, text)


def test_negative_durations_keep_their_sign() -> None:
    """Both parts carry it."""
    message = decode(duration_pb2.Duration, "-0.5s")
    assert (0, -500_000_000) == (message.seconds, message.nanos)
    assert "-0.500s" == encode(message)


@pytest.mark.parametrize("value", ["TYPE_STRING", 9, "9"])
def test_an_enum_by_name_or_known_number(value: Any) -> None:
    """Names are for people, numbers for old clients."""
    assert 9 == decode(d.FieldDescriptorProto, {"type": value}).type


@pytest.mark.parametrize("value", ["STRING", 99, 1.5, True, {}])
def test_an_unknown_enum_value_is_refused_with_the_known_ones(value: Any) -> None:
    """The list of what would be right is the shortest help."""
    with pytest.raises(Mismatch, match=r"one of TYPE_DOUBLE, .*TYPE_SINT64"):
        decode(d.FieldDescriptorProto, {"type": value})


def test_a_near_miss_is_pointed_at() -> None:
    """Case and a letter or two are forgiven in the hint, not in the value."""
    with pytest.raises(Mismatch, match='did you mean "TYPE_STRING"'):
        decode(d.FieldDescriptorProto, {"type": "type_strin"})


def test_only_proto_names_are_field_names() -> None:
    """One field has one name; the other spelling is pointed at."""
    with pytest.raises(Mismatch, match='did you mean "type_name"'):
        decode(d.FieldDescriptorProto, {"typeName": "x"})


def test_two_members_of_a_oneof_are_refused() -> None:
    """Otherwise the order of keys would decide."""
    file = d.FileDescriptorProto(name="choice.proto", package="t", syntax="proto3")
    choice = file.message_type.add(name="Choice")
    choice.oneof_decl.add(name="pick")
    for number, name in enumerate(("a", "b"), 1):
        choice.field.add(name=name, number=number, type=9, label=1, oneof_index=0)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    kind = GetMessageClass(pool.FindMessageTypeByName("t.Choice"))

    assert "x" == decode(kind, {"a": None, "b": "x"}).b
    with pytest.raises(Mismatch, match="excludes a"):
        decode(kind, {"a": "x", "b": "y"})


def test_a_thousand_mistakes_get_a_short_answer() -> None:
    """As many violations as help, not as many as there are."""
    with pytest.raises(Mismatch) as raised:
        decode(d.FileDescriptorProto, {"dependency": [1] * 1000})
    assert MOST_VIOLATIONS == len(raised.value.violations)


def test_null_is_a_value_only_of_value() -> None:
    """In `google.protobuf.Value` null is null, elsewhere it means "not given"."""
    assert struct_pb2.NULL_VALUE == decode(struct_pb2.Value, None).null_value
    assert not decode(d.FieldDescriptorProto, {"name": None}).HasField("name")


def test_a_type_may_contain_itself() -> None:
    """Compiling ends, and both ways work to the depth that is there."""
    value = {"name": "a", "nested_type": [{"name": "b", "nested_type": [{"name": "c"}]}]}
    message = decode(d.DescriptorProto, value)
    assert "c" == encode(message)["nested_type"][0]["nested_type"][0]["name"]


def test_the_contracts_are_loaded() -> None:
    """The set of contracts is not empty, or every test over it would pass."""
    assert len(load_contracts().services) >= 3
