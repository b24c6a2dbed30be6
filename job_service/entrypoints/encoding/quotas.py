"""Quotas and their statements."""

from gpuaas.job.v1 import quota_pb2
from job_service.domain.ledger import MOVES, Account, Entry
from job_service.domain.quantity import gpu_hours, period_end, period_start
from servicekit.wellknown import timestamp


def quota_message(account: Account, owner: str) -> quota_pb2.Quota:
    """A user's quota in a month, in milli-GPU-seconds and in GPU-hours."""
    return quota_pb2.Quota(
        owner_id=account.owner_id,
        owner=owner,
        period_start=timestamp(period_start(account.period)),
        period_end=timestamp(period_end(account.period)),
        limit_milli_gpu_seconds=account.limit,
        granted_milli_gpu_seconds=account.granted,
        reserved_milli_gpu_seconds=account.reserved,
        used_milli_gpu_seconds=account.used,
        left_milli_gpu_seconds=account.available,
        reserved_total_milli_gpu_seconds=account.reserved_total,
        settled_total_milli_gpu_seconds=account.used,
        refunded_total_milli_gpu_seconds=account.refunded_total,
        limit_gpu_hours=gpu_hours(account.limit),
        granted_gpu_hours=gpu_hours(account.granted),
        reserved_gpu_hours=gpu_hours(account.reserved),
        used_gpu_hours=gpu_hours(account.used),
        left_gpu_hours=gpu_hours(account.available),
        is_default=True,
    )


def entry_message(entry: Entry) -> quota_pb2.LedgerEntry:
    """One line of a statement."""
    source, target = MOVES[entry.kind]
    return quota_pb2.LedgerEntry(
        id=entry.id,
        sequence=entry.sequence,
        time=timestamp(entry.at),
        period_start=timestamp(period_start(entry.period)),
        owner_id=entry.owner_id,
        kind=quota_pb2.LedgerEntry.Kind.Value(f"KIND_{entry.kind}"),
        from_account=quota_pb2.LedgerEntry.Account.Value(f"ACCOUNT_{source}"),
        to_account=quota_pb2.LedgerEntry.Account.Value(f"ACCOUNT_{target}"),
        amount_milli_gpu_seconds=entry.amount,
        left_milli_gpu_seconds=entry.left,
        job_id=entry.job_id,
        actor=entry.actor,
        reason=entry.reason,
        amount_gpu_hours=gpu_hours(entry.amount),
    )
