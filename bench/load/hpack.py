"""As much of HPACK (RFC 7541) as a client with unchanging headers needs.

Requests put every header into the server's table once and point at it from then on, as client
libraries do. Responses are read under a table size of 0, which leaves literals and static entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

TABLE_BYTES = 4096
ENTRY_OVERHEAD = 32
FIRST_DYNAMIC = 62


class Unreadable(ValueError):
    """The server used a part of HPACK that was not agreed on."""


def request_blocks(headers: Sequence[tuple[str, str]]) -> tuple[bytes, bytes]:
    """Returns the header block of a connection's first request and that of all later ones.

    Raises:
        ValueError: the headers do not fit into the server's table.
    """
    size = sum(len(name) + len(value) + ENTRY_OVERHEAD for name, value in headers)
    if size > TABLE_BYTES:
        raise ValueError(f"headers of {size} bytes do not fit into a table of {TABLE_BYTES}")
    first = b"".join(b"\x40" + _string(name) + _string(value) for name, value in headers)
    newest = FIRST_DYNAMIC + len(headers) - 1
    return first, b"".join(_integer(newest - place, 7, 0x80) for place in range(len(headers)))


def read_literals(block: bytes) -> Iterator[tuple[str, str]]:
    """Yields the headers of a response whose names are spelled out, as those of gRPC are.

    A value in Huffman code, as of binary details, is left out: nobody here has a use for it.

    Raises:
        Unreadable: a name in Huffman code, or a reference to a table of size 0.
    """
    place = 0
    while place < len(block):
        first = block[place]
        if first & 0x80:  # a whole static entry, such as ":status: 200"
            index, place = _read_integer(block, place, 7)
            _demand_static(index)
        elif first & 0xE0 == 0x20:  # a change of the table's size
            _, place = _read_integer(block, place, 5)
        else:
            index, place = _read_integer(block, place, 6 if first & 0x40 else 4)
            name = ""
            if index:
                _demand_static(index)
            else:
                spelled, place = _read_string(block, place)
                if spelled is None:
                    raise Unreadable("a name in Huffman code")
                name = spelled
            value, place = _read_string(block, place)
            if name and value is not None:
                yield name, value


def _demand_static(index: int) -> None:
    if index >= FIRST_DYNAMIC:
        raise Unreadable(f"entry {index} of a table that was declared to be empty")


def _integer(value: int, bits: int, pattern: int) -> bytes:
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([pattern | value])
    octets = [pattern | limit]
    value -= limit
    while value >= 0x80:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*octets, value])


def _string(text: str) -> bytes:
    data = text.encode()
    return _integer(len(data), 7, 0) + data


def _read_integer(block: bytes, place: int, bits: int) -> tuple[int, int]:
    limit = (1 << bits) - 1
    value = block[place] & limit
    place += 1
    if value < limit:
        return value, place
    shift = 0
    while True:
        octet = block[place]
        place += 1
        value += (octet & 0x7F) << shift
        shift += 7
        if not octet & 0x80:
            return value, place


def _read_string(block: bytes, place: int) -> tuple[str | None, int]:
    """Returns the string, None for one in Huffman code, and the place after it."""
    is_huffman = block[place] & 0x80
    length, place = _read_integer(block, place, 7)
    end = place + length
    return None if is_huffman else block[place:end].decode("latin-1"), end
