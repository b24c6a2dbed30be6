"""What this service refuses, by the reasons that its contract names."""

from datetime import timedelta

from servicekit.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Violation,
)


class UsernameInvalid(InvalidArgument):
    """The name has characters or a length that names do not have."""

    reason = "USERNAME_INVALID"

    def __init__(self, expected: str) -> None:
        super().__init__(
            f"username: expected {expected}",
            metadata={"field": "username"},
            violations=[Violation("username", f"expected {expected}")],
        )


class PasswordTooWeak(InvalidArgument):
    """The password is too short, longer than anybody types, or among the first to be guessed."""

    reason = "PASSWORD_TOO_WEAK"

    def __init__(self, expected: str, field: str = "password") -> None:
        super().__init__(
            f"{field}: expected {expected}",
            metadata={"field": field},
            violations=[Violation(field, f"expected {expected}")],
        )


class UsernameTaken(AlreadyExists):
    """Somebody has this name, perhaps in other letters of the same meaning."""

    reason = "USERNAME_TAKEN"

    def __init__(self, username: str) -> None:
        super().__init__(
            f"the username {username} is taken",
            metadata={"field": "username"},
            violations=[Violation("username", "is taken")],
        )


class EmailTaken(AlreadyExists):
    """Another user has this address."""

    reason = "EMAIL_TAKEN"

    def __init__(self, email: str) -> None:
        super().__init__(
            f"the address {email} belongs to another user",
            metadata={"field": "email"},
            violations=[Violation("email", "belongs to another user")],
        )


class CredentialsInvalid(Unauthenticated):
    """Name and password do not go together. Never says which of them was wrong."""

    reason = "CREDENTIALS_INVALID"

    def __init__(self) -> None:
        super().__init__("the username or the password is wrong")


class AccessRevoked(Unauthenticated):
    """The token is good, but its user may no longer use it."""

    reason = "TOKEN_REVOKED"

    def __init__(self) -> None:
        super().__init__("the user of this token was disabled or is gone")


class LoginThrottled(ResourceExhausted):
    """Too many attempts failed; `retry_after` says when the next one is allowed."""

    reason = "LOGIN_THROTTLED"

    def __init__(self, wait: timedelta) -> None:
        super().__init__("too many attempts failed; try again later", retry_after=_seconds(wait))


class RegistrationThrottled(ResourceExhausted):
    """Too many users were registered; `retry_after` says when the next one can be."""

    reason = "REGISTRATION_THROTTLED"

    def __init__(self, wait: timedelta) -> None:
        super().__init__("too many registrations; try again later", retry_after=_seconds(wait))


class PasswordWrong(PermissionDenied):
    """The caller is signed in, but does not know the current password."""

    reason = "PASSWORD_WRONG"

    def __init__(self) -> None:
        super().__init__("the current password is wrong")


class RefreshTokenInvalid(Unauthenticated):
    """The refresh token is unknown, or its session is over."""

    reason = "REFRESH_TOKEN_INVALID"

    def __init__(self) -> None:
        super().__init__("the refresh token is not valid; sign in again")


class RefreshTokenReused(Unauthenticated):
    """The refresh token worked before: two parties have it, and neither is trusted any more."""

    reason = "REFRESH_TOKEN_REUSED"

    def __init__(self) -> None:
        super().__init__("the refresh token was used before; its session has been ended")


class UserNotFound(NotFound):
    """No user has this id."""

    reason = "USER_NOT_FOUND"

    def __init__(self, user_id: str) -> None:
        super().__init__("no user has this id", metadata={"user_id": user_id})


class LastAdmin(FailedPrecondition):
    """Nobody would be left who can manage the system."""

    reason = "LAST_ADMIN"

    def __init__(self) -> None:
        super().__init__("this is the last active admin; make another user an admin first")


class RoleForbidden(PermissionDenied):
    """The caller's role, or the user's, does not allow it."""

    reason = "ROLE_FORBIDDEN"


class ApiKeyInvalid(Unauthenticated):
    """The API key is unknown, over, or no longer covered by its user's role."""

    reason = "API_KEY_INVALID"

    def __init__(self) -> None:
        super().__init__("the API key is not valid")


class ApiKeyNotFound(NotFound):
    """No API key has this id, or it is a stranger's."""

    reason = "API_KEY_NOT_FOUND"

    def __init__(self, api_key_id: str) -> None:
        super().__init__("no API key has this id", metadata={"api_key_id": api_key_id})


class ApiKeyNameTaken(AlreadyExists):
    """Another key of the user has this name."""

    reason = "API_KEY_NAME_TAKEN"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"another of the user's API keys is called {name}",
            metadata={"field": "name"},
            violations=[Violation("name", "is taken")],
        )


class ApiKeyLimitReached(FailedPrecondition):
    """The user has as many API keys as are allowed."""

    reason = "API_KEY_LIMIT_REACHED"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"the user has {most} API keys already; revoke one first", metadata={"most": str(most)}
        )


class TicketInvalid(Unauthenticated):
    """The ticket is unknown, expired, used, or its session is over."""

    reason = "TICKET_INVALID"

    def __init__(self) -> None:
        super().__init__("the ticket is not valid")


def _seconds(wait: timedelta) -> timedelta:
    """Rounds up to whole ones: to come at the time that was named is never too early."""
    return timedelta(seconds=-(-wait // timedelta(seconds=1)))
