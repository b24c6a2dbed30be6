"""From what the application answers to the contract's messages."""

from auth_service.application.ports import AccessToken
from auth_service.domain.roles import Role
from auth_service.domain.users import User
from gpuaas.auth.v1 import auth_service_pb2 as pb
from gpuaas.auth.v1 import user_pb2
from servicekit.identity import Jwks
from servicekit.wellknown import timestamp, timestamp_or_none

ROLES = {
    Role.USER: user_pb2.ROLE_USER,
    Role.ADMIN: user_pb2.ROLE_ADMIN,
    Role.SERVICE: user_pb2.ROLE_SERVICE,
}


def register_response(user: User) -> pb.RegisterResponse:
    """Returns the answer that shows a new user."""
    return pb.RegisterResponse(user=_user(user))


def login_response(user: User, token: AccessToken) -> pb.LoginResponse:
    """Returns the answer to a successful login."""
    return pb.LoginResponse(
        access_token=token.text,
        token_type="bearer",  # noqa: S106 - a word of OAuth 2, no secret
        expires_in=int(token.lifetime.total_seconds()),
        user=_user(user),
    )


def current_user_response(user: User) -> pb.GetCurrentUserResponse:
    """Returns the answer that shows the caller."""
    return pb.GetCurrentUserResponse(user=_user(user))


def jwks_response(jwks: Jwks) -> pb.GetJwksResponse:
    """Returns the key set, member by member."""
    return pb.GetJwksResponse(keys=[pb.JsonWebKey(**key) for key in jwks["keys"]])


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
