"""JobService and QuotaService over gRPC: decode, call, encode.

What is not here answers UNIMPLEMENTED.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc

from gpuaas.job.v1 import job_service_pb2 as pb
from gpuaas.job.v1 import quota_service_pb2
from gpuaas.job.v1.job_service_pb2_grpc import JobServiceServicer
from gpuaas.job.v1.quota_service_pb2_grpc import QuotaServiceServicer
from job_service.application import commands, queries
from job_service.application.commands import Caller, Policy
from job_service.application.ports import GpuTypes, JobQuery, Reader
from job_service.domain.job import Owner
from job_service.domain.quantity import period_of
from job_service.domain.spec import JobSpec
from job_service.entrypoints import decoding, encoding
from job_service.entrypoints.watching import Filter, JobWatch
from servicekit.call import current_call
from servicekit.clock import Clock
from servicekit.errors import PermissionDenied, Unimplemented
from servicekit.idempotency import Idempotent
from servicekit.identity import Role
from servicekit.ids import IdSource

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


def caller() -> Caller:
    """Who makes the current call."""
    identity = current_call().caller
    return Caller(identity.subject, identity.username, identity.role is Role.ADMIN)


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
        command = self._submit(decoding.submitted_spec(request, self.gpu_types.known()))
        if request.validate_only:
            return encoding.submit_response(await queries.check_submit(self.reader, command))
        return await self.once(request, command, encoding.submit_response, pb.SubmitJobResponse)

    async def BatchSubmitJobs(
        self, request: pb.BatchSubmitJobsRequest, context: Context
    ) -> pb.BatchSubmitJobsResponse:
        """Submits many jobs."""
        if request.validate_only:
            raise Unimplemented("validate_only: not available for batches yet")
        specs = decoding.batch_specs(request, self.gpu_types.known())
        submits = tuple(self._submit(spec) for spec in specs)
        command = commands.SubmitJobs(submits, request.all_or_nothing)
        return await self.once(
            request, command, encoding.batch_response, pb.BatchSubmitJobsResponse
        )

    async def GetJob(self, request: pb.GetJobRequest, context: Context) -> pb.GetJobResponse:
        """Gets a job."""
        job = await queries.get_job(
            self.reader, caller(), decoding.required(request.job_id, "job_id")
        )
        return pb.GetJobResponse(job=encoding.job_message(job))

    async def ListJobs(self, request: pb.ListJobsRequest, context: Context) -> pb.ListJobsResponse:
        """Lists the caller's jobs."""
        query = decoding.job_query(request, owner_id=caller().id, team="")
        page = await queries.list_jobs(
            self.reader, query, decoding.page_size(request.page_size), request.page_token
        )
        jobs = [encoding.job_message(job) for job in page.items]
        return pb.ListJobsResponse(jobs=jobs, next_page_token=page.next_page_token)

    async def ListAllJobs(
        self, request: pb.ListAllJobsRequest, context: Context
    ) -> pb.ListAllJobsResponse:
        """Lists everybody's jobs."""
        query = decoding.job_query(request, owner_id=request.owner_id, team=request.team)
        page = await queries.list_jobs(
            self.reader, query, decoding.page_size(request.page_size), request.page_token
        )
        jobs = [encoding.job_message(job) for job in page.items]
        return pb.ListAllJobsResponse(jobs=jobs, next_page_token=page.next_page_token)

    async def CancelJob(
        self, request: pb.CancelJobRequest, context: Context
    ) -> pb.CancelJobResponse:
        """Cancels a job."""
        job_id = decoding.required(request.job_id, "job_id")
        command = commands.CancelJob(job_id, caller(), self.clock.now(), request.reason)
        return await self.once(
            request, command, _answer(pb.CancelJobResponse), pb.CancelJobResponse
        )

    async def ApproveJob(
        self, request: pb.ApproveJobRequest, context: Context
    ) -> pb.ApproveJobResponse:
        """Approves a job."""
        job_id = decoding.required(request.job_id, "job_id")
        command = commands.ApproveJob(
            job_id, caller(), self.clock.now(), request.comment, self.new_id(), self.policy
        )
        return await self.once(
            request, command, _answer(pb.ApproveJobResponse), pb.ApproveJobResponse
        )

    async def RejectJob(
        self, request: pb.RejectJobRequest, context: Context
    ) -> pb.RejectJobResponse:
        """Rejects a job."""
        job_id = decoding.required(request.job_id, "job_id")
        reason = decoding.required(request.reason, "reason")
        command = commands.RejectJob(job_id, caller(), self.clock.now(), reason)
        return await self.once(
            request, command, _answer(pb.RejectJobResponse), pb.RejectJobResponse
        )

    async def StartJob(self, request: pb.StartJobRequest, context: Context) -> pb.StartJobResponse:
        """Starts an approved job."""
        job_id = decoding.required(request.job_id, "job_id")
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
        identity = current_call().caller
        owner = Owner(identity.subject, identity.username, identity.team)
        job_id, run_id = self.new_id(), self.new_id()
        return commands.SubmitJob(job_id, run_id, owner, spec, self.policy, self.clock.now())


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
        if request.team or request.HasField("at_time"):
            raise Unimplemented("team, at_time: only a user's current month is available yet")
        owner_id = _owner_asked_for(request.owner_id)
        account = await queries.get_account(self.reader, owner_id, self.policy, self.clock.now())
        name = caller().name if owner_id == caller().id else ""
        return quota_service_pb2.GetQuotaResponse(quota=encoding.quota_message(account, name))

    async def ListLedgerEntries(
        self, request: quota_service_pb2.ListLedgerEntriesRequest, context: Context
    ) -> quota_service_pb2.ListLedgerEntriesResponse:
        """Lists the entries of a quota."""
        if request.team:
            raise Unimplemented("team: only users' ledgers are available yet")
        query = decoding.entry_query(request, _owner_asked_for(request.owner_id))
        page = await queries.list_entries(
            self.reader, query, decoding.page_size(request.page_size), request.page_token
        )
        entries = [encoding.entry_message(entry) for entry in page.items]
        return quota_service_pb2.ListLedgerEntriesResponse(
            entries=entries, next_page_token=page.next_page_token
        )

    async def GrantHours(
        self, request: quota_service_pb2.GrantHoursRequest, context: Context
    ) -> quota_service_pb2.GrantHoursResponse:
        """Grants hours to a user for this month."""
        if request.team:
            raise Unimplemented("team: hours can only be granted to users yet")
        now = self.clock.now()
        command = commands.GrantHours(
            grant_id=self.new_id(),
            owner_id=decoding.required(request.owner_id, "owner_id"),
            period=period_of(now),
            amount=decoding.granted_amount(request),
            actor=caller().name,
            reason=decoding.required(request.reason, "reason"),
            policy=self.policy,
            now=now,
        )
        return await self.once(request, command, _granted, quota_service_pb2.GrantHoursResponse)


def _answer(response: Any) -> Any:
    """An encoder of answers that hold just a job."""
    return lambda job: response(job=encoding.job_message(job))


def _granted(account: Any) -> quota_service_pb2.GrantHoursResponse:
    return quota_service_pb2.GrantHoursResponse(quota=encoding.quota_message(account, ""))


def _owner_asked_for(owner_id: str) -> str:
    """The caller, or for an admin whoever was asked for."""
    asking = caller()
    if owner_id and owner_id != asking.id and not asking.is_admin:
        raise PermissionDenied("owner_id: only an admin sees another user's quota")
    return owner_id or asking.id


def _watched(request: pb.WatchJobsRequest) -> Filter:
    """What a watch is about: own jobs, for an admin everybody's unless one is named."""
    asking = caller()
    if not asking.is_admin and (request.team or request.owner_id not in ("", asking.id)):
        raise PermissionDenied("owner_id, team: only an admin watches other users' jobs")
    query = JobQuery(
        owner_id=request.owner_id if asking.is_admin else asking.id,
        team=request.team,
        states=decoding.states(request.states),
        labels=decoding.label_conditions(request.labels),
    )
    return Filter(query, decoding.watched_ids(request.job_ids))
