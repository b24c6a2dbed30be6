"""What the scheduler reports, applied exactly once: effects and cursor in one transaction."""

from collections.abc import Sequence
from itertools import chain
from typing import ClassVar

from job_service.application.commands.books import booked_keys
from job_service.application.commands.storing import store
from job_service.application.ports import UnitOfWork
from job_service.domain.errors import QuotaExceeded
from job_service.domain.job import SCHEDULER, Change, Job
from job_service.domain.reports import Report, ReportKind
from job_service.domain.runs import Failure, RetryRule
from job_service.domain.states import JobState
from servicekit.values import Value

READER = "scheduler"


class ApplyReports(Value, frozen=True):
    """Applies a batch of reports and moves the cursor past them, where they have a position.

    ``retry`` holds for jobs without a rule of their own.
    """

    name: ClassVar[str] = "job.follow"
    is_batch: ClassVar[bool] = True
    reports: tuple[Report, ...]
    position: str = ""
    retry: RetryRule = RetryRule()

    @staticmethod
    def prefetch(unit: UnitOfWork, commands: "Sequence[ApplyReports]") -> None:
        """Reads all jobs and their accounts in two statements."""
        job_ids = dict.fromkeys(report.job_id for command in commands for report in command.reports)
        unit.jobs.load(job_ids)
        jobs = [job for job_id in job_ids if (job := unit.jobs.find(job_id))]
        unit.accounts.load(chain.from_iterable(booked_keys(job) for job in jobs))

    def run(self, unit: UnitOfWork) -> int:
        """How many reports changed a job; those about runs that are over already do not."""
        applied = sum(self._apply(unit, report) for report in self.reports)
        if self.position:
            unit.cursors.move(READER, self.position)
        return applied

    def _apply(self, unit: UnitOfWork, report: Report) -> bool:
        job = unit.jobs.find(report.job_id)
        if job is None or job.run is None or job.run.id != report.run_id or job.state.ended:
            return False
        if job.held_until is not None:
            # The scheduler has not been told of this run yet.
            return False
        if report.kind is ReportKind.STARTED:
            return _start(unit, job, report)
        if report.kind is ReportKind.CANCELLED:
            store(unit, job, job.cancel(SCHEDULER, report.message, report.at))
        elif report.kind is ReportKind.PREEMPTED:
            self._preempt(unit, job, report)
        elif report.failure is None or not self._try_again(unit, job, report, report.failure):
            store(unit, job, _ended(job, report))
        return True

    def _preempt(self, unit: UnitOfWork, job: Job, report: Report) -> None:
        """Queues the job again, unless it lost more nodes than it may."""
        lost = report.failure
        if lost and not (job.spec.retry or self.retry).covers(lost, job.retries):
            store(unit, job, _ended(job, report))
            return
        change, over = job.preempted(
            report.message, report.used, report.at, counts=lost is not None, cost=report.cost
        )
        unit.jobs.keep_run(job.id, over)
        store(unit, job, change)

    def _try_again(self, unit: UnitOfWork, job: Job, report: Report, failure: Failure) -> bool:
        """Whether the job gets another run: its rule covers the failure and its quota the run."""
        rule = job.spec.retry or self.retry
        if not rule.covers(failure, job.retries):
            return False
        change, over = job.try_again(failure, report.used, rule, report.at, report.cost)
        try:
            job = store(unit, job, change)
        except QuotaExceeded:
            return False
        unit.jobs.keep_run(job.id, over)
        if job.held_until is not None and job.held_until <= report.at:
            store(unit, job, job.hand_over(SCHEDULER, report.at))
        return True


def _ended(job: Job, report: Report) -> Change:
    return job.run_ended(report.failure, report.used, report.at, cost=report.cost)


def _start(unit: UnitOfWork, job: Job, report: Report) -> bool:
    if job.state is not JobState.QUEUED or report.placement is None:
        return False
    store(unit, job, job.run_started(report.placement, report.at))
    return True
