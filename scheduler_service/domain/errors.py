"""What can be wrong with a request, as this context names it."""

from servicekit.errors import AlreadyExists, Internal, NotFound


class WorkloadDiffers(AlreadyExists):
    """The id belongs to a workload with other content."""

    reason = "WORKLOAD_DIFFERS"


class WorkloadNotFound(NotFound):
    """No workload has this id."""

    reason = "WORKLOAD_NOT_FOUND"


class DeviceTaken(Internal):
    """A placement asks for more of a device or node than is free: the engine's view was wrong."""
