"""Pools and prices as messages of the contract."""

from collections.abc import Sequence

from gpuaas.scheduler.v1 import inventory_service_pb2, pool_pb2, resource_pb2
from scheduler_service.application.queries import PoolReport
from scheduler_service.domain.answers import DeviceUse
from scheduler_service.domain.prices import Money, PriceList
from scheduler_service.entrypoints.encoding import write_money


def list_pools_response(
    reports: Sequence[PoolReport], prices: PriceList
) -> inventory_service_pb2.ListPoolsResponse:
    """Encodes pools with their use and what they cost."""
    pools = [_pool(report, prices) for report in reports]
    return inventory_service_pb2.ListPoolsResponse(pools=pools)


def list_prices_response(
    prices: PriceList, provider: str, gpu_type: str
) -> inventory_service_pb2.ListPricesResponse:
    """Encodes the prices of a provider and of a model, where one is named."""
    message = inventory_service_pb2.ListPricesResponse()
    for (by, model), micros in sorted(prices.hourly.items()):
        if provider in ("", by) and gpu_type in ("", model):
            price = message.prices.add(provider=by, gpu_type=model)
            write_money(price.hourly_price, Money(micros, prices.currency))
    return message


def _pool(report: PoolReport, prices: PriceList) -> pool_pb2.Pool:
    pool, use = report.pool, report.use
    return pool_pb2.Pool(
        name=pool.name,
        environment=pool.environment,
        description=pool.description,
        devices=[_devices(each, prices) for each in use.devices],
        cpu_total=use.total_vcpus,
        cpu_free=use.free_vcpus,
        memory_gb_total=use.total_memory_gb,
        memory_gb_free=use.free_memory_gb,
        node_count=use.nodes,
        queued_workloads=use.queued,
        running_workloads=use.running,
        providers=use.providers,
    )


def _devices(use: DeviceUse, prices: PriceList) -> pool_pb2.PoolDevices:
    message = pool_pb2.PoolDevices(
        resource_type=resource_pb2.ResourceType.Value(f"RESOURCE_TYPE_{use.resource_type.name}"),
        gpu_type=use.gpu_type,
        total_milli_gpus=use.total_milli,
        free_milli_gpus=use.free_milli,
        free_devices=use.free_devices,
    )
    for provider in use.providers:
        offer = message.offers.add(provider=provider)
        write_money(offer.hourly_price, prices.of(provider, use.gpu_type))
    return message
