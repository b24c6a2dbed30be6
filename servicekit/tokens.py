"""Opaque tokens that clients hand back unread: page tokens and resume tokens.

Each is a kind byte, a body and a checksum in URL-safe base64. The checksum catches typing and
truncation; it is no signature, so a token never carries a right, only a position.
"""

import base64
import binascii
import hashlib
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import orjson

from servicekit.errors import InvalidArgument, Violation

KeyValue: TypeAlias = str | int | float | None

_PAGE_KIND = 0x11
_RESUME_KIND = 0x21
_LOG_ID_BYTES = 8
_FILTER_BYTES = 8
_CHECKSUM = struct.Struct(">I")
_RESUME = struct.Struct(">8sq")
_LONGEST = 2048


class _Malformed(Exception):
    """A text that none of these functions made."""


@dataclass(frozen=True, slots=True)
class ResumeToken:
    """A position in one log: the log's 8-byte identity, and the last revision already seen."""

    log_id: bytes
    revision: int

    def __post_init__(self) -> None:
        if len(self.log_id) != _LOG_ID_BYTES:
            raise ValueError(f"a log id has {_LOG_ID_BYTES} bytes, not {len(self.log_id)}")

    def encode(self) -> str:
        """Returns the token's text (28 characters)."""
        return _seal(_RESUME_KIND, _RESUME.pack(self.log_id, self.revision))

    @classmethod
    def decode(cls, text: str) -> "ResumeToken":
        """Returns the position; InvalidArgument RESUME_TOKEN_INVALID if no log made this text."""
        try:
            log_id, revision = _RESUME.unpack(_unseal(_RESUME_KIND, text))
            if revision < 0:
                raise _Malformed
            return cls(log_id, revision)
        except (_Malformed, struct.error):
            raise _refused("resume_token", "RESUME_TOKEN_INVALID") from None


def encode_page_token(scope: str, last_key: Sequence[KeyValue]) -> str:
    """Returns a token for the page after `last_key`, the sort key of the last row given out.

    `scope` is whatever the list depended on (owner, filter, order): only a list of the very same
    scope accepts the token.
    """
    return _seal(_PAGE_KIND, _digest(scope) + orjson.dumps(list(last_key)))


def decode_page_token(scope: str, text: str, *types: type) -> tuple[KeyValue, ...] | None:
    """Returns the sort key to continue after, None for an empty token (the first page).

    A key has exactly these `types`, and values that every database can compare with: whoever
    makes up a token, which carries no signature, gets no further than here.

    InvalidArgument PAGE_TOKEN_INVALID for a text that is no page token, or one of another scope
    or with another key.
    """
    if not text:
        return None
    try:
        body = _unseal(_PAGE_KIND, text)
        if body[:_FILTER_BYTES] != _digest(scope):
            raise _Malformed
        return _checked_key(tuple(orjson.loads(body[_FILTER_BYTES:])), types)
    except (_Malformed, orjson.JSONDecodeError, TypeError):
        raise _refused("page_token", "PAGE_TOKEN_INVALID") from None


def _checked_key(key: tuple[KeyValue, ...], types: tuple[type, ...]) -> tuple[KeyValue, ...]:
    if tuple(map(type, key)) != types or not all(map(_storable, key)):
        raise _Malformed
    return key


def _storable(value: KeyValue) -> bool:
    if isinstance(value, str):
        return "\0" not in value
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def _digest(scope: str) -> bytes:
    return hashlib.blake2b(scope.encode(), digest_size=_FILTER_BYTES).digest()


def _seal(kind: int, body: bytes) -> str:
    content = bytes((kind,)) + body
    sealed = content + _CHECKSUM.pack(zlib.crc32(content))
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _unseal(kind: int, text: str) -> bytes:
    if len(text) > _LONGEST:
        raise _Malformed
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        sealed = base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise _Malformed from None
    content, checksum = sealed[:-4], sealed[-4:]
    if content[:1] != bytes((kind,)) or checksum != _CHECKSUM.pack(zlib.crc32(content)):
        raise _Malformed
    return content[1:]


def _refused(field: str, reason: str) -> InvalidArgument:
    expected = "a token from an earlier answer to the same question, unchanged"
    return InvalidArgument(
        f"{field}: expected {expected}",
        reason=reason,
        metadata={"field": field},
        violations=(Violation(field, f"expected {expected}"),),
    )
