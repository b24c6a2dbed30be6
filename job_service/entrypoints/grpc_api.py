"""JobService and QuotaService over gRPC: decode, call, encode.

What is not here answers UNIMPLEMENTED.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import grpc

from gpuaas.job.v1 import job_service_pb2 as pb
from gpuaas.job.v1 import quota_service_pb2
from gpuaas.job.v1.job_service_pb2_grpc import JobServiceServicer
from gpuaas.job.v1.quota_service_pb2_grpc import QuotaServiceServicer
from job_service.application import commands, queries
from job_service.application.commands import Caller, Policy
from job_service.application.ports import GpuTypes, Reader
from job_service.domain.errors import BatchAborted, OwnerNotFound
from job_service.domain.job import Job, Owner
from job_service.domain.quantity import period_of
from job_service.domain.spec import JobSpec
from job_service.entrypoints.decoding import fields, filters, grants, submits
from job_service.entrypoints.encoding.jobs import job_message
from job_service.entrypoints.encoding.quotas import entry_message, quota_message
from job_service.entrypoints.encoding.submits import (
    aborted_batch,
    batch_response,
    submit_response,
)
from job_service.entrypoints.submission import Submission
from job_service.entrypoints.waiting import Waiting
from job_service.entrypoints.watching import Filter, JobWatch
from servicekit.call import current_call
from servicekit.clock import Clock
from servicekit.errors import Failure, PermissionDenied
from servicekit.idempotency import Idempotent
from servicekit.identity import Role
from servicekit.ids import IdSource

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


def caller() -> Caller:
    """Who makes the current call."""
    identity = current_call().caller
    return Caller(identity.subject, identity.username, identity.role is Role.ADMIN)


def owner() -> Owner:
    """The caller as the owner of a new job."""
    identity = current_call().caller
    return Owner(identity.subject, identity.username, identity.team)


@dataclass(frozen=True)
class JobApi(JobServiceServicer):
    """Serves JobService; the contract in `protos` says what each method promises."""

    once: Idempotent[Any]
    reader: Reader
    watch: JobWatch
    waiting: Waiting
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
        command = commands.SubmitJobs(items, request.all_or_nothing)
        try:
            return await self.once(request, command, batch_response, pb.BatchSubmitJobsResponse)
        except BatchAborted as aborted:
            return aborted_batch(aborted, len(items))

    async def GetJob(self, request: pb.GetJobRequest, context: Context) -> pb.GetJobResponse:
        """Gets a job."""
        job = await queries.get_job(
            self.reader, caller(), fields.required(request.job_id, "job_id")
        )
        return pb.GetJobResponse(job=job_message(job, await self.waiting.reasons([job])))

    async def ListJobs(self, request: pb.ListJobsRequest, context: Context) -> pb.ListJobsResponse:
        """Lists the caller's jobs."""
        query = filters.job_query(request, owner_id=caller().id, team="")
        page = await queries.list_jobs(
            self.reader, query, fields.page_size(request.page_size), request.page_token
        )
        reasons = await self.waiting.reasons(page.items)
        jobs = [job_message(job, reasons) for job in page.items]
        return pb.ListJobsResponse(jobs=jobs, next_page_token=page.next_page_token)

    async def ListAllJobs(
        self, request: pb.ListAllJobsRequest, context: Context
    ) -> pb.ListAllJobsResponse:
        """Lists everybody's jobs."""
        query = filters.job_query(request, owner_id=request.owner_id, team=request.team)
        page = await queries.list_jobs(
            self.reader, query, fields.page_size(request.page_size), request.page_token
        )
        reasons = await self.waiting.reasons(page.items)
        jobs = [job_message(job, reasons) for job in page.items]
        return pb.ListAllJobsResponse(jobs=jobs, next_page_token=page.next_page_token)

    async def CancelJob(
        self, request: pb.CancelJobRequest, context: Context
    ) -> pb.CancelJobResponse:
        """Cancels a job."""
        job_id = fields.required(request.job_id, "job_id")
        reason = fields.text(request.reason, "reason")
        command = commands.CancelJob(job_id, caller(), self.clock.now(), reason)
        return await self.once(
            request, command, _answer(pb.CancelJobResponse), pb.CancelJobResponse
        )

    async def ApproveJob(
        self, request: pb.ApproveJobRequest, context: Context
    ) -> pb.ApproveJobResponse:
        """Approves a job."""
        job_id = fields.required(request.job_id, "job_id")
        comment = fields.text(request.comment, "comment")
        command = commands.ApproveJob(
            job_id, caller(), self.clock.now(), comment, self.new_id(), self.policy
        )
        return await self.once(
            request, command, _answer(pb.ApproveJobResponse), pb.ApproveJobResponse
        )

    async def RejectJob(
        self, request: pb.RejectJobRequest, context: Context
    ) -> pb.RejectJobResponse:
        """Rejects a job."""
        job_id = fields.required(request.job_id, "job_id")
        reason = fields.required(request.reason, "reason")
        command = commands.RejectJob(job_id, caller(), self.clock.now(), reason)
        return await self.once(
            request, command, _answer(pb.RejectJobResponse), pb.RejectJobResponse
        )

    async def StartJob(self, request: pb.StartJobRequest, context: Context) -> pb.StartJobResponse:
        """Starts an approved job."""
        job_id = fields.required(request.job_id, "job_id")
        command = commands.StartJob(job_id, caller(), self.clock.now(), self.new_id())
        return await self.once(request, command, _answer(pb.StartJobResponse), pb.StartJobResponse)

    async def WatchJobs(
        self, request: pb.WatchJobsRequest, context: Context
    ) -> AsyncIterator[pb.WatchJobsResponse]:
        """Watches jobs."""
        wanted = _watched(request)
        async for message in self.watch.follow(
            wanted, request.resume_token, not request.skip_snapshot
        ):
            yield message

    def _submit(self, spec: JobSpec) -> commands.SubmitJob:
        return commands.SubmitJob(
            self.new_id(), self.new_id(), owner(), spec, self.policy, self.clock.now()
        )


