"""Why queued jobs wait, asked of the scheduler and kept for a moment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from time import monotonic

from job_service.application.ports import Scheduler
from job_service.domain.job import Job, JobState
from job_service.domain.waiting import WaitingReason
from servicekit.errors import Failure

FRESH_S = 1.0
MOST = 1_000
_KEPT = 10_000


@dataclass
class Waiting:
    """Reasons by run. A scheduler that does not answer costs the reasons and nothing else."""

    scheduler: Scheduler
    _known: dict[str, tuple[float, WaitingReason | None]] = field(default_factory=dict)

    async def reasons(self, jobs: Iterable[Job]) -> Mapping[str, WaitingReason]:
        """Why those of these jobs that are queued wait, by run, as it was a second ago or later."""
        run_ids = [job.run.id for job in jobs if job.state is JobState.QUEUED and job.run]
        now = monotonic()
        asked = [it for it in run_ids[:MOST] if now - self._known.get(it, _NEVER)[0] > FRESH_S]
        if asked:
            await self._ask(asked, now)
        found = ((it, self._known.get(it, _NEVER)[1]) for it in run_ids)
        return {run_id: reason for run_id, reason in found if reason is not None}

    async def _ask(self, run_ids: list[str], now: float) -> None:
        try:
            reasons = await self.scheduler.reasons(run_ids)
        except Failure:
            reasons = {}
        if len(self._known) > _KEPT:
            self._known.clear()
        self._known.update((it, (now, reasons.get(it))) for it in run_ids)


_NEVER: tuple[float, WaitingReason | None] = (float("-inf"), None)
