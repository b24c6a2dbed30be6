"""Forgetting what is over, so that no table grows without end."""

from datetime import datetime, timedelta
from typing import ClassVar

from auth_service.application.ports import UnitOfWork
from servicekit.values import Value

AT_ONCE = 1_000
EVENTS_KEPT = timedelta(days=7)


class ForgetExpired(Value, frozen=True):
    """Deletes some sessions, devices, tickets, tallies, revocations and API keys that are over."""

    name: ClassVar[str] = "expired.forget"
    now: datetime

    def run(self, unit: UnitOfWork) -> int:
        """How many rows were deleted; AT_ONCE or more: there may be others."""
        return unit.expired.forget(self.now, AT_ONCE)


class TrimEvents(Value, frozen=True):
    """Deletes some events that every follower has read, or has been away for too long to need."""

    name: ClassVar[str] = "events.trim"
    now: datetime

    def run(self, unit: UnitOfWork) -> int:
        """How many events were deleted; AT_ONCE: there may be others."""
        return unit.expired.trim_events(self.now - EVENTS_KEPT, AT_ONCE)
