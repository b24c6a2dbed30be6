"""Quotes."""

from gpuaas.api.v1 import money_pb2
from gpuaas.job.v1 import job_service_pb2 as pb
from job_service.domain.prices import Money
from job_service.domain.quotes import Option, Outlook, Quote, Verdict
from job_service.domain.spec import JobSpec
from job_service.entrypoints.encoding.money import write_money
from job_service.entrypoints.encoding.specs import write_spec
from servicekit.values import replace
from servicekit.wellknown import duration, write_time

_VERDICTS = {it: pb.QuoteJobResponse.Verdict.Value(f"VERDICT_{it}") for it in Verdict}


def quote_response(quote: Quote, spec: JobSpec | None, token: str) -> pb.QuoteJobResponse:
    """A quote; of a new job, whose ``spec`` it is, with its options as specs."""
    outlook = quote.outlook
    message = pb.QuoteJobResponse(
        verdict=_VERDICTS[quote.verdict],
        reserve_milli_gpu_seconds=quote.reserve,
        left_after_milli_gpu_seconds=quote.left_after,
        pool=outlook.pool,
        provider=outlook.provider,
        preempted_job_ids=outlook.preempted,
        delayed_jobs=outlook.delayed,
        longest_delay=duration(outlook.longest_delay),
        message=quote.message,
        auto_approved=bool(quote.approved_by),
        quote_token=token,
    )
    _write_times(message, outlook)
    _write_money(message.cost_low, outlook.cost_low, quote.count)
    _write_money(message.cost_high, outlook.cost_high, quote.count)
    if spec is not None:
        for option in outlook.options:
            _write_option(message.options.add(), option, spec, quote.count)
    if quote.terms is not None:
        write_time(message.expire_time, quote.terms.expires_at)
    return message


def _write_times(message: pb.QuoteJobResponse, outlook: Outlook) -> None:
    for field, at in (
        (message.start_p50, outlook.start_p50),
        (message.start_p90, outlook.start_p90),
    ):
        if at is not None:
            write_time(field, at)


def _write_option(message: pb.QuoteOption, option: Option, spec: JobSpec, count: int) -> None:
    message.message = option.message
    write_spec(message.spec, replace(spec, resources=option.resources, pool=option.pool))
    if option.start_p50 is not None:
        write_time(message.start_p50, option.start_p50)
    _write_money(message.cost, option.cost, count)


def _write_money(message: money_pb2.Money, amount: Money | None, count: int) -> None:
    write_money(message, amount.times(count) if amount else None)
