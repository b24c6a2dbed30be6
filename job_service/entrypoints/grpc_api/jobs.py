"""JobService: what reads and follows jobs, and the servicer of all its methods."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from gpuaas.job.v1 import job_service_pb2 as pb
from gpuaas.job.v1.job_service_pb2_grpc import JobServiceServicer
from job_service.application import queries
from job_service.application.commands.acting import Policy
from job_service.application.ports import JobQuery, OnOffer, Reader
from job_service.domain.errors import OwnerNotFound
from job_service.entrypoints.decoding import fields, filters
from job_service.entrypoints.encoding.jobs import STATES
from job_service.entrypoints.encoding.runs import write_run
from job_service.entrypoints.grpc_api.calling import Context, caller
from job_service.entrypoints.grpc_api.deciding import Deciding
from job_service.entrypoints.grpc_api.quoting import Quotes, QuotingJobs
from job_service.entrypoints.grpc_api.submitting import Submitting
from job_service.entrypoints.output import JobOutput, place_of
from job_service.entrypoints.waiting import Explainer
from job_service.entrypoints.watching import Filter, JobWatch
from servicekit.clock import Clock
from servicekit.errors import PermissionDenied, invalid
from servicekit.idempotency import Idempotent
from servicekit.ids import IdSource
from servicekit.wire import Encoded
from servicekit.writer import Writer


@dataclass(frozen=True)
class JobApi(Submitting, QuotingJobs, Deciding, JobServiceServicer):
    """Serves JobService; the contract in `protos` says what each method promises."""

    once: Idempotent[Any]
    writer: Writer[Any]
    reader: Reader
    watch: JobWatch
    output: JobOutput
    explainer: Explainer
    on_offer: OnOffer
    quotes: Quotes
    policy: Policy
    clock: Clock
    new_id: IdSource

    async def GetJob(self, request: pb.GetJobRequest, context: Context) -> pb.GetJobResponse:
        """Gets a job."""
        job = await queries.get_job(
            self.reader, caller(), fields.required(request.job_id, "job_id")
        )
        [message] = await self.explainer.messages([job])
        return pb.GetJobResponse(job=message)

    async def ListJobs(self, request: pb.ListJobsRequest, context: Context) -> pb.ListJobsResponse:
        """Lists the caller's jobs."""
        query = filters.job_query(request, owner_id=caller().id, team="")
        page = await self._page(query, request)
        jobs = await self.explainer.messages(page.items)
        return pb.ListJobsResponse(jobs=jobs, next_page_token=page.next_page_token)

    async def ListAllJobs(
        self, request: pb.ListAllJobsRequest, context: Context
    ) -> pb.ListAllJobsResponse:
        """Lists everybody's jobs."""
        query = filters.job_query(request, owner_id=request.owner_id, team=request.team)
        page = await self._page(query, request)
        jobs = await self.explainer.messages(page.items)
        return pb.ListAllJobsResponse(jobs=jobs, next_page_token=page.next_page_token)

    async def CountJobsByState(
        self, request: pb.CountJobsByStateRequest, context: Context
    ) -> pb.CountJobsByStateResponse:
        """Counts jobs by state."""
        counts = await queries.count_jobs(self.reader, *_counted(request))
        message = pb.CountJobsByStateResponse(total=sum(counts.values()))
        for state, count in counts.items():
            message.counts.add(state=STATES[state], count=count)
        return message

    async def ListJobEvents(
        self, request: pb.ListJobEventsRequest, context: Context
    ) -> pb.ListJobEventsResponse:
        """Lists what happened to a job."""
        job = await queries.get_job(
            self.reader, caller(), fields.required(request.job_id, "job_id")
        )
        size = fields.page_size(request.page_size)
        page = await queries.list_events(self.reader, job, size, request.page_token)
        message = pb.ListJobEventsResponse(next_page_token=page.next_page_token)
        for revision, event in page.items:
            self.watch.write(message.events.add(), event, revision)
        return message

    async def ListRuns(self, request: pb.ListRunsRequest, context: Context) -> pb.ListRunsResponse:
        """Lists the runs of a job."""
        job = await queries.get_job(
            self.reader, caller(), fields.required(request.job_id, "job_id")
        )
        size = fields.page_size(request.page_size)
        page = await queries.list_runs(self.reader, job, size, request.page_token)
        message = pb.ListRunsResponse(next_page_token=page.next_page_token)
        for run in page.items:
            write_run(message.runs.add(), job.id, run)
        return message

    async def WatchJobs(  # type: ignore[override]  # encoded already, for all who watch
        self, request: pb.WatchJobsRequest, context: Context
    ) -> AsyncIterator[Encoded]:
        """Watches jobs."""
        wanted = _watched(request)
        with self.watch.counted(caller().id):
            async for message in self.watch.follow(
                wanted, request.resume_token, not request.skip_snapshot
            ):
                yield message

    async def StreamJobLogs(
        self, request: pb.StreamJobLogsRequest, context: Context
    ) -> AsyncIterator[pb.StreamJobLogsResponse]:
        """Streams the output of a run."""
        fields.required(request.job_id, "job_id")
        if request.offset < 0 or request.tail_lines < 0:
            raise invalid("offset, tail_lines", "0 or more")
        if request.offset and request.tail_lines:
            raise invalid("tail_lines", "this or offset, not both")
        with self.watch.counted(caller().id):
            async for message in self.output.follow(caller(), request, place_of(request)):
                yield message

    async def _page(self, query: JobQuery, request: Any) -> Any:
        size = fields.page_size(request.page_size)
        return await queries.list_jobs(self.reader, query, size, request.page_token)


def _counted(request: pb.CountJobsByStateRequest) -> Sequence[str]:
    """Whose jobs are counted, an owner's or a team's; empty ones mean everybody's."""
    asking = caller()
    if sum(map(bool, (request.owner_id, request.team, request.everybody))) > 1:
        raise invalid("owner_id, team, everybody", "one of them at most")
    if not asking.is_admin and (request.team or request.everybody):
        raise PermissionDenied("team, everybody: only an admin counts other users' jobs")
    if not asking.is_admin and request.owner_id not in ("", asking.id):
        raise OwnerNotFound(request.owner_id)
    if request.everybody or request.team:
        return "", fields.text(request.team, "team")
    return fields.text(request.owner_id, "owner_id", filters.LONGEST_ID) or asking.id, ""


def _watched(request: pb.WatchJobsRequest) -> Filter:
    """What a watch is about: own jobs, for an admin everybody's unless one is named."""
    asking = caller()
    if not asking.is_admin and (request.team or request.owner_id not in ("", asking.id)):
        raise PermissionDenied("owner_id, team: only an admin watches other users' jobs")
    query = filters.watch_query(request, request.owner_id if asking.is_admin else asking.id)
    return Filter(query, filters.watched_ids(request.job_ids))
