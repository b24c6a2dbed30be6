"""Requests that nobody sends on purpose: filled at random, then damaged byte by byte."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

DEEPEST = 4
LONGEST = 64 * 1024

_INTEGERS = (0, 1, -1, 2, 100, 2**31 - 1, -(2**31))
_LONG_INTEGERS = (*_INTEGERS, 2**63 - 1, -(2**63))
_UNSIGNED = (0, 1, 2**31 - 1, 2**32 - 1)
_LONG_UNSIGNED = (*_UNSIGNED, 2**64 - 1)
_NUMBERS = (0.0, -0.0, 1.5, -1.0, 1e308, float("inf"), float("-inf"), float("nan"), 5e-324)
_TEXTS = (
    "", "a", "ada", "A100", "\0", "%s%n", "../..", "' OR 1=1 --", "<script>", "\u202e\u0301",
    "\U0001f600" * 20, "x" * 300, "0190a1b2-0000-7000-8000-000000000001", "JOB_STATE_PENDING",
)  # fmt: skip
_KINDS: dict[Any, Sequence[Any]] = {
    FieldDescriptor.TYPE_INT32: _INTEGERS,
    FieldDescriptor.TYPE_SINT32: _INTEGERS,
    FieldDescriptor.TYPE_SFIXED32: _INTEGERS,
    FieldDescriptor.TYPE_INT64: _LONG_INTEGERS,
    FieldDescriptor.TYPE_SINT64: _LONG_INTEGERS,
    FieldDescriptor.TYPE_SFIXED64: _LONG_INTEGERS,
    FieldDescriptor.TYPE_UINT32: _UNSIGNED,
    FieldDescriptor.TYPE_FIXED32: _UNSIGNED,
    FieldDescriptor.TYPE_UINT64: _LONG_UNSIGNED,
    FieldDescriptor.TYPE_FIXED64: _LONG_UNSIGNED,
    FieldDescriptor.TYPE_DOUBLE: _NUMBERS,
    FieldDescriptor.TYPE_FLOAT: _NUMBERS,
    FieldDescriptor.TYPE_BOOL: (False, True),
    FieldDescriptor.TYPE_BYTES: (b"", b"\0", b"\xff" * 40),
    FieldDescriptor.TYPE_ENUM: (0, 1, 2, 3, 7, 99, -1),
}


class Mutator:
    """Makes requests from a seed; `texts` are words that mean something here, as ids do."""

    def __init__(self, seed: int, texts: Sequence[str] = ()) -> None:
        self._chance = random.Random(seed)
        self._texts = (*_TEXTS, *texts, *texts)

    def request(self, descriptor: Descriptor) -> bytes:
        """Returns a request of this type: whole, damaged in a few places, or none at all."""
        content: bytes = self.message(descriptor).SerializeToString()
        for _ in range(self._chance.choice((0, 0, 1, 1, 2, 5))):
            content = self._damaged(content)
        return content[:LONGEST]

    def message(self, descriptor: Descriptor, depth: int = 0) -> Any:
        """Returns a message with some of its fields filled."""
        message = GetMessageClass(descriptor)()
        for field in descriptor.fields:
            if self._chance.random() < 0.5:
                self._fill(message, field, depth)
        return message

    def _fill(self, message: Any, field: FieldDescriptor, depth: int) -> None:
        inner = field.message_type
        if inner is None:
            self._fill_scalar(message, field)
        elif depth < DEEPEST and inner.GetOptions().map_entry:
            self._fill_map(message, field, depth)
        elif depth < DEEPEST and field.is_repeated:
            for _ in range(self._chance.randrange(3)):
                getattr(message, field.name).append(self.message(inner, depth + 1))
        elif depth < DEEPEST:
            getattr(message, field.name).CopyFrom(self.message(inner, depth + 1))

    def _fill_scalar(self, message: Any, field: FieldDescriptor) -> None:
        if field.is_repeated:
            values = [self._value(field) for _ in range(self._chance.randrange(4))]
            getattr(message, field.name).extend(values)
        else:
            setattr(message, field.name, self._value(field))

    def _fill_map(self, message: Any, field: FieldDescriptor, depth: int) -> None:
        entry = field.message_type
        assert entry is not None
        key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
        filled = getattr(message, field.name)
        if value.message_type is None:
            filled[self._value(key)] = self._value(value)
        else:
            filled[self._value(key)].CopyFrom(self.message(value.message_type, depth + 1))

    def _value(self, field: FieldDescriptor) -> Any:
        return self._chance.choice(_KINDS.get(field.type, self._texts))

    def _damaged(self, content: bytes) -> bytes:
        """Flips a bit, or cuts, repeats, inserts or overwrites a few bytes."""
        chance, damaged = self._chance, bytearray(content)
        place = chance.randrange(len(damaged) + 1)
        end = min(len(damaged), place + chance.randrange(1, 9))
        match chance.randrange(6):
            case 0 if place < len(damaged):
                damaged[place] ^= 1 << chance.randrange(8)
            case 1:
                del damaged[place:end]
            case 2:
                damaged[place:place] = damaged[place:end] * chance.randrange(1, 50)
            case 3:
                damaged[place:place] = chance.randbytes(chance.randrange(1, 20))
            case 4:
                damaged[place:end] = chance.randbytes(end - place)
            case _:
                # A length or a number that goes on and on.
                damaged[place:place] = b"\xff" * chance.randrange(1, 12)
        return bytes(damaged)
