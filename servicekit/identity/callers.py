"""A verified caller, and the header that names one."""

import enum
from dataclasses import dataclass
from datetime import UTC, datetime

from servicekit.errors import Unauthenticated

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Role(enum.StrEnum):
    """What a caller is allowed to be; the contract's option names them in upper case."""

    USER = "user"
    ADMIN = "admin"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified caller.

    Attributes:
        subject: the user's id.
        username: the user's name when the token was issued.
        role: what the token lets its bearer be.
        team: the user's team; empty for none.
        token_id: the token's own id.
        expires_at: time in UTC from which the token is good for nothing.
        session_id: the session or API key that the token comes from; empty where it says none.
        generation: number of the user's generation of tokens; ending all sessions of a user
            begins the next one. A token that names none is of generation 0.
        issued_at: time in UTC of its issue.
        password_change_required: whether the user may do nothing but change the password.
        key_id: the key that signed the token.
    """

    subject: str
    username: str
    role: Role
    team: str
    token_id: str
    expires_at: datetime
    session_id: str = ""
    generation: int = 0
    issued_at: datetime = LONG_AGO
    password_change_required: bool = False
    key_id: str = ""


def bearer_token(authorization: str | None) -> str:
    """Returns the token of an `authorization` header; Unauthenticated TOKEN_MISSING without one."""
    if authorization is None:
        raise Unauthenticated("this call needs a bearer token", reason="TOKEN_MISSING")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("authorization: expected 'Bearer <token>'", reason="TOKEN_MISSING")
    return token
