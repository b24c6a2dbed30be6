"""What a user may do, in the words that access tokens use."""

import enum


class Role(enum.StrEnum):
    """Each user has exactly one."""

    USER = "user"
    ADMIN = "admin"
    SERVICE = "service"

    def covers(self, other: "Role") -> bool:
        """Tells whether who has this role may hand out a credential with the other."""
        return other is self or (self is Role.ADMIN and other is Role.USER)
