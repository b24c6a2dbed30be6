"""What this service refuses, by the reasons that its contract names."""

from servicekit.errors import AlreadyExists, InvalidArgument, Unauthenticated, Violation


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
    """The password is too short, or longer than anybody types."""

    reason = "PASSWORD_TOO_WEAK"

    def __init__(self, expected: str) -> None:
        super().__init__(
            f"password: expected {expected}",
            metadata={"field": "password"},
            violations=[Violation("password", f"expected {expected}")],
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
