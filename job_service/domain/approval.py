"""Who may go ahead without an admin's word."""

from job_service.domain.job import Job
from servicekit.values import Value


class AutoApproval(Value, frozen=True):
    """Approves jobs on GPUs that may use at most ``limit`` milli-GPU-seconds; 0 approves none.

    A job on other devices uses no GPU time, whatever it costs, so that this limit says nothing
    about it: an admin decides.
    """

    limit: int = 0

    def rule_for(self, job: Job) -> str | None:
        """The name of the rule that approves the job, or None if an admin must decide."""
        return "rule:gpu-hours" if 0 < job.reserved <= self.limit else None
