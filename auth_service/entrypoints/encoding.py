"""From what the application answers to the contract's messages."""

from collections.abc import Iterable
from datetime import datetime

from google.protobuf.wrappers_pb2 import StringValue

from auth_service.application.commands.sessions import Begun
from auth_service.application.ports import AccessToken
from auth_service.application.queries import Page
from auth_service.application.signing_in import SignedIn
from auth_service.domain.api_keys import ApiKey
from auth_service.domain.audit import AuditEvent
from auth_service.domain.events import TokensRevoked
from auth_service.domain.roles import Role
from auth_service.domain.users import User
from gpuaas.auth.v1 import api_key_pb2, audit_event_pb2, token_service_pb2, user_pb2
from gpuaas.auth.v1 import auth_service_pb2 as pb
from servicekit.identity import Jwks
from servicekit.wellknown import timestamp, timestamp_or_none

BEARER = "bearer"

ROLES = {
    Role.USER: user_pb2.ROLE_USER,
    Role.ADMIN: user_pb2.ROLE_ADMIN,
    Role.SERVICE: user_pb2.ROLE_SERVICE,
}


def register_response(user: User) -> pb.RegisterResponse:
    """Returns the answer that shows a new user."""
    return pb.RegisterResponse(user=_user(user))


def login_response(signed_in: SignedIn, token: AccessToken, now: datetime) -> pb.LoginResponse:
    """Returns the answer to a successful login."""
    begun = signed_in.begun
    return pb.LoginResponse(
        access_token=token.text,
        token_type=BEARER,
        expires_in=_seconds(token),
        refresh_token=begun.refresh_token,
        refresh_expires_in=_seconds_until(begun.expires_at, now),
        user=_user(begun.user),
        device_token=signed_in.device_token,
    )


def refresh_response(begun: Begun, token: AccessToken, now: datetime) -> pb.RefreshTokenResponse:
    """Returns the answer that continues a session."""
    return pb.RefreshTokenResponse(
        access_token=token.text,
        token_type=BEARER,
        expires_in=_seconds(token),
        refresh_token=begun.refresh_token,
        refresh_expires_in=_seconds_until(begun.expires_at, now),
        user=_user(begun.user),
    )


def logout_response(ended: int) -> pb.LogoutResponse:
    """Returns the answer that counts the sessions that ended."""
    return pb.LogoutResponse(ended_sessions=ended)


def begun_session(begun: Begun) -> StringValue:
    """Returns what is remembered of a change of password: the session's id, and no token."""
    return StringValue(value=begun.session_id)


def password_response(
    refresh_token: str, expires_at: datetime, token: AccessToken, now: datetime
) -> pb.ChangePasswordResponse:
    """Returns the answer with the tokens that take the place of all others."""
    return pb.ChangePasswordResponse(
        access_token=token.text,
        token_type=BEARER,
        expires_in=_seconds(token),
        refresh_token=refresh_token,
        refresh_expires_in=_seconds_until(expires_at, now),
    )


def current_user_response(user: User) -> pb.GetCurrentUserResponse:
    """Returns the answer that shows the caller."""
    return pb.GetCurrentUserResponse(user=_user(user))


def jwks_response(jwks: Jwks) -> pb.GetJwksResponse:
    """Returns the key set, member by member."""
    return pb.GetJwksResponse(keys=[pb.JsonWebKey(**key) for key in jwks["keys"]])


def create_key_response(key: ApiKey) -> pb.CreateApiKeyResponse:
    """Returns the answer as it is remembered: without the key's secret."""
    return pb.CreateApiKeyResponse(api_key=_api_key(key))


def revoke_key_response(key: ApiKey) -> pb.RevokeApiKeyResponse:
    """Returns the answer that shows a revoked key."""
    return pb.RevokeApiKeyResponse(api_key=_api_key(key))


def list_keys_response(page: Page[ApiKey]) -> pb.ListApiKeysResponse:
    """Returns a page of API keys."""
    return pb.ListApiKeysResponse(
        api_keys=map(_api_key, page.items), next_page_token=page.next_page_token
    )


def exchange_response(user: User, token: AccessToken) -> token_service_pb2.ExchangeApiKeyResponse:
    """Returns the answer with an access token got with an API key."""
    return token_service_pb2.ExchangeApiKeyResponse(
        access_token=token.text, token_type=BEARER, expires_in=_seconds(token), user=_user(user)
    )


def list_users_response(page: Page[User]) -> pb.ListUsersResponse:
    """Returns a page of users."""
    return pb.ListUsersResponse(users=map(_user, page.items), next_page_token=page.next_page_token)


def get_user_response(user: User) -> pb.GetUserResponse:
    """Returns the answer that shows a user."""
    return pb.GetUserResponse(user=_user(user))


def update_user_response(user: User) -> pb.UpdateUserResponse:
    """Returns the answer that shows a user after a change."""
    return pb.UpdateUserResponse(user=_user(user))


def revoke_sessions_response(ended: int) -> pb.RevokeSessionsResponse:
    """Returns the answer that counts the sessions that ended."""
    return pb.RevokeSessionsResponse(ended_sessions=ended)


def list_audit_response(page: Page[AuditEvent]) -> pb.ListAuditEventsResponse:
    """Returns a page of audit events."""
    return pb.ListAuditEventsResponse(
        audit_events=map(_audit_event, page.items), next_page_token=page.next_page_token
    )


def revocations(
    revoked: Iterable[tuple[int, TokensRevoked]],
) -> list[token_service_pb2.Revocation]:
    """Returns revocations, each with its place in the log."""
    return [
        token_service_pb2.Revocation(
            revision=revision,
            user_id=it.user_id,
            session_id=it.session_id,
            generation=it.generation,
            expire_time=timestamp(it.expires_at),
            key_id=it.key_id,
        )
        for revision, it in revoked
    ]


def _user(user: User) -> user_pb2.User:
    return user_pb2.User(
        id=user.id,
        username=user.username,
        email=user.email,
        role=ROLES[user.role],
        is_admin=user.role is Role.ADMIN,
        team=user.team,
        disabled=user.disabled,
        password_change_required=user.password_change_required,
        create_time=timestamp(user.created_at),
        update_time=timestamp(user.updated_at),
        last_login_time=timestamp_or_none(user.last_login_at),
    )


def _api_key(key: ApiKey) -> api_key_pb2.ApiKey:
    return api_key_pb2.ApiKey(
        id=key.id,
        user_id=key.user_id,
        name=key.name,
        prefix=key.prefix,
        role=ROLES[key.role],
        create_time=timestamp(key.created_at),
        expire_time=timestamp(key.expires_at),
        last_used_time=timestamp_or_none(key.last_used_at),
        revoke_time=timestamp_or_none(key.revoked_at),
    )


def _audit_event(event: AuditEvent) -> audit_event_pb2.AuditEvent:
    entry, origin = event.entry, event.entry.origin
    message = audit_event_pb2.AuditEvent
    return message(
        sequence=event.link.sequence,
        time=timestamp(entry.at),
        actor_id=origin.actor_id,
        actor=origin.actor,
        action=message.Action.Value(f"ACTION_{entry.action.value}"),
        target=entry.target,
        outcome=message.Outcome.Value(f"OUTCOME_{entry.outcome.value}"),
        reason=entry.reason,
        request_id=origin.request_id,
        address=origin.address,
        changes=dict(entry.changes),
        hash=event.link.hash,
    )


def _seconds(token: AccessToken) -> int:
    return int(token.lifetime.total_seconds())


def _seconds_until(moment: datetime, now: datetime) -> int:
    return round((moment - now).total_seconds())
