"""JobService: what is decided about a job, by its owner or by admins."""

from typing import Any

from gpuaas.job.v1 import job_service_pb2 as pb
from job_service.application.commands import approving, cancelling, naming, starting
from job_service.application.commands.acting import Policy
from job_service.application.commands.naming import Verb
from job_service.application.ports import JobQuery, Reader
from job_service.domain.runs import Failure, FailureReason, Fault
from job_service.domain.states import JobState
from job_service.entrypoints.decoding import fields, filters
from job_service.entrypoints.encoding.submits import cancel_response
from job_service.entrypoints.grpc_api.calling import Context, answer, caller
from servicekit.clock import Clock
from servicekit.errors import PermissionDenied, invalid
from servicekit.idempotency import Idempotent
from servicekit.ids import IdSource


class Deciding:
    """The methods that move one job, or cancel many."""

    once: Idempotent[Any]
    reader: Reader
    policy: Policy
    clock: Clock
    new_id: IdSource

    async def CancelJob(
        self, request: pb.CancelJobRequest, context: Context
    ) -> pb.CancelJobResponse:
        """Cancels a job."""
        job_id = fields.required(request.job_id, "job_id")
        reason = fields.text(request.reason, "reason")
        command = cancelling.CancelJob(job_id, caller(), self.clock.now(), reason)
        return await self.once(request, command, answer(pb.CancelJobResponse), pb.CancelJobResponse)

    async def CancelJobs(
        self, request: pb.CancelJobsRequest, context: Context
    ) -> pb.CancelJobsResponse:
        """Cancels many jobs, named or found by conditions."""
        reason = fields.text(request.reason, "reason")
        if bool(request.job_ids) == request.HasField("filter"):
            if not request.job_ids:
                raise filters.selector_empty("job_ids", "ids, or a filter in their place")
            raise invalid("filter", "this or job_ids, not both")
        query, more = None, False
        ids = filters.listed_ids(request.job_ids)
        if request.HasField("filter"):
            query = _conditions(request)
            ids, more = await self._matching(query)
        command = cancelling.CancelJobs(ids, caller(), self.clock.now(), reason, query)
        encode = _more_remain if more else cancel_response
        return await self.once(request, command, encode, pb.CancelJobsResponse)

    async def ApproveJob(
        self, request: pb.ApproveJobRequest, context: Context
    ) -> pb.ApproveJobResponse:
        """Approves a job."""
        job_id = fields.required(request.job_id, "job_id")
        command = self._approval(job_id, fields.text(request.comment, "comment"))
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
        command = starting.StartJob(job_id, caller(), self.clock.now(), self.new_id())
        return await self.once(request, command, answer(pb.StartJobResponse), pb.StartJobResponse)

    async def UpdateJobStatus(
        self, request: pb.UpdateJobStatusRequest, context: Context
    ) -> pb.UpdateJobStatusResponse:
        """Does what leads to the state that is named."""
        job_id = fields.required(request.job_id, "job_id")
        state = filters.named_state(request)
        verb = self._verb(state, job_id, fields.text(request.reason, "reason"))
        command = naming.NameState(job_id, state, verb)
        return await self.once(
            request, command, answer(pb.UpdateJobStatusResponse), pb.UpdateJobStatusResponse
        )

    def _verb(self, state: JobState, job_id: str, reason: str) -> Verb | None:
        asking, now = caller(), self.clock.now()
        match state:
            case JobState.APPROVED:
                return self._approval(job_id, reason)
            case JobState.REJECTED:
                return approving.RejectJob(job_id, asking, now, fields.required(reason, "reason"))
            case JobState.QUEUED:
                return starting.StartJob(job_id, asking, now, self.new_id())
            case JobState.CANCELLED:
                return cancelling.CancelJob(job_id, asking, now, reason)
            case JobState.COMPLETED:
                return cancelling.EndJob(job_id, asking, now, None)
            case JobState.FAILED:
                words = fields.required(reason, "reason")
                failure = Failure(Fault.PLATFORM, FailureReason.SET_BY_ADMIN, words)
                return cancelling.EndJob(job_id, asking, now, failure)
        return None

    def _approval(self, job_id: str, comment: str) -> approving.ApproveJob:
        return approving.ApproveJob(
            job_id, caller(), self.clock.now(), comment, self.new_id(), self.policy
        )

    async def _matching(self, query: JobQuery) -> tuple[tuple[str, ...], bool]:
        """The ids of the jobs that match, as many as one call cancels, and whether there are more.

        Conditions that only ended jobs fulfil match none.
        """
        if not query.states:
            return (), False
        found = await self.reader.jobs(query, None, filters.MOST_IDS + 1)
        ids = tuple(job.id for job in found[: filters.MOST_IDS])
        return ids, len(found) > filters.MOST_IDS


def _conditions(request: pb.CancelJobsRequest) -> JobQuery:
    asking, wanted = caller(), request.filter
    if not asking.is_admin and (wanted.team or wanted.owner_id not in ("", asking.id)):
        raise PermissionDenied("filter: only an admin cancels other users' jobs")
    return filters.cancel_query(wanted, wanted.owner_id if asking.is_admin else asking.id)


def _more_remain(results: list[cancelling.Cancelled]) -> pb.CancelJobsResponse:
    message = cancel_response(results)
    message.more_remain = True
    return message
