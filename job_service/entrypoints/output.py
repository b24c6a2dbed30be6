"""StreamJobLogs: the output of a run as the scheduler streams it, resumable by token."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gpuaas.job.v1 import job_service_pb2 as pb
from job_service.application.commands.acting import Caller
from job_service.application.ports import Reader, Scheduler
from job_service.application.queries import get_job
from job_service.domain.errors import RunNotFound
from job_service.domain.job import Job
from job_service.domain.output import OutputLine
from servicekit.errors import InvalidArgument, NotFound
from servicekit.eventlog import EventLog
from servicekit.tokens import decode_page_token, encode_page_token
from servicekit.values import Value
from servicekit.wellknown import write_time

LOOK_AGAIN = timedelta(seconds=1)


class Place(Value, frozen=True):
    """Where in a job's output a reader stands; no run means the latest one."""

    run_id: str
    offset: int = 0
    tail_lines: int = 0


@dataclass(frozen=True)
class JobOutput:
    """Serves the output of runs."""

    reader: Reader
    scheduler: Scheduler
    log: EventLog

    async def follow(
        self, caller: Caller, request: pb.StreamJobLogsRequest, place: Place
    ) -> AsyncIterator[pb.StreamJobLogsResponse]:
        """Lines from a place on; to the end of the run if the request says so.

        Raises:
            JobNotFound, RunNotFound: there is nothing to read from.
            OutOfRange: the lines are no longer kept.
        """
        job = await get_job(self.reader, caller, request.job_id)
        run_id = await self._run_id(job, place.run_id)
        if not run_id:
            return
        while True:
            try:
                async for lines, reached in self.scheduler.output(
                    run_id, place.offset, place.tail_lines, follow=request.follow
                ):
                    yield _message(job.id, run_id, lines, reached)
                return
            except NotFound:
                # The scheduler has not heard of the run yet, or no longer knows it.
                if not request.follow or not await self._may_come(job.id, run_id):
                    return
            yield _message(job.id, run_id, [], place.offset)

    async def _run_id(self, job: Job, wanted: str) -> str:
        """The run that is asked for; the latest unless one is named, if there is any."""
        latest = job.run.id if job.run else ""
        if wanted in ("", latest):
            return latest
        earlier = await self.reader.runs(job.id, job.run_count, job.run_count)
        if all(run.id != wanted for run in earlier):
            raise RunNotFound(wanted)
        return wanted

    async def _may_come(self, job_id: str, run_id: str) -> bool:
        """Waits a moment, then says whether the run is still one that will be executed."""
        await self.log.wait(self.log.head, LOOK_AGAIN)
        job = await self.reader.job(job_id)
        return not job.state.ended and job.run is not None and job.run.id == run_id


def place_of(request: pb.StreamJobLogsRequest) -> Place:
    """Where the reader wants to begin.

    Raises:
        InvalidArgument: RESUME_TOKEN_INVALID, the token is of another job or damaged.
    """
    if not request.resume_token:
        return Place(request.run_id, request.offset, request.tail_lines)
    try:
        found: Any = decode_page_token(_scope(request.job_id), request.resume_token, str, int)
    except InvalidArgument as refused:
        raise InvalidArgument(
            "resume_token: expected a token from an earlier answer about the same job",
            reason="RESUME_TOKEN_INVALID",
            violations=refused.violations,
        ) from None
    return Place(*found)


def _message(
    job_id: str, run_id: str, lines: list[OutputLine], reached: int
) -> pb.StreamJobLogsResponse:
    token = encode_page_token(_scope(job_id), [run_id, reached])
    message = pb.StreamJobLogsResponse(run_id=run_id, next_offset=reached, resume_token=token)
    for line in lines:
        source = pb.LogLine.Source.Value(f"SOURCE_{line.source}")
        written = message.lines.add(offset=line.offset, source=source, text=line.text)
        write_time(written.time, line.at)
    return message


def _scope(job_id: str) -> str:
    return f"output/{job_id}"
