"""Quotas and their statements."""

from gpuaas.job.v1 import quota_pb2, quota_service_pb2
from job_service.application.commands.quota import Quota
from job_service.domain.ledger import MOVES, Entry
from job_service.domain.quantity import gpu_hours, period_end, period_start
from servicekit.wellknown import timestamp


def quota_message(quota: Quota) -> quota_pb2.Quota:
    """A quota in a month, in milli-GPU-seconds and in GPU-hours."""
    account = quota.account
    owner_id, team = owner_and_team(account.subject)
    return quota_pb2.Quota(
        owner_id=owner_id,
        owner=account.name,
        team=team,
        period_start=timestamp(period_start(account.period)),
        period_end=timestamp(period_end(account.period)),
        limit_milli_gpu_seconds=account.limit,
        granted_milli_gpu_seconds=account.granted,
        reserved_milli_gpu_seconds=account.reserved,
        used_milli_gpu_seconds=account.used,
        left_milli_gpu_seconds=account.available,
        reserved_total_milli_gpu_seconds=account.reserved_total,
        settled_total_milli_gpu_seconds=account.used - account.overrun,
        refunded_total_milli_gpu_seconds=account.refunded_total,
        limit_gpu_hours=gpu_hours(account.limit),
        granted_gpu_hours=gpu_hours(account.granted),
        reserved_gpu_hours=gpu_hours(account.reserved),
        used_gpu_hours=gpu_hours(account.used),
        left_gpu_hours=gpu_hours(account.available),
        is_default=quota.is_default,
    )


def grant_response(quota: Quota) -> quota_service_pb2.GrantHoursResponse:
    """The answer to a grant."""
    return quota_service_pb2.GrantHoursResponse(quota=quota_message(quota))


def set_quota_response(quota: Quota) -> quota_service_pb2.SetQuotaResponse:
    """The answer to another limit."""
    return quota_service_pb2.SetQuotaResponse(quota=quota_message(quota))


def entry_message(entry: Entry) -> quota_pb2.LedgerEntry:
    """One line of a statement; a limit that fell went back from where it would have come to."""
    source, target = MOVES[entry.kind]
    if entry.amount < 0:
        source, target = target, source
    owner_id, team = owner_and_team(entry.subject)
    return quota_pb2.LedgerEntry(
        id=entry.id,
        sequence=entry.sequence,
        time=timestamp(entry.at),
        period_start=timestamp(period_start(entry.period)),
        owner_id=owner_id,
        team=team,
        kind=quota_pb2.LedgerEntry.Kind.Value(f"KIND_{entry.kind}"),
        from_account=quota_pb2.LedgerEntry.Account.Value(f"ACCOUNT_{source}"),
        to_account=quota_pb2.LedgerEntry.Account.Value(f"ACCOUNT_{target}"),
        amount_milli_gpu_seconds=abs(entry.amount),
        left_milli_gpu_seconds=entry.left,
        job_id=entry.job_id,
        run_id=entry.run_id,
        actor=entry.actor,
        reason=entry.reason,
        amount_gpu_hours=gpu_hours(abs(entry.amount)),
    )


def owner_and_team(subject: str) -> tuple[str, str]:
    """The user's id and an empty team, or the other way round."""
    kind, _, name = subject.partition(":")
    return (name, "") if kind == "user" else ("", name)
