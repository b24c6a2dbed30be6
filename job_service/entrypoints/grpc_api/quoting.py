"""JobService: quotes."""

from dataclasses import dataclass
from datetime import timedelta

from gpuaas.job.v1 import job_pb2
from gpuaas.job.v1 import job_service_pb2 as pb
from job_service.application.ports import OnOffer, Reader
from job_service.application.quoting import Asking, Quoting
from job_service.entrypoints.decoding import fields
from job_service.entrypoints.decoding.shorthand import merged
from job_service.entrypoints.decoding.specs import job_spec
from job_service.entrypoints.encoding.quotes import quote_response
from job_service.entrypoints.grpc_api.calling import Context, caller, owner, role
from job_service.entrypoints.quote_tokens import fingerprint, sealed
from servicekit.clock import Clock
from servicekit.errors import invalid


@dataclass(frozen=True)
class Quotes:
    """Answers quotes of new jobs, which hold for a while, and of jobs that wait."""

    quoting: Quoting
    reader: Reader
    on_offer: OnOffer
    clock: Clock
    good_for: timedelta

    async def answer(self, request: pb.QuoteJobRequest) -> pb.QuoteJobResponse:
        """The quote that is asked for."""
        asking = Asking(caller(), owner(), role(), self.clock.now())
        is_new = any(field.name != "job_id" for field, _ in request.ListFields())
        if is_new == bool(request.job_id):
            raise invalid("spec", "a job as it would be submitted, or job_id; exactly one of them")
        if is_new:
            return await self._new(asking, merged(request))
        job_id = fields.text(request.job_id, "job_id")
        return quote_response(await self.quoting.of_job(asking, job_id), None, "")

    async def _new(self, asking: Asking, asked: job_pb2.JobSpec) -> pb.QuoteJobResponse:
        offers, longest = self.on_offer.known(), self.quoting.policy.longest_overrun
        spec = job_spec(
            asked,
            "spec.",
            self.on_offer.gpu_types(),
            longest_overrun=longest,
            places=offers.places,
        )
        until = asking.now + self.good_for
        quote = await self.quoting.of_spec(asking, spec, offers, fingerprint(spec), until)
        token = sealed(quote.terms, await self.reader.quote_key()) if quote.terms else ""
        return quote_response(quote, spec, token)


class QuotingJobs:
    """The method that quotes jobs."""

    quotes: Quotes

    async def QuoteJob(self, request: pb.QuoteJobRequest, context: Context) -> pb.QuoteJobResponse:
        """Quotes a job."""
        return await self.quotes.answer(request)
