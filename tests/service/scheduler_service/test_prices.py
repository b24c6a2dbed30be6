"""What things cost, over the wire."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gpuaas.scheduler.v1 import inventory_service_pb2
from tests.service.scheduler_service.conftest import House, Kind, Open, workload

HOUR = 3600


async def listed(house: House, **conditions: Any) -> list[tuple[str, str, int]]:
    """The prices that match."""
    request = inventory_service_pb2.ListPricesRequest(**conditions)
    prices = (await house.inventory.ListPrices(request)).prices
    return [(it.provider, it.gpu_type, it.hourly_price.micros) for it in prices]


async def test_prices_are_listed_by_provider_and_model(house: House) -> None:
    """All, those of a provider, those of a model."""
    everything = [
        ("local", "A100", 2_500_000),
        ("local", "T4", 400_000),
        ("local", "V100", 1_200_000),
    ]
    assert everything == await listed(house) == await listed(house, provider="local")
    assert everything[1:2] == await listed(house, gpu_type="T4")
    assert [] == await listed(house, provider="nobody")


async def test_a_pool_says_who_offers_its_devices_and_at_what_price(
    open_house: Open, inventory: Callable[[str], Path]
) -> None:
    """By provider; one whose price is not known has none."""
    text = (
        "[prices.near]\nT4 = 5\n"
        '[[pools.p.nodes]]\nprovider = "near"\ngpu_type = "T4"\ndevices = 1\nname = "n"\n'
        '[[pools.p.nodes]]\nprovider = "far"\ngpu_type = "T4"\ndevices = 1\nname = "f"\n'
    )
    async with open_house(inventory=inventory(text)) as house:
        pool = (await house.pools())["p"]
        offers = [
            (it.provider, it.HasField("hourly_price"), it.hourly_price.micros)
            for it in pool.devices[0].offers
        ]
    assert ["far", "near"] == list(pool.providers)
    assert [("far", False, 0), ("near", True, 5)] == offers


async def test_a_run_keeps_the_price_of_its_start_or_what_was_promised(
    open_house: Open, inventory: Callable[[str], Path]
) -> None:
    """Whatever the list says by its end, after a restart."""
    text = '[prices.local]\nT4 = {}\n[[pools.p.nodes]]\ngpu_type = "T4"\ndevices = 2\n'
    promised = workload("promised", 4 * HOUR)
    promised.hourly_price_limit.micros = 300_000
    promised.hourly_price_limit.currency_code = "USD"
    async with open_house(inventory=inventory(text.format(400_000)), simulation_speed=1.0) as house:
        await house.enqueue(workload("a", HOUR), promised)
        await house.watch(lambda seen: 2 == sum(it.kind == Kind.KIND_STARTED for it in seen))
    dearer = inventory(text.format(900_000))
    async with open_house(inventory=dearer, simulation_speed=1e6) as house:
        ended = await house.ended(["a", "promised"])
    assert 400_000 == ended["a"].cost.micros
    assert 1_200_000 == ended["promised"].cost.micros
