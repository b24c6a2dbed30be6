"""From the contract's messages to what the application takes; refuses what makes no sense."""

from dataclasses import dataclass, field

from auth_service.domain.emails import checked_email
from auth_service.domain.passwords import LONGEST_BYTES, PasswordRules
from auth_service.domain.usernames import checked_username
from gpuaas.auth.v1 import auth_service_pb2 as pb
from servicekit.errors import invalid
from servicekit.ids import checked_uuid


@dataclass(frozen=True, slots=True)
class Registration:
    """Who wants to be registered."""

    username: str
    email: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who wants to sign in."""

    username: str
    password: str = field(repr=False)


def registration(request: pb.RegisterRequest, rules: PasswordRules) -> Registration:
    """Returns a registration that only the state of the system can still refuse."""
    if request.request_id:
        checked_uuid("request_id", request.request_id)
    username, email = checked_username(request.username), checked_email(request.email)
    rules.check(request.password)
    return Registration(username, email, request.password)


def credentials(request: pb.LoginRequest) -> Credentials:
    """Returns the credentials, of which both parts are there."""
    if request.grant_type not in ("", "password"):
        raise invalid("grant_type", "'password' or nothing")
    for name in ("username", "password"):
        if not getattr(request, name):
            raise invalid(name, "a text that is not empty")
    if len(request.password.encode()) > LONGEST_BYTES:
        raise invalid("password", f"at most {LONGEST_BYTES} bytes of UTF-8")
    return Credentials(request.username, request.password)
