"""HTTP/2 frames (RFC 9113) and gRPC's length-prefixed messages, as bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    0x0,
    0x1,
    0x3,
    0x4,
    0x6,
    0x7,
    0x8,
    0x9,
)
END_STREAM, ACK, END_HEADERS = 0x1, 0x1, 0x4

HEADER_TABLE_SIZE, ENABLE_PUSH, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 0x1, 0x2, 0x4, 0x5

MAX_WINDOW = (1 << 31) - 1
DEFAULT_WINDOW = 65_535
DEFAULT_FRAME_SIZE = 16_384
HEAD_BYTES = 9
MESSAGE_HEAD_BYTES = 5

_head = struct.Struct(">BHBBI")
_message_head = struct.Struct(">BI")
_setting = struct.Struct(">HI")
_word = struct.Struct(">I")


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Returns one frame."""
    length = len(payload)
    return _head.pack(length >> 16, length & 0xFFFF, kind, flags, stream) + payload


def head(data: bytes | bytearray, place: int) -> tuple[int, int, int, int]:
    """Returns length, type, flags and stream of the frame that begins at `place`."""
    high, low, kind, flags, stream = _head.unpack_from(data, place)
    return high << 16 | low, kind, flags, stream & MAX_WINDOW


def opening(window: int = MAX_WINDOW) -> bytes:
    """Returns what a client says first: no push, no table, and all the window there is."""
    settings = {HEADER_TABLE_SIZE: 0, ENABLE_PUSH: 0, INITIAL_WINDOW_SIZE: window}
    payload = b"".join(_setting.pack(*item) for item in settings.items())
    return PREFACE + frame(SETTINGS, 0, 0, payload) + window_update(window - DEFAULT_WINDOW)


def window_update(increment: int, stream: int = 0) -> bytes:
    """Returns the leave to send `increment` more bytes, by default on the whole connection."""
    return frame(WINDOW_UPDATE, 0, stream, _word.pack(increment))


def word(payload: bytes) -> int:
    """Returns the number of a WINDOW_UPDATE or RST_STREAM frame."""
    return int(_word.unpack_from(payload)[0])


def settings(payload: bytes) -> dict[int, int]:
    """Returns the settings of a SETTINGS frame."""
    return dict(_setting.iter_unpack(payload))


def data_frames(stream: int, body: bytes, largest: int = DEFAULT_FRAME_SIZE) -> bytes:
    """Returns the body as DATA frames of at most `largest` bytes, the last of which ends it."""
    last = (len(body) - 1) // largest * largest
    return b"".join(
        frame(DATA, END_STREAM if place == last else 0, stream, body[place : place + largest])
        for place in range(0, len(body), largest)
    )


def message(payload: bytes) -> bytes:
    """Returns a gRPC message with its prefix, uncompressed."""
    return _message_head.pack(0, len(payload)) + payload


def take_messages(buffer: bytearray) -> Iterator[bytes]:
    """Yields and removes the whole gRPC messages at the buffer's beginning."""
    while len(buffer) >= MESSAGE_HEAD_BYTES:
        compressed, length = _message_head.unpack_from(buffer)
        if compressed:
            raise ValueError("a compressed message, which was not asked for")
        end = MESSAGE_HEAD_BYTES + length
        if len(buffer) < end:
            return
        payload = bytes(buffer[MESSAGE_HEAD_BYTES:end])
        del buffer[:end]
        yield payload
