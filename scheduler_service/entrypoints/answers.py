"""The engine's answers as messages of the contract."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from gpuaas.scheduler.v1 import scheduler_service_pb2 as pb
from scheduler_service.domain.answers import Explanation, Load, Option, Quote, Recommendation
from scheduler_service.domain.last_hour import HourFigures
from scheduler_service.domain.prices import cost
from scheduler_service.domain.scheduling.explain import ReasonKind
from scheduler_service.domain.scheduling.quote import Verdict
from scheduler_service.domain.spec import Strategy, WorkloadSpec
from scheduler_service.entrypoints import encoding
from servicekit.wellknown import duration, timestamp_or_none

_KINDS = {
    ReasonKind.UNKNOWN: pb.Explanation.KIND_UNSPECIFIED,
    ReasonKind.NOT_WAITING: pb.Explanation.KIND_NOT_WAITING,
    ReasonKind.MISCONFIGURED: pb.Explanation.KIND_MISCONFIGURED,
    ReasonKind.EXCEEDS_POOL: pb.Explanation.KIND_EXCEEDS_POOL,
    ReasonKind.QUOTA: pb.Explanation.KIND_QUOTA,
    ReasonKind.RESOURCES: pb.Explanation.KIND_RESOURCES,
    ReasonKind.PRIORITY: pb.Explanation.KIND_PRIORITY,
}
_VERDICTS = {
    Verdict.STARTS_NOW: pb.QuoteWorkloadResponse.VERDICT_STARTS_NOW,
    Verdict.WAITS: pb.QuoteWorkloadResponse.VERDICT_WAITS,
    Verdict.NEVER_FITS: pb.QuoteWorkloadResponse.VERDICT_NEVER_FITS,
}


def explanation(it: Explanation, now: datetime) -> pb.Explanation:
    """Encodes why a workload waits, found out now."""
    return pb.Explanation(
        workload_id=it.workload_id,
        kind=_KINDS[it.kind],
        message=it.message,
        position=it.position,
        queue_length=it.queue_length,
        pool=it.pool,
        constraint=it.constraint,
        remedy=it.remedy,
        blocking_workload_ids=it.blocking,
        start_earliest=timestamp_or_none(it.start_earliest),
        start_latest=timestamp_or_none(it.start_latest),
        update_time=timestamp_or_none(now),
    )


def quote_response(it: Quote, now: datetime) -> pb.QuoteWorkloadResponse:
    """Encodes a quote."""
    response = pb.QuoteWorkloadResponse(
        verdict=_VERDICTS[it.verdict],
        start_p50=timestamp_or_none(it.start_p50),
        start_p90=timestamp_or_none(it.start_p90),
        preempted_workload_ids=[workload_id for workload_id, _ in it.preempted],
        preempted_job_ids=[job_id for _, job_id in it.preempted],
        delayed_workloads=it.delayed,
        longest_delay=duration(it.longest_delay),
        options=[_option(option) for option in it.options],
        pool=it.pool,
    )
    encoding.write_money(response.cost_low, it.cost_low)
    encoding.write_money(response.cost_high, it.cost_high)
    encoding.write_money(response.hourly_price_high, it.hourly_price_high)
    if it.placement is not None:
        response.placement.CopyFrom(encoding.placement(it.placement, ""))
    if it.explanation is not None:
        response.explanation.CopyFrom(explanation(it.explanation, now))
    return response


def recommend_response(
    found: Mapping[Strategy, Recommendation], spec: WorkloadSpec
) -> pb.RecommendResponse:
    """Encodes the best provider for each strategy."""
    response = pb.RecommendResponse()
    for strategy, it in found.items():
        message = getattr(response.recommendations, strategy.value)
        message.provider, message.gpu_type = it.provider, it.gpu_type
        message.score = round(it.score, 4)
        encoding.write_money(message.hourly_price, it.hourly_price)
        if it.expected_wait is not None:
            message.expected_wait.FromTimedelta(it.expected_wait)
        message.message = _recommended(it, spec)
    return response


def _recommended(it: Recommendation, spec: WorkloadSpec) -> str:
    """Why, in one sentence, as far as it is known."""
    asked = f"{spec.demand.count} x {it.gpu_type}" if it.gpu_type else f"{spec.demand.count} GPUs"
    parts = [f"{asked} in {it.pool}"]
    length = spec.estimated_duration
    if it.hourly_price is not None and length is not None:
        price = cost(it.hourly_price, spec.demand.milli_gpus, length)
        hours = length / timedelta(hours=1)
        if price is not None:
            parts.append(f"{price.micros / 1e6:,.2f} {price.currency} for {hours:g} h")
    if it.expected_wait is not None:
        minutes = it.expected_wait / timedelta(minutes=1)
        parts.append(f"starts in about {minutes:.0f} min" if minutes >= 0.5 else "starts at once")
    return f"{', '.join(parts)}."


def metrics_response(
    load: Load, hour: HourFigures, now: datetime
) -> pb.GetSchedulingMetricsResponse:
    """Encodes the figures about the queue, the devices and the scheduler's speed."""
    total = sum(it.total_milli for it in load.providers)
    used = sum(it.used_milli for it in load.providers)
    oldest = timedelta() if load.waiting_since is None else now - load.waiting_since
    return pb.GetSchedulingMetricsResponse(
        queued_workloads=load.queued,
        running_workloads=load.running,
        finished_workloads=hour.finished,
        preempted_workloads=hour.preempted,
        mean_wait=duration(hour.waits.mean),
        p99_wait=duration(hour.waits.p99),
        oldest_wait=duration(max(oldest, timedelta())),
        total_milli_gpus=total,
        used_milli_gpus=used,
        utilisation=used / total if total else 0.0,
        mean_cycle=duration(hour.cycles.mean),
        p99_cycle=duration(hour.cycles.p99),
        decisions_per_second=hour.decisions_per_second,
        providers=[
            pb.ProviderMetrics(
                provider=it.provider,
                running_workloads=it.running,
                total_milli_gpus=it.total_milli,
                used_milli_gpus=it.used_milli,
                success_rate=hour.success.get(it.provider, 1.0),
            )
            for it in load.providers
        ],
    )


def _option(it: Option) -> pb.WorkloadOption:
    message = pb.WorkloadOption(
        message=it.message,
        resources=encoding.resources(it.demand),
        pool=it.pool,
        start_p50=timestamp_or_none(it.start_p50),
    )
    encoding.write_money(message.cost, it.cost)
    return message
