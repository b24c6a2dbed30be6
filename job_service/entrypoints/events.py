"""What entrypoints need to read the service's log."""

from collections.abc import Callable
from typing import TypeAlias

from job_service.domain.job import JobEvent
from servicekit.transaction import RecordedEvent

EventDecoder: TypeAlias = Callable[[RecordedEvent], JobEvent]
"""Turns what the log holds back into the event of a job."""
