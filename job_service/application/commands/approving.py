"""What admins decide about jobs before they run, and the rules that spare them the deciding."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from job_service.application.commands.acting import OnJob, Policy
from job_service.application.commands.starting import queue_if_ready
from job_service.application.commands.storing import store
from job_service.application.ports import UnitOfWork
from job_service.domain.approval import Rule, Rules
from job_service.domain.errors import RulesChanged
from job_service.domain.job import SYSTEM, Job
from job_service.domain.runs import Failure, FailureReason, Fault
from job_service.domain.states import JobState
from servicekit.errors import invalid
from servicekit.values import Value


class ApproveJob(OnJob, frozen=True):
    """Approves a pending job and queues it where starts are automatic.

    A job that needs two approvals waits for the second. Again by the same admin changes nothing,
    nor does a job change that others have approved and that has not ended.
    """

    name: ClassVar[str] = "job.approve"
    comment: str
    run_id: str
    policy: Policy

    def run(self, unit: UnitOfWork) -> Job:
        """The job as it stands then.

        Raises:
            SelfApprovalForbidden: the job is the caller's and too large for one approver.
            JobStateForbids: it has ended, and not after an approval by the caller.
        """
        job = self._job(unit)
        mine = any(it.approver_id == self.caller.id for it in job.approvals)
        if mine or (job.approved_at and not job.state.ended):
            return job
        job, event = job.approve(self.caller.name, self.comment, self.now, self.caller.id)
        events = [event]
        if job.state is JobState.APPROVED:
            by = self.caller.name
            job, queued = queue_if_ready(unit, job, self.run_id, by, self.policy, self.now)
            events += queued
        unit.jobs.save(job)
        unit.events.append(events)
        return job


class RejectJob(OnJob, frozen=True):
    """Rejects a pending job and returns its hours; again changes nothing."""

    name: ClassVar[str] = "job.reject"
    reason: str

    def run(self, unit: UnitOfWork) -> Job:
        """The job as it stands then."""
        job = self._job(unit)
        if job.state is JobState.REJECTED:
            return job
        return store(unit, job, job.reject(self.caller.name, self.reason, self.now))


class ExpireRequests(Value, frozen=True):
    """Fails jobs about which nobody decided in time; others are left alone."""

    name: ClassVar[str] = "job.expire"
    job_ids: tuple[str, ...]
    before: datetime
    now: datetime

    @staticmethod
    def prefetch(unit: UnitOfWork, commands: "Sequence[ExpireRequests]") -> None:
        """Reads all jobs in one statement."""
        unit.jobs.load([job_id for command in commands for job_id in command.job_ids])

    def run(self, unit: UnitOfWork) -> int:
        """How many expired."""
        return sum(self._expire(unit, job_id) for job_id in self.job_ids)

    def _expire(self, unit: UnitOfWork, job_id: str) -> bool:
        job = unit.jobs.find(job_id)
        if job is None or job.state is not JobState.PENDING or job.created_at >= self.before:
            return False
        message = f"Submitted {job.created_at:%Y-%m-%d %H:%M} UTC, and nobody decided in time."
        expired = Failure(Fault.PLATFORM, FailureReason.APPROVAL_EXPIRED, message)
        store(unit, job, job.fail(expired, SYSTEM, self.now))
        return True


class SetApprovalRules(Value, frozen=True):
    """Replaces all rules, for jobs submitted from then on; the same ones again change nothing."""

    name: ClassVar[str] = "approval.set"
    rules: tuple[Rule, ...]
    expected_version: int | None
    policy: Policy

    def run(self, unit: UnitOfWork) -> Rules:
        """The rules as they are then.

        Raises:
            RulesChanged: they have another version than expected.
            InvalidArgument: a cost is not in the currency of the prices.
        """
        found = unit.rules.get() or self.policy.rules
        if self.expected_version not in (None, found.version):
            raise RulesChanged(self.expected_version or 0, found.version)
        if self.rules == found.rules:
            return found
        self._check_currencies(unit.offers.get().currency)
        rules = Rules(self.rules, found.version + 1)
        unit.rules.save(rules)
        return rules

    def _check_currencies(self, currency: str) -> None:
        """Refuses a limit of costs that no job's cost could be compared with."""
        for place, rule in enumerate(self.rules):
            if rule.max_cost and currency and rule.max_cost.currency != currency:
                raise invalid(f"rules[{place}].max_cost.currency_code", currency)
