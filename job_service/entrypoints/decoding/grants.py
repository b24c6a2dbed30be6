"""Grants of GPU time."""

from gpuaas.job.v1 import quota_service_pb2
from job_service.domain.quantity import from_gpu_hours
from servicekit.errors import invalid

MOST_HOURS = 1_000_000_000


def granted_amount(request: quota_service_pb2.GrantHoursRequest) -> int:
    """The milli-GPU-seconds of a grant, given in them or in GPU-hours."""
    if request.HasField("amount_gpu_hours") == request.HasField("amount_milli_gpu_seconds"):
        raise invalid("amount_gpu_hours", "this or amount_milli_gpu_seconds, exactly one")
    field, amount = "amount_milli_gpu_seconds", request.amount_milli_gpu_seconds
    if request.HasField("amount_gpu_hours"):
        field, hours = "amount_gpu_hours", request.amount_gpu_hours
        # Not a number is no amount either: no comparison holds for it.
        amount = from_gpu_hours(hours) if 0 < hours <= MOST_HOURS else 0
    if not 0 < amount <= from_gpu_hours(MOST_HOURS):
        raise invalid(field, f"more than 0 and at most {MOST_HOURS:,} GPU-hours")
    return amount
