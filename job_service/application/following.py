"""What the scheduler reports, applied exactly once: effects and cursor in one transaction."""

from collections.abc import Sequence
from typing import ClassVar

from job_service.application.commands import end
from job_service.application.ports import UnitOfWork
from job_service.domain.job import SCHEDULER, Job, JobState
from job_service.domain.reports import Report, ReportKind
from servicekit.values import Value

READER = "scheduler"


class ApplyReports(Value, frozen=True):
    """Applies a batch of reports and moves the cursor past them, where they have a position."""

    name: ClassVar[str] = "job.follow"
    reports: tuple[Report, ...]
    position: str = ""

    @staticmethod
    def prefetch(unit: UnitOfWork, commands: "Sequence[ApplyReports]") -> None:
        """Reads all jobs and their accounts in two statements."""
        job_ids = dict.fromkeys(report.job_id for command in commands for report in command.reports)
        unit.jobs.load(job_ids)
        jobs = [job for job_id in job_ids if (job := unit.jobs.find(job_id))]
        unit.accounts.load({(job.owner.id, job.period) for job in jobs})

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
        if report.kind is ReportKind.STARTED:
            return _start(unit, job, report)
        if report.kind is ReportKind.PREEMPTED:
            return _requeue(unit, job, report)
        if report.kind is ReportKind.CANCELLED:
            end(unit, job, job.cancel(SCHEDULER, report.message, report.at))
        else:
            end(unit, job, job.run_ended(report.failure, report.used, report.at))
        return True


def _requeue(unit: UnitOfWork, job: Job, report: Report) -> bool:
    if job.state is not JobState.RUNNING:
        return False
    job, event = job.run_preempted(report.message, report.at)
    unit.jobs.save(job)
    unit.events.append([event])
    return True


def _start(unit: UnitOfWork, job: Job, report: Report) -> bool:
    if job.state is not JobState.QUEUED or report.placement is None:
        return False
    job, event = job.run_started(report.placement, report.at)
    unit.jobs.save(job)
    unit.events.append([event])
    return True
