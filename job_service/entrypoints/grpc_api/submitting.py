"""JobService: submits."""

from typing import Any

from gpuaas.job.v1 import job_service_pb2 as pb
from job_service.application.commands import batches, submitting
from job_service.application.commands.acting import Policy
from job_service.application.commands.batches import Tried, Try
from job_service.application.ports import OnOffer
from job_service.domain.errors import BatchAborted
from job_service.domain.offers import Places
from job_service.domain.spec import JobSpec
from job_service.entrypoints.decoding import fields, submits
from job_service.entrypoints.decoding.courses import MOST_IN_ARRAY
from job_service.entrypoints.encoding.submits import (
    aborted_batch,
    batch_response,
    submit_response,
    tried_batch,
    tried_response,
)
from job_service.entrypoints.grpc_api.calling import Context, answer, caller, owner, role
from job_service.entrypoints.submission import Submission
from servicekit.clock import Clock
from servicekit.errors import Failure
from servicekit.idempotency import Idempotent, body_of
from servicekit.ids import IdSource
from servicekit.writer import Writer


class Submitting:
    """The methods that make new jobs."""

    once: Idempotent[Any]
    writer: Writer[Any]
    on_offer: OnOffer
    policy: Policy
    clock: Clock
    new_id: IdSource

    async def SubmitJob(self, request: pb.SubmitJobRequest, context: Context) -> Any:
        """Submits a job, or an array of them; gives the response as the writer has encoded it."""
        body = body_of(request)
        submission = Submission(
            body,
            self.on_offer.gpu_types(),
            self.new_id(),
            self.new_id(),
            owner(),
            self.policy,
            self.clock.now(),
            self._more_ids(request.spec.array_size),
            caller().is_admin,
            role=role(),
            places=self._places(request),
        )
        if request.validate_only:
            return tried_response(await self._tried(submission))
        return await self.once.encoded(request.request_id, body, submission, submit_response)

    async def BatchSubmitJobs(
        self, request: pb.BatchSubmitJobsRequest, context: Context
    ) -> pb.BatchSubmitJobsResponse:
        """Submits many jobs."""
        types, places = self.on_offer.gpu_types(), self.on_offer.known().places
        specs = submits.batch_specs(request, types, self.policy.longest_overrun, places)
        items = tuple(it if isinstance(it, Failure) else self._submit(it) for it in specs)
        command = batches.SubmitJobs(items, request.all_or_nothing)
        try:
            if request.validate_only:
                return tried_batch(await self._tried(command))
            return await self.once(request, command, batch_response, pb.BatchSubmitJobsResponse)
        except BatchAborted as aborted:
            return aborted_batch(aborted, len(items))

    async def RetryJob(self, request: pb.RetryJobRequest, context: Context) -> pb.RetryJobResponse:
        """Submits a job that has ended again."""
        job_id = fields.required(request.job_id, "job_id")
        command = submitting.RetryJob(
            job_id, caller(), self.clock.now(), self.new_id(), self.new_id(), self.policy, role()
        )
        return await self.once(request, command, answer(pb.RetryJobResponse), pb.RetryJobResponse)

    async def _tried(self, command: Any) -> Any:
        """What a command would answer; nothing of it is stored."""
        try:
            return await self.writer.execute(Try(command))
        except Tried as tried:
            return tried.answer

    def _submit(self, spec: JobSpec) -> submitting.SubmitJob:
        return submitting.SubmitJob(
            self.new_id(),
            self.new_id(),
            owner(),
            spec,
            self.policy,
            self.clock.now(),
            self._more_ids(spec.array_size),
            caller().is_admin,
            role=role(),
        )

    def _places(self, request: pb.SubmitJobRequest) -> Places | None:
        """Where jobs may run, for a request that says where: others travel without."""
        spec = request.spec
        if request.pool or request.provider or spec.pool or spec.provider:
            return self.on_offer.known().places
        return None

    def _more_ids(self, array_size: int) -> tuple[str, ...]:
        """Ids for an array's jobs but the first; a size that is refused later needs none."""
        if not 1 < array_size <= MOST_IN_ARRAY:
            return ()
        return tuple(self.new_id() for _ in range(array_size - 1))
