"""What a user may do, in the words that access tokens use."""

import enum


class Role(enum.StrEnum):
    """Each user has exactly one."""

    USER = "user"
    ADMIN = "admin"
    SERVICE = "service"
