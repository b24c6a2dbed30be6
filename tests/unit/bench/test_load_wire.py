"""What the load client puts on the wire, and what it reads from it."""

import uuid

import pytest

from bench.load import frames, hpack
from bench.load.template import PLACEHOLDER, Template, new_uuid


class TestRequestHeaders:
    def test_first_request(self) -> None:
        """First request spells headers out for the table.

        Literals with incremental indexing, as RFC 7541 C.2.1 writes them.
        """
        first, _ = hpack.request_blocks([("custom-key", "custom-header")])
        assert bytes.fromhex("400a637573746f6d2d6b65790d637573746f6d2d686561646572") == first

    def test_later_requests(self) -> None:
        """Later requests point at the table where the newest entry is 62."""
        _, later = hpack.request_blocks([("a", "1"), ("b", "2"), ("c", "3")])
        assert bytes([0x80 | 64, 0x80 | 63, 0x80 | 62]) == later

    def test_too_many_headers(self) -> None:
        """Headers beyond the table are refused rather than sent wrongly."""
        with pytest.raises(ValueError, match="do not fit into a table of 4096"):
            hpack.request_blocks([("authorization", "x" * 4096)])


class TestResponseHeaders:
    def test_literals(self) -> None:
        """Literals are read; static entries and values in Huffman code are passed over.

        A size update, ":status: 200", a literal with a static name, one in Huffman code, one plain.
        """
        own = b"\x00\x0bdetails-bin\x82\xff\xff" + b"\x00\x0bgrpc-status\x0213"
        block = b"\x20" + b"\x88" + b"\x0f\x10\x10application/grpc" + own
        assert [("grpc-status", "13")] == list(hpack.read_literals(block))

    @pytest.mark.parametrize(
        ("block", "complaint"),
        [(b"\xbe", "declared to be empty"), (b"\x00\x81\xff\x010", "a name in Huffman")],
    )
    def test_not_agreed_on(self, block: bytes, complaint: str) -> None:
        """What was not agreed on is refused."""
        with pytest.raises(hpack.Unreadable, match=complaint):
            list(hpack.read_literals(block))

    @pytest.mark.parametrize("length", [0, 1, 126, 127, 128, 255, 300, 20_000])
    def test_lengths(self, length: int) -> None:
        """Strings of every length come back."""
        block = b"\x00" + hpack._string("name") + hpack._string("v" * length)
        assert [("name", "v" * length)] == list(hpack.read_literals(block))


class TestFrames:
    def test_round_trip(self) -> None:
        """A frame is read as it was written."""
        data = frames.frame(frames.PING, frames.ACK, 0, b"12345678")
        assert (8, frames.PING, frames.ACK, 0) == frames.head(data, 0)

    def test_long_body(
        self,
    ) -> None:
        """A body is cut at the largest frame and only the last part ends the stream."""
        data = frames.data_frames(5, b"abcdefg", largest=3)
        heads, place = [], 0
        while place < len(data):
            heads.append(frames.head(data, place))
            place += frames.HEAD_BYTES + heads[-1][0]
        assert [(3, 0, 0, 5), (3, 0, 0, 5), (1, 0, frames.END_STREAM, 5)] == heads

    def test_body_of_one_frame(self) -> None:
        """A body of exactly one frame is one frame."""
        data = frames.data_frames(1, b"abc", largest=3)
        assert (3, frames.DATA, frames.END_STREAM, 1) == frames.head(data, 0)
        assert frames.HEAD_BYTES + 3 == len(data)

    def test_messages_in_pieces(self) -> None:
        """Messages are taken whole and the rest waits for more."""
        buffer = bytearray(frames.message(b"one") + frames.message(b"") + frames.message(b"two"))
        tail = bytes(buffer[-2:])
        del buffer[-2:]
        assert [b"one", b""] == list(frames.take_messages(buffer))
        buffer += tail
        assert [b"two"] == list(frames.take_messages(buffer))
        assert b"" == buffer

    def test_settings(self) -> None:
        """Settings are read by number."""
        assert {4: 65535, 5: 16384} == frames.settings(bytes.fromhex("00040000ffff000500004000"))


class TestTemplate:
    def test_new_request_ids(self) -> None:
        """Only the request id changes and every one is new."""
        template = Template.of(b"before " + PLACEHOLDER.encode() + b" after")
        filled = [template.fill() for _ in range(100)]
        assert {b"before "} == {each[:7] for each in filled}
        assert {b" after"} == {each[-6:] for each in filled}
        assert 100 == len(set(filled))
        assert {len(template.before) + 36 + len(b" after")} == {len(each) for each in filled}

    def test_no_placeholder(self) -> None:
        """A request without the placeholder is sent as it is."""
        assert b"constant" == Template.of(b"constant").fill()

    def test_uuid_version(self) -> None:
        """Request ids are UUIDs of version 4."""
        text = new_uuid()
        assert (text, 4, uuid.RFC_4122) == (
            str(uuid.UUID(text)),
            uuid.UUID(text).version,
            uuid.UUID(text).variant,
        )
