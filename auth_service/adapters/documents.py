"""Users and events as the bytes that rows hold: JSON, where new optional fields do no harm."""

import msgspec

from auth_service.domain.events import AuthEvent, TokensRevoked
from auth_service.domain.users import User

_encoder = msgspec.json.Encoder()
_users = msgspec.json.Decoder(User)
_revocations = msgspec.json.Decoder(TokensRevoked)


def encode_user(user: User) -> bytes:
    """Returns the whole user."""
    return _encoder.encode(user)


def decode_user(document: bytes) -> User:
    """Returns the user that was encoded."""
    return _users.decode(document)


def encode_event(event: AuthEvent) -> bytes:
    """Returns the event's facts; its kind stands beside them in the log."""
    return _encoder.encode(event)


def decode_revocation(payload: bytes) -> TokensRevoked:
    """Returns the revocation that was encoded."""
    return _revocations.decode(payload)
