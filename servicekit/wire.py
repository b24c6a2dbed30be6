"""Messages joined from parts that are encoded already.

A repeated message field stands on the wire as one record for each element: the field's key, the
element's length and its bytes (protobuf's encoding guide, "Message Structure" and "Submessages").
What many are told is so encoded once, and a message of it is only joined.
"""

from typing import NamedTuple

_LENGTH_DELIMITED = 2


class Encoded(NamedTuple):
    """A whole message that a handler gives encoded, in place of the message."""

    message: bytes


def element(number: int, message: bytes) -> bytes:
    """A message as the field ``number``, or as one element of it, as it stands on the wire."""
    return b"%b%b%b" % (_varint(number << 3 | _LENGTH_DELIMITED), _varint(len(message)), message)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last byte have the highest bit set."""
    if value < 0x80:
        return bytes((value,))
    head = []
    while value > 0x7F:
        head.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*head, value))
