"""A device that somebody signed in on: it is spared the delays that strangers' guesses cause."""

from datetime import datetime, timedelta

from servicekit.values import Value, replace

LIFETIME = timedelta(days=180)
MOST_DEVICES = 20
"""Devices that are known of a user; beyond it the one not used for longest is forgotten."""


class Device(Value, frozen=True):
    """A device of a user, known by the hash of its token."""

    hidden = ("hash",)
    hash: bytes
    user_id: str
    used_at: datetime

    def is_known(self, user_id: str, now: datetime) -> bool:
        """Tells whether it is this user's, and was used not too long ago."""
        return self.user_id == user_id and now - self.used_at < LIFETIME

    def used(self, now: datetime) -> "Device":
        """The device after another login."""
        return replace(self, used_at=now)
