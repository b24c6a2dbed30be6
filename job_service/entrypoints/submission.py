"""A submit on its way to the writer, still as the bytes that came.

Checking and decoding a spec costs more than all else that a submit needs of the event loop. So the
request travels, and is decoded where the job is made of it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from gpuaas.job.v1.job_service_pb2 import SubmitJobRequest
from job_service.application.commands.acting import Policy
from job_service.application.commands.submitting import SubmitJob, prefetch_owners
from job_service.application.ports import UnitOfWork
from job_service.domain.job import Job, Owner
from job_service.domain.offers import ANYWHERE, Places
from job_service.entrypoints.decoding.submits import submitted_spec
from job_service.entrypoints.quote_tokens import fingerprint, opened
from servicekit.values import Value, replace


class Submission(Value, frozen=True):
    """SubmitJob, whose spec is yet to be decoded.

    ``known_types`` are the devices there are; ``places`` comes along where the job names one.
    """

    name: ClassVar[str] = SubmitJob.name
    request: bytes
    known_types: frozenset[str]
    job_id: str
    run_id: str
    owner: Owner
    policy: Policy
    now: datetime
    more_ids: tuple[str, ...] = ()
    sees_all: bool = False
    role: str = "USER"
    places: Places | None = None

    @staticmethod
    def prefetch(unit: UnitOfWork, submissions: "Sequence[Submission]") -> None:
        """Reads what all submits change in two statements."""
        prefetch_owners(unit, [(it.owner, it.now) for it in submissions])

    def run(self, unit: UnitOfWork) -> Job:
        """The new job; raises what decoding, the quote and SubmitJob refuse."""
        request = SubmitJobRequest.FromString(self.request)
        submit = self.decoded(request)
        if request.quote_token:
            terms = opened(request.quote_token, unit.quote_keys.get())
            terms.require(self.owner.id, fingerprint(submit.spec), self.now)
            submit = replace(submit, terms=terms)
        return submit.run(unit)

    def decoded(self, request: SubmitJobRequest) -> SubmitJob:
        """The command that this is.

        Raises:
            InvalidArgument: the request makes no sense; nothing is stored.
        """
        spec = submitted_spec(
            request, self.known_types, self.policy.longest_overrun, self.places or ANYWHERE
        )
        return SubmitJob(
            self.job_id,
            self.run_id,
            self.owner,
            spec,
            self.policy,
            self.now,
            self.more_ids,
            self.sees_all,
            role=self.role,
        )
