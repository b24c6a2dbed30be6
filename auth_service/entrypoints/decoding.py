"""From the contract's messages to what the application takes; refuses what makes no sense."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from auth_service.application.commands.api_keys import KeyWish
from auth_service.application.ports import AuditQuery, UserQuery
from auth_service.domain.api_keys import checked_key_name
from auth_service.domain.audit import Action
from auth_service.domain.emails import checked_email
from auth_service.domain.passwords import LONGEST_BYTES, PasswordRules
from auth_service.domain.roles import Role
from auth_service.domain.teams import checked_team
from auth_service.domain.usernames import LONGEST, checked_username, username_key
from auth_service.domain.users import UserChanges
from gpuaas.auth.v1 import audit_event_pb2, user_pb2
from gpuaas.auth.v1 import auth_service_pb2 as pb
from servicekit import wellknown
from servicekit.errors import invalid
from servicekit.ids import checked_uuid

T = TypeVar("T")

LONGEST_TEXT = 1024
LONGEST_ID = 128
PAGE_DEFAULT = 50
PAGE_MOST = 500

ROLES: Mapping[int, Role | None] = {
    user_pb2.ROLE_UNSPECIFIED: None,
    user_pb2.ROLE_USER: Role.USER,
    user_pb2.ROLE_ADMIN: Role.ADMIN,
    user_pb2.ROLE_SERVICE: Role.SERVICE,
}
ACTIONS: Mapping[int, Action | None] = {
    audit_event_pb2.AuditEvent.ACTION_UNSPECIFIED: None,
    **{audit_event_pb2.AuditEvent.Action.Value(f"ACTION_{it.value}"): it for it in Action},
}


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
    device_token: str = field(repr=False)


def registration(request: pb.RegisterRequest, rules: PasswordRules) -> Registration:
    """Returns a registration that only the state of the system can still refuse."""
    request_id(request)
    username, email = checked_username(request.username), checked_email(request.email)
    rules.check(request.password, username, email)
    return Registration(username, email, request.password)


def credentials(request: pb.LoginRequest) -> Credentials:
    """Returns the credentials, of which both parts are there."""
    if request.grant_type not in ("", "password"):
        raise invalid("grant_type", "'password' or nothing")
    for name in ("username", "password"):
        if not getattr(request, name):
            raise invalid(name, "a text that is not empty")
    _fits(request.password, "password")
    return Credentials(
        request.username, request.password, text(request.device_token, "device_token")
    )


def new_password(request: pb.ChangePasswordRequest, rules: PasswordRules, username: str) -> str:
    """Returns the password that is wanted, which is fit and another one."""
    request_id(request)
    _fits(request.current_password, "current_password")
    rules.check(request.new_password, username, field_name="new_password")
    if request.new_password == request.current_password:
        raise invalid("new_password", "another password than the current one")
    return request.new_password


def key_wish(request: pb.CreateApiKeyRequest) -> KeyWish:
    """Returns what is wanted of a new API key."""
    request_id(request)
    return KeyWish(
        checked_key_name(request.name),
        known(ROLES, request.role, "role"),
        moment(request, "expire_time"),
    )


def user_changes(request: pb.UpdateUserRequest) -> UserChanges:
    """Returns what is to be different; what is absent stays."""
    request_id(request)
    return UserChanges(
        role=known(ROLES, request.role, "role"),
        team=checked_team(request.team) if request.HasField("team") else None,
        disabled=request.disabled if request.HasField("disabled") else None,
        email=checked_email(request.email) if request.HasField("email") else None,
    )


def user_query(request: pb.ListUsersRequest) -> UserQuery:
    """Returns the conditions of a list of users."""
    return UserQuery(
        role=known(ROLES, request.role, "role"),
        team=text(request.team, "team"),
        disabled=request.disabled if request.HasField("disabled") else None,
        username_prefix=username_key(text(request.username_prefix, "username_prefix", LONGEST)),
    )


def audit_query(request: pb.ListAuditEventsRequest) -> AuditQuery:
    """Returns the conditions of a list of audit events."""
    return AuditQuery(
        actor_id=text(request.actor_id, "actor_id", LONGEST_ID),
        target=text(request.target, "target", LONGEST_ID),
        action=known(ACTIONS, request.action, "action"),
        from_time=moment(request, "from_time"),
        to_time=moment(request, "to_time"),
    )


def page_size(asked: int) -> int:
    """Returns the size of a page: the default for 0, the most for more than that."""
    if asked < 0:
        raise invalid("page_size", "0 or more")
    return min(asked or PAGE_DEFAULT, PAGE_MOST)


def required(value: str, name: str) -> str:
    """Returns an id, which has to be there."""
    if not value:
        raise invalid(name, "a text that is not empty")
    return text(value, name, LONGEST_ID)


def text(value: str, name: str, longest: int = LONGEST_TEXT) -> str:
    """Returns a text that both databases can hold: not too long, and without NUL."""
    if len(value) > longest or "\0" in value:
        raise invalid(name, f"at most {longest} characters, none of them NUL")
    return value


def request_id(request: Any) -> None:
    """Raises FIELD_INVALID unless the request's id is a UUID, or empty."""
    if request.request_id:
        checked_uuid("request_id", request.request_id)


def known(values: Mapping[int, T], number: int, name: str) -> T:
    """Returns what a number of an enum means; the contract may have numbers unknown here."""
    if number not in values:
        raise invalid(name, f"one of the contract's values, not {number}")
    return values[number]


def moment(request: Any, name: str) -> datetime | None:
    """Returns an optional time of a request."""
    if not request.HasField(name):
        return None
    try:
        return wellknown.moment(getattr(request, name))
    except OverflowError:
        raise invalid(name, "a time between the years 1 and 9999") from None


def _fits(password: str, name: str) -> None:
    if len(password.encode()) > LONGEST_BYTES:
        raise invalid(name, f"at most {LONGEST_BYTES} bytes of UTF-8")
