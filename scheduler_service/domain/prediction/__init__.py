"""What durations are expected of runs that have not ended."""

from scheduler_service.domain.prediction.history import History

__all__ = ["History"]
