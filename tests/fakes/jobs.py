"""Jobs as tests need them: Ada's, of one GPU for one hour, but for what a test says."""

from datetime import UTC, datetime, timedelta
from typing import Any

from job_service.application.commands.acting import Caller, Policy
from job_service.application.commands.approving import ApproveJob, RejectJob
from job_service.application.commands.cancelling import CancelJob
from job_service.application.commands.quota import SetQuota
from job_service.application.commands.starting import StartJob
from job_service.application.commands.submitting import SubmitJob
from job_service.domain.approval import default_rules
from job_service.domain.job import Change, Job, Owner
from job_service.domain.quantity import MILLI_GPU_SECONDS_PER_HOUR as HOUR
from job_service.domain.quantity import period_of
from job_service.domain.reports import Report, ReportKind
from job_service.domain.runs import DeviceSlice, NodeSlice, Placement
from job_service.domain.spec import JobSpec, ResourceSpec
from job_service.domain.submitting import submit

__all__ = ["HOUR"]

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
PERIOD = "2026-03"
ADA = Owner("u1", "Ada", "engines")
BOB = Owner("u2", "Bob", "looms")
ADA_CALLS = Caller("u1", "Ada", is_admin=False)
BOB_CALLS = Caller("u2", "Bob", is_admin=False)
ADMIN_CALLS = Caller("u9", "root", is_admin=True)
PLACEMENT = Placement(
    "a1", "training", "local", (NodeSlice("n1", "node-1", "A100", (DeviceSlice(3, 500),), 8, 64),)
)


def later(seconds: float = 1) -> datetime:
    """A time after NOW."""
    return NOW + timedelta(seconds=seconds)


def spec(hours: float = 1, **fields: Any) -> JobSpec:
    """A spec of one GPU for so many hours."""
    length = timedelta(hours=hours)
    usual: dict[str, Any] = {
        "command": "python train.py",
        "resources": ResourceSpec(),
        "estimated_duration": length,
        "max_runtime": length,
    }
    return JobSpec(**usual | fields)


def submitted(
    job_id: str = "j1", owner: Owner = ADA, hours: float = 1, at: datetime = NOW, **fields: Any
) -> Change:
    """What submitting a job makes."""
    return submit(job_id, owner, spec(hours, **fields), period_of(at), at)


def pending(job_id: str = "j1", **fields: Any) -> Job:
    """A job that waits for approval."""
    return submitted(job_id, **fields).job


def queued(job_id: str = "j1", **fields: Any) -> Job:
    """A job whose run waits in the queue."""
    job = pending(job_id, **fields).approve("root", "", NOW).job
    return job.queue(f"run of {job_id}", "root", NOW).job


def running(job_id: str = "j1", **fields: Any) -> Job:
    """A job that runs."""
    return queued(job_id, **fields).run_started(PLACEMENT, NOW).job


def policy(
    hours: float = 10, auto_hours: float = 0, two_hours: float = 0, *, auto_start: bool = True
) -> Policy:
    """A policy with so many hours a month.

    Jobs of up to ``auto_hours`` are approved by themselves, above ``two_hours`` by two admins.
    """
    limit = round(auto_hours * HOUR)
    rules = default_rules(limit, round(two_hours * HOUR))
    return Policy(round(hours * HOUR), rules, auto_start)


def submit_command(job_id: str = "j1", hours: float = 1, **fields: Any) -> SubmitJob:
    """Submits Ada's job of one GPU."""
    usual: dict[str, Any] = {
        "job_id": job_id,
        "run_id": f"run of {job_id}",
        "owner": ADA,
        "spec": spec(hours),
        "policy": policy(),
        "now": NOW,
    }
    return SubmitJob(**usual | fields)


def approve_command(
    job_id: str = "j1", caller: Caller = ADMIN_CALLS, *, auto_start: bool = True
) -> ApproveJob:
    """Approves a job."""
    rules = policy(auto_start=auto_start)
    return ApproveJob(job_id, caller, later(), "looks fine", f"run of {job_id}", rules)


def reject_command(job_id: str = "j1", caller: Caller = ADMIN_CALLS) -> RejectJob:
    """Rejects a job."""
    return RejectJob(job_id, caller, later(), "too much")


def start_command(job_id: str = "j1", caller: Caller = ADMIN_CALLS) -> StartJob:
    """Starts a job."""
    return StartJob(job_id, caller, later(), f"run of {job_id}")


def cancel_command(job_id: str = "j1", caller: Caller = ADA_CALLS) -> CancelJob:
    """Cancels a job."""
    return CancelJob(job_id, caller, later(), "no longer needed")


def set_quota_command(
    subject: str, hours: float, period: str = PERIOD, change: str = "limit"
) -> SetQuota:
    """Limits a user or a team to so many hours a month, from a month on."""
    return SetQuota(
        f"{change} of {subject} in {period}",
        subject,
        period,
        round(hours * HOUR),
        "root",
        "as agreed",
        NOW,
    )


def report(kind: ReportKind, job_id: str = "j1", **fields: Any) -> Report:
    """A report about the first run of a job."""
    placement = PLACEMENT if kind is ReportKind.STARTED else None
    usual: dict[str, Any] = {"run_id": f"run of {job_id}", "at": later(60), "placement": placement}
    return Report(kind, job_id, **usual | fields)