@dataclass(frozen=True)
class QuotaApi(QuotaServiceServicer):
    """Serves QuotaService; the contract in `protos` says what each method promises."""

    once: Idempotent[Any]
    reader: Reader
    policy: Policy
    clock: Clock
    new_id: IdSource

    async def GetQuota(
        self, request: quota_service_pb2.GetQuotaRequest, context: Context
    ) -> quota_service_pb2.GetQuotaResponse:
        """Gets a quota."""
        _refuse_team(request.team)
        if request.HasField("at_time"):
            raise fields.unbuilt("at_time")
        owner_id = _owner_asked_for(request.owner_id)
        account = await queries.get_account(self.reader, owner_id, self.policy, self.clock.now())
        name = caller().name if owner_id == caller().id else ""
        return quota_service_pb2.GetQuotaResponse(quota=quota_message(account, name))

    async def ListLedgerEntries(
        self, request: quota_service_pb2.ListLedgerEntriesRequest, context: Context
    ) -> quota_service_pb2.ListLedgerEntriesResponse:
        """Lists the entries of a quota."""
        _refuse_team(request.team)
        query = filters.entry_query(request, _owner_asked_for(request.owner_id))
        page = await queries.list_entries(
            self.reader, query, fields.page_size(request.page_size), request.page_token
        )
        entries = [entry_message(entry) for entry in page.items]
        return quota_service_pb2.ListLedgerEntriesResponse(
            entries=entries, next_page_token=page.next_page_token
        )

    async def GrantHours(
        self, request: quota_service_pb2.GrantHoursRequest, context: Context
    ) -> quota_service_pb2.GrantHoursResponse:
        """Grants hours to a user for this month."""
        _refuse_team(request.team)
        now = self.clock.now()
        command = commands.GrantHours(
            grant_id=self.new_id(),
            owner_id=fields.required(request.owner_id, "owner_id"),
            period=period_of(now),
            amount=grants.granted_amount(request),
            actor=caller().name,
            reason=fields.required(request.reason, "reason"),
            policy=self.policy,
            now=now,
        )
        return await self.once(request, command, _granted, quota_service_pb2.GrantHoursResponse)


def _answer(response: Any) -> Any:
    """An encoder of answers that hold just a job; unlike a lambda it can travel to the writer."""
    return partial(_job_answer, response)


def _job_answer(response: Any, job: Job) -> Any:
    return response(job=job_message(job))


def _granted(account: Any) -> quota_service_pb2.GrantHoursResponse:
    return quota_service_pb2.GrantHoursResponse(quota=quota_message(account, ""))


def _owner_asked_for(owner_id: str) -> str:
    """The caller, or for an admin whoever was asked for."""
    asking = caller()
    if owner_id and owner_id != asking.id and not asking.is_admin:
        raise OwnerNotFound(owner_id)
    return fields.text(owner_id, "owner_id", filters.LONGEST_ID) or asking.id


def _refuse_team(team: str) -> None:
    """Quotas are users' yet."""
    if team:
        raise fields.unbuilt("team")


def _watched(request: pb.WatchJobsRequest) -> Filter:
    """What a watch is about: own jobs, for an admin everybody's unless one is named."""
    asking = caller()
    if not asking.is_admin and (request.team or request.owner_id not in ("", asking.id)):
        raise PermissionDenied("owner_id, team: only an admin watches other users' jobs")
    query = filters.watch_query(request, request.owner_id if asking.is_admin else asking.id)
    return Filter(query, filters.watched_ids(request.job_ids))
