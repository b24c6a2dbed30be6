"""What can be wrong with a request, as this context names it."""

from servicekit.errors import (
    AlreadyExists,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    NotFound,
    OutOfRange,
)


class WorkloadDiffers(AlreadyExists):
    """The id belongs to a workload with other content."""

    reason = "WORKLOAD_DIFFERS"


class WorkloadNotFound(NotFound):
    """No workload has this id."""

    reason = "WORKLOAD_NOT_FOUND"


class GpuTypeUnknown(InvalidArgument):
    """No node has a device of this model."""

    reason = "GPU_TYPE_UNKNOWN"


class PoolUnknown(InvalidArgument):
    """There is no pool of this name."""

    reason = "POOL_UNKNOWN"


class ProviderUnknown(InvalidArgument):
    """No node belongs to a provider of this name."""

    reason = "PROVIDER_UNKNOWN"


class NoProvider(FailedPrecondition):
    """No provider has what is asked for."""

    reason = "NO_PROVIDER"


class HistoryExpired(OutOfRange):
    """The decisions of that time are no longer kept."""

    reason = "HISTORY_EXPIRED"


class DeviceTaken(Internal):
    """A placement asks for more of a device or node than is free: the engine's view was wrong."""
