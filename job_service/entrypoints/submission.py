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
from job_service.entrypoints.decoding.submits import submitted_spec
from servicekit.values import Value


class Submission(Value, frozen=True):
    """SubmitJob, whose spec is yet to be decoded; ``known_types`` are the devices there are."""

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

    @staticmethod
    def prefetch(unit: UnitOfWork, submissions: "Sequence[Submission]") -> None:
        """Reads what all submits change in two statements."""
        prefetch_owners(unit, [(it.owner, it.now) for it in submissions])

    def run(self, unit: UnitOfWork) -> Job:
        """The new job; raises what decoding and SubmitJob refuse."""
        return self.decoded().run(unit)

    def decoded(self) -> SubmitJob:
        """The command that this is.

        Raises:
            InvalidArgument, Unimplemented: the request makes no sense, or asks for what is not
                built; nothing is stored.
        """
        request = SubmitJobRequest.FromString(self.request)
        spec = submitted_spec(request, self.known_types, self.policy.longest_overrun)
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
