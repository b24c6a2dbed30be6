"""Why jobs wait, asked of the scheduler only for the jobs that somebody looks at.

No row says it: a queue of a hundred thousand would have to be written anew with every start. What
was answered is good for a second; while the scheduler is away a job says what its own state says.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from gpuaas.job.v1 import job_pb2
from job_service.application.ports import Scheduler
from job_service.domain.job import Job
from job_service.domain.states import JobState
from job_service.domain.waiting import Waiting
from job_service.entrypoints.encoding.jobs import job_message, write_waiting
from servicekit.clock import Clock
from servicekit.errors import Failure

GOOD_FOR_S = 1.0
PATIENCE_S = 0.5
KEPT = 10_000

_log = logging.getLogger(__name__)


@dataclass
class Explainer:
    """Explains jobs on their way out."""

    scheduler: Scheduler
    clock: Clock
    _known: dict[str, tuple[float, Waiting | None]] = field(default_factory=dict)
    _silent_until: float = 0.0

    async def messages(self, jobs: Sequence[Job]) -> list[job_pb2.Job]:
        """The jobs as messages, those in the queue with what the scheduler says about them."""
        waiting = {it.run.id: it for it in jobs if it.run and _queued(it)}
        reasons = await self._reasons(list(waiting)) if waiting else {}
        messages = []
        for job in jobs:
            message = job_message(job)
            if job.run and (reason := reasons.get(job.run.id)):
                write_waiting(message.waiting, reason)
            messages.append(message)
        return messages

    async def _reasons(self, run_ids: Sequence[str]) -> dict[str, Waiting]:
        now = self.clock.monotonic()
        asked = [it for it in run_ids if self._known.get(it, (0.0, None))[0] <= now]
        if asked and now >= self._silent_until:
            await self._ask(asked, now)
        known = {it: self._known[it] for it in run_ids if it in self._known}
        return {it: reason for it, (until, reason) in known.items() if reason and until > now}

    async def _ask(self, run_ids: list[str], now: float) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                found = await self.scheduler.explain(run_ids)
        except (Failure, TimeoutError) as error:
            _log.debug("The scheduler explains nothing: %s", error)
            self._silent_until = now + GOOD_FOR_S
            return
        if len(self._known) > KEPT:
            self._known.clear()
        self._known |= {it: (now + GOOD_FOR_S, found.get(it)) for it in run_ids}


def _queued(job: Job) -> bool:
    return job.state is JobState.QUEUED and job.held_until is None
