"""A session: what a login begins, and refresh tokens continue.

A refresh token works once. The row of a session has the hash of the token that works now, and a
key with which every token of the session was sealed when it was given out. So a token that was
spent is recognised for ever in constant space, while a text that somebody made up is not mistaken
for one; and who reads the row can make neither.
"""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime, timedelta
from uuid import UUID

from auth_service.domain.credentials import base64url
from auth_service.domain.errors import RefreshTokenInvalid
from servicekit.values import Value, replace

SECRET_BYTES = 24
SEAL_BYTES = 32
MOST_SESSIONS = 100
"""Sessions that a user has at the most; beyond it the oldest one cannot be refreshed any more."""

_PREFIX = "gpur_"
_ID_BYTES = 16
_TAG_BYTES = 16
_BYTES = _ID_BYTES + SECRET_BYTES + _TAG_BYTES


class Session(Value, frozen=True):
    """One login of a user on one device. It ends at `expires_at` however often it is refreshed."""

    hidden = ("secret_hash", "seal")
    id: str
    user_id: str
    secret_hash: bytes
    seal: bytes
    created_at: datetime
    expires_at: datetime

    def refreshed(self, secret: bytes) -> tuple["Session", str]:
        """Returns the session with another token, and the token's text."""
        changed = replace(self, secret_hash=hashlib.sha256(secret).digest())
        return changed, _PREFIX + base64url(_sealed(self, secret))

    def accepts(self, token: "RefreshToken") -> bool:
        """Tells whether it is the token that works now."""
        return self._issued(token) and hmac.compare_digest(
            hashlib.sha256(token.secret).digest(), self.secret_hash
        )

    def spent(self, token: "RefreshToken") -> bool:
        """Tells whether it is a token that worked before."""
        return self._issued(token) and not self.accepts(token)

    def _issued(self, token: "RefreshToken") -> bool:
        return token.session_id == self.id and hmac.compare_digest(
            _tag(self, token.secret), token.tag
        )


class NewSession(Value, frozen=True):
    """What a session is begun with; the bytes are random, SECRET_BYTES and SEAL_BYTES of them."""

    hidden = ("secret", "seal")
    id: str
    secret: bytes
    seal: bytes
    lifetime: timedelta

    def begin(self, user_id: str, now: datetime) -> tuple[Session, str]:
        """Returns the user's new session, and its first refresh token."""
        session = Session(self.id, user_id, b"", self.seal, now, now + self.lifetime)
        return session.refreshed(self.secret)


class RefreshToken(Value, frozen=True):
    """What a refresh token says, whether it is true or not."""

    hidden = ("secret", "tag")
    session_id: str
    secret: bytes
    tag: bytes


def parsed_refresh_token(text: str) -> RefreshToken:
    """Returns what a text says.

    Raises:
        RefreshTokenInvalid: no session ever gave out such a text.
    """
    encoded = text.removeprefix(_PREFIX)
    if encoded == text or len(encoded) > 2 * _BYTES:
        raise RefreshTokenInvalid
    try:
        padded = encoded.encode("ascii") + b"=" * (-len(encoded) % 4)
        data = base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise RefreshTokenInvalid from None
    if len(data) != _BYTES:
        raise RefreshTokenInvalid
    secret = data[_ID_BYTES:-_TAG_BYTES]
    return RefreshToken(str(UUID(bytes=data[:_ID_BYTES])), secret, data[-_TAG_BYTES:])


def _sealed(session: Session, secret: bytes) -> bytes:
    return UUID(session.id).bytes + secret + _tag(session, secret)


def _tag(session: Session, secret: bytes) -> bytes:
    message = UUID(session.id).bytes + secret
    return hmac.digest(session.seal, message, "sha256")[:_TAG_BYTES]
