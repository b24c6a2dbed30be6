"""Which passwords are good enough. Length is asked for, never a mixture of characters."""

from dataclasses import dataclass

from auth_service.domain.errors import PasswordTooWeak

LONGEST_BYTES = 1024


@dataclass(frozen=True, slots=True)
class PasswordRules:
    """What a new password has to satisfy; `min_length` counts characters."""

    min_length: int = 12

    def check(self, password: str) -> None:
        """Raises PasswordTooWeak unless the password is within the limits."""
        if len(password) < self.min_length:
            raise PasswordTooWeak(f"{self.min_length} characters or more")
        if len(password.encode()) > LONGEST_BYTES:
            raise PasswordTooWeak(f"at most {LONGEST_BYTES} bytes of UTF-8")
