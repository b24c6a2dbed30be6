"""Who may go ahead without an admin's word."""

from dataclasses import dataclass

from job_service.domain.job import Job


@dataclass(frozen=True, slots=True)
class AutoApproval:
    """Approves jobs that may use at most ``limit`` milli-GPU-seconds.

    A negative limit approves none.
    """

    limit: int = -1

    def rule_for(self, job: Job) -> str | None:
        """The name of the rule that approves the job, or None if an admin must decide."""
        return "rule:gpu-hours" if job.reserved <= self.limit else None
