"""Quotes as tokens: signed with this installation's key, so that nothing is kept of them.

A token is its terms as JSON behind a MAC (HMAC-SHA-256), in URL-safe base64. It is no secret to
whom it was given: it says what they were told.
"""

import base64
import binascii
import hashlib
import hmac

import msgspec

from job_service.domain.quotes import Terms
from job_service.domain.spec import JobSpec
from servicekit.errors import InvalidArgument, invalid

LONGEST = 2048
_MAC_BYTES = 32

_encode = msgspec.json.Encoder(order="deterministic").encode
_decode_terms = msgspec.json.Decoder(Terms).decode


def fingerprint(spec: JobSpec) -> str:
    """What tells a spec from every other; the order of its maps makes no difference."""
    return hashlib.blake2b(_encode(spec), digest_size=16).hexdigest()


def sealed(terms: Terms, key: bytes) -> str:
    """The token of some terms."""
    body = _encode(terms)
    return base64.urlsafe_b64encode(_mac(body, key) + body).rstrip(b"=").decode()


def opened(token: str, key: bytes) -> Terms:
    """The terms of a token.

    Raises:
        InvalidArgument: it was not made with this key; the field is named.
    """
    if len(token) > LONGEST:
        raise _refused()
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        sealed_terms = base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise _refused() from None
    mac, body = sealed_terms[:_MAC_BYTES], sealed_terms[_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(body, key)):
        raise _refused()
    return _decode_terms(body)


def _mac(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, body, "sha256")


def _refused() -> InvalidArgument:
    return invalid("quote_token", "a token from an answer of QuoteJob, unchanged")
