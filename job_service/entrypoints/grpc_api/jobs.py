"""JobService."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from gpuaas.job.v1 import job_service_pb2 as pb
from gpuaas.job.v1.job_service_pb2_grpc import JobServiceServicer
from job_service.application import queries
from job_service.application.commands import approving, cancelling, submitting
from job_service.application.commands.acting import Policy
from job_service.application.ports import GpuTypes, Reader
from job_service.domain.errors import BatchAborted
from job_service.domain.spec import JobSpec
from job_service.entrypoints.decoding import fields, filters, submits
from job_service.entrypoints.encoding.jobs import job_message
from job_service.entrypoints.encoding.submits import (
    aborted_batch,
    batch_response,
    submit_response,
)
from job_service.entrypoints.grpc_api.calling import Context, answer, caller, owner
from job_service.entrypoints.submission import Submission
from job_service.entrypoints.watching import Filter, JobWatch
from servicekit.clock import Clock
from servicekit.errors import Failure, PermissionDenied
from servicekit.idempotency import Idempotent
from servicekit.ids import IdSource


@dataclass(frozen=True)
class JobApi(JobServiceServicer):
    """Serves JobService; the contract in `protos` says what each method promises."""

    once: Idempotent[Any]
    reader: Reader
    watch: JobWatch
    gpu_types: GpuTypes
    policy: Policy
    clock: Clock
    new_id: IdSource

    async def SubmitJob(
        self, request: pb.SubmitJobRequest, context: Context
    ) -> pb.SubmitJobResponse:
        """Submits a job."""
        submission = Submission(
            request.SerializeToString(),
            self.gpu_types.known(),
            self.new_id(),
            self.new_id(),
            owner(),
            self.policy,
            self.clock.now(),
        )
        if request.validate_only:
            return submit_response(await queries.check_submit(self.reader, submission.decoded()))
        return await self.once(request, submission, submit_response, pb.SubmitJobResponse)

    async def BatchSubmitJobs(
        self, request: pb.BatchSubmitJobsRequest, context: Context
    ) -> pb.BatchSubmitJobsResponse:
        """Submits many jobs."""
        specs = submits.batch_specs(request, self.gpu_types.known())
        items = tuple(it if isinstance(it, Failure) else self._submit(it) for it in specs)
        command = submitting.SubmitJobs(items, request.all_or_nothing)
        try:
            return await self.once(request, command, batch_response, pb.BatchSubmitJobsResponse)
        except BatchAborted as aborted:
            return aborted_batch(aborted, len(items))

    async def GetJob(self, request: pb.GetJobRequest, context: Context) -> pb.GetJobResponse:
        """Gets a job."""
        job = await queries.get_job(
            self.reader, caller(), fields.required(request.job_id, "job_id")
        )
        return pb.GetJobResponse(job=job_message(job))

    async def ListJobs(self, request: pb.ListJobsRequest, context: Context) -> pb.ListJobsResponse:
        """Lists the caller's jobs."""
        query = filters.job_query(request, owner_id=caller().id, team="")
        page = await queries.list_jobs(
            self.reader, query, fields.page_size(request.page_size), request.page_token
        )
        jobs = [job_message(job) for job in page.items]
        return pb.ListJobsResponse(jobs=jobs, next_page_token=page.next_page_token)

    async def ListAllJobs(
        self, request: pb.ListAllJobsRequest, context: Context
    ) -> pb.ListAllJobsResponse:
        """Lists everybody's jobs."""
        query = filters.job_query(request, owner_id=request.owner_id, team=request.team)
        page = await queries.list_jobs(
            self.reader, query, fields.page_size(request.page_size), request.page_token
        )
        jobs = [job_message(job) for job in page.items]
        return pb.ListAllJobsResponse(jobs=jobs, next_page_token=page.next_page_token)

    async def CancelJob(
        self, request: pb.CancelJobRequest, context: Context
    ) -> pb.CancelJobResponse:
        """Cancels a job."""
        job_id = fields.required(request.job_id, "job_id")
        reason = fields.text(request.reason, "reason")
        command = cancelling.CancelJob(job_id, caller(), self.clock.now(), reason)
        return await self.once(request, command, answer(pb.CancelJobResponse), pb.CancelJobResponse)

    async def ApproveJob(
        self, request: pb.ApproveJobRequest, context: Context
    ) -> pb.ApproveJobResponse:
        """Approves a job."""
        job_id = fields.required(request.job_id, "job_id")
        comment = fields.text(request.comment, "comment")
        command = approving.ApproveJob(
            job_id, caller(), self.clock.now(), comment, self.new_id(), self.policy
        )
        return await self.once(
            request, command, answer(pb.ApproveJobResponse), pb.ApproveJobResponse
        )

    async def RejectJob(
        self, request: pb.RejectJobRequest, context: Context
    ) -> pb.RejectJobResponse:
        """Rejects a job."""
        job_id = fields.required(request.job_id, "job_id")
        reason = fields.required(request.reason, "reason")
        command = approving.RejectJob(job_id, caller(), self.clock.now(), reason)
        return await self.once(request, command, answer(pb.RejectJobResponse), pb.RejectJobResponse)

    async def StartJob(self, request: pb.StartJobRequest, context: Context) -> pb.StartJobResponse:
        """Starts an approved job."""
        job_id = fields.required(request.job_id, "job_id")
        command = approving.StartJob(job_id, caller(), self.clock.now(), self.new_id())
        return await self.once(request, command, answer(pb.StartJobResponse), pb.StartJobResponse)

    async def WatchJobs(
        self, request: pb.WatchJobsRequest, context: Context
    ) -> AsyncIterator[pb.WatchJobsResponse]:
        """Watches jobs."""
        wanted = _watched(request)
        async for message in self.watch.follow(
            wanted, request.resume_token, not request.skip_snapshot
        ):
            yield message

    def _submit(self, spec: JobSpec) -> submitting.SubmitJob:
        return submitting.SubmitJob(
            self.new_id(), self.new_id(), owner(), spec, self.policy, self.clock.now()
        )


def _watched(request: pb.WatchJobsRequest) -> Filter:
    """What a watch is about: own jobs, for an admin everybody's unless one is named."""
    asking = caller()
    if not asking.is_admin and (request.team or request.owner_id not in ("", asking.id)):
        raise PermissionDenied("owner_id, team: only an admin watches other users' jobs")
    query = filters.watch_query(request, request.owner_id if asking.is_admin else asking.id)
    return Filter(query, filters.watched_ids(request.job_ids))
