"""Amounts of GPU time that admins give, and whose quota is meant."""

from gpuaas.job.v1 import quota_service_pb2
from job_service.domain.ledger import of_team, of_user
from job_service.domain.quantity import from_gpu_hours
from job_service.entrypoints.decoding import fields
from servicekit.errors import invalid

MOST_HOURS = 1_000_000_000
LONGEST_ID = 128


def granted_amount(request: quota_service_pb2.GrantHoursRequest) -> int:
    """The milli-GPU-seconds of a grant, given in them or in GPU-hours; more than none."""
    hours = request.amount_gpu_hours if request.HasField("amount_gpu_hours") else None
    exact = (
        request.amount_milli_gpu_seconds if request.HasField("amount_milli_gpu_seconds") else None
    )
    return _amount("amount", hours, exact, least=1)


def limit(request: quota_service_pb2.SetQuotaRequest) -> int:
    """The milli-GPU-seconds of a limit, given in them or in GPU-hours; none at all is one too."""
    hours = request.limit_gpu_hours if request.HasField("limit_gpu_hours") else None
    exact = request.limit_milli_gpu_seconds if request.HasField("limit_milli_gpu_seconds") else None
    return _amount("limit", hours, exact, least=0)


def subject(owner_id: str, team: str) -> str:
    """The user or the team that a change names; exactly one of them."""
    if bool(owner_id) == bool(team):
        raise invalid("owner_id", "this or team, exactly one")
    if owner_id:
        return of_user(fields.required(owner_id, "owner_id", LONGEST_ID))
    return of_team(fields.required(team, "team", LONGEST_ID))


def _amount(name: str, hours: float | None, exact: int | None, least: int) -> int:
    if (hours is None) == (exact is None):
        raise invalid(f"{name}_gpu_hours", f"this or {name}_milli_gpu_seconds, exactly one")
    field, amount = f"{name}_milli_gpu_seconds", exact if exact is not None else -1
    if hours is not None:
        # Not a number is no amount either: no comparison holds for it.
        field, amount = f"{name}_gpu_hours", -1
        amount = from_gpu_hours(hours) if 0 <= hours <= MOST_HOURS else -1
    if not least <= amount <= from_gpu_hours(MOST_HOURS):
        bound = "more than 0" if least else "0 or more"
        raise invalid(field, f"{bound} and at most {MOST_HOURS:,} GPU-hours")
    return amount
