"""What the scheduler says about prices, offers and quotes, in the words of jobs."""

from datetime import datetime
from typing import Any

from gpuaas.api.v1 import money_pb2
from gpuaas.scheduler.v1 import inventory_service_pb2, pool_pb2, resource_pb2
from gpuaas.scheduler.v1 import scheduler_service_pb2 as pb
from job_service.domain.offers import Offer, Offers, Places
from job_service.domain.prices import Money
from job_service.domain.quotes import Option, Outlook, Verdict
from job_service.domain.spec import ResourceSpec, ResourceType
from servicekit.wellknown import moment, span

_VERDICTS = {
    pb.QuoteWorkloadResponse.VERDICT_STARTS_NOW: Verdict.STARTS_NOW,
    pb.QuoteWorkloadResponse.VERDICT_WAITS: Verdict.WAITS,
    pb.QuoteWorkloadResponse.VERDICT_NEVER_FITS: Verdict.NEVER_FITS,
}
_TYPES = {resource_pb2.ResourceType.Value(f"RESOURCE_TYPE_{it}"): it for it in ResourceType}


def offers_of(pools: inventory_service_pb2.ListPoolsResponse) -> Offers:
    """What pools have to offer."""
    offers = [
        offer
        for pool in pools.pools
        for devices in pool.devices
        for offer in _offers(pool.name, devices)
    ]
    providers = {name for pool in pools.pools for name in pool.providers}
    currencies = {
        offer.hourly_price.currency_code
        for pool in pools.pools
        for devices in pool.devices
        for offer in devices.offers
        if offer.HasField("hourly_price")
    }
    places = Places(frozenset(pool.name for pool in pools.pools), frozenset(providers))
    return Offers(tuple(offers), places, min(currencies, default=""))


def outlook_of(quote: pb.QuoteWorkloadResponse) -> Outlook:
    """What would become of a run."""
    return Outlook(
        verdict=_VERDICTS[quote.verdict],
        start_p50=_time(quote, "start_p50"),
        start_p90=_time(quote, "start_p90"),
        pool=quote.pool,
        provider=quote.placement.provider,
        cost_low=money_of(quote, "cost_low"),
        cost_high=money_of(quote, "cost_high"),
        hourly_price_high=money_of(quote, "hourly_price_high"),
        preempted=tuple(quote.preempted_job_ids),
        delayed=quote.delayed_workloads,
        longest_delay=span(quote.longest_delay),
        options=tuple(_option(option) for option in quote.options),
        reason=quote.explanation.message,
    )


def money_of(message: Any, field: str) -> Money | None:
    """An amount of money, None where it is not set."""
    if not message.HasField(field):
        return None
    amount: money_pb2.Money = getattr(message, field)
    return Money(amount.micros, amount.currency_code)


def _offers(pool: str, devices: pool_pb2.PoolDevices) -> list[Offer]:
    kind = _TYPES.get(devices.resource_type, ResourceType.GPU)
    return [
        Offer(
            pool,
            offer.provider,
            kind,
            devices.gpu_type,
            offer.hourly_price.micros if offer.HasField("hourly_price") else None,
        )
        for offer in devices.offers or [pool_pb2.PoolOffer()]
    ]


def _option(option: pb.WorkloadOption) -> Option:
    wanted = option.resources
    resources = ResourceSpec(
        resource_type=_TYPES.get(wanted.resource_type, ResourceType.GPU),
        gpu_type=wanted.gpu_type,
        count=wanted.count,
        milli_gpu_per_device=wanted.milli_gpu_per_device,
        memory_gb=wanted.memory_gb,
        vcpus=wanted.vcpus,
        nodes=wanted.nodes,
        alternative_gpu_types=tuple(wanted.alternative_gpu_types),
        device_memory_gb=wanted.device_memory_gb,
        node_labels=dict(wanted.node_labels),
    )
    start, cost = _time(option, "start_p50"), money_of(option, "cost")
    return Option(option.message, resources, option.pool, start, cost)


def _time(message: Any, field: str) -> datetime | None:
    return moment(getattr(message, field)) if message.HasField(field) else None
