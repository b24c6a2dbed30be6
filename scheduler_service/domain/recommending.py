"""Recommendations: the best kind of device for each strategy, as things are now."""

from collections.abc import Callable, Mapping

from scheduler_service.domain.answers import Recommendation
from scheduler_service.domain.errors import NoProvider
from scheduler_service.domain.moments import MICROSECOND
from scheduler_service.domain.prices import PriceList
from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling import quote as quoting
from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.fits import Fit
from scheduler_service.domain.scheduling.nodes import each
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.requests import Request, Shape
from scheduler_service.domain.spec import Strategy, WorkloadSpec
from scheduler_service.domain.strategies import Kind, ranked
from scheduler_service.domain.translation import shape_of
from servicekit.values import replace


def kinds_for(
    engine: Engine, shape: Shape, prices: PriceList, speeds: Mapping[str, int]
) -> list[Kind]:
    """The kinds of device that could ever hold a shape, in the inventory's order."""
    found: dict[tuple[str, str, str], Kind] = {}
    for pool in engine.pools.values():
        if shape.pool in ("", pool.name):
            specs = pool.nodes.specs
            members = [specs[number] for number in each(pool.nodes.member)]
            for provider, model in dict.fromkeys((it.provider, it.model) for it in members):
                kind = _kind(engine, pool, shape, provider, model)
                if kind is not None:
                    price, speed = prices.of(provider, model), speeds.get(model, 0)
                    found[kind[:3]] = kind._replace(price=price, speed=speed)
    return list(found.values())


def recommend(
    engine: Engine,
    spec: WorkloadSpec,
    prices: PriceList,
    speeds: Mapping[str, int],
    as_request: Callable[[WorkloadSpec, int], Request],
    at: int,
) -> dict[Strategy, Recommendation]:
    """The best provider for each strategy.

    Raises:
        NoProvider: none has what is asked for.
    """
    kinds = kinds_for(engine, shape_of(spec), prices, speeds)
    if not kinds:
        raise NoProvider("No provider ever has what is asked for.")
    waits: dict[Kind, int | None] = {}
    found: dict[Strategy, Recommendation] = {}
    for strategy in Strategy:
        kind, score = ranked(strategy, kinds)[0]
        if kind not in waits:
            demand = replace(spec.demand, gpu_type=kind.model, alternative_gpu_types=())
            there = replace(spec, demand=demand, pool=kind.pool, provider=kind.provider)
            start = quoting.quote(engine, as_request(there, at), at).p50
            waits[kind] = None if start is None else start - at
        wait = waits[kind]
        found[strategy] = Recommendation(
            kind.provider,
            score,
            kind.model,
            kind.pool,
            kind.price,
            None if wait is None else wait * MICROSECOND,
        )
    return found


def _kind(engine: Engine, pool: Pool, shape: Shape, provider: str, model: str) -> Kind | None:
    """One kind, if it could ever hold the shape."""
    if shape.provider not in ("", provider) or (shape.models and model not in shape.models):
        return None
    fit = engine.fit(_there(shape, pool.name, provider, model))
    if not isinstance(fit, Fit):
        return None
    nodes = pool.nodes
    devices = sum(nodes.specs[number].devices for number in each(fit.usable))
    free = sum(
        WHOLE * nodes.whole[number] + sum(nodes.shared[number].values())
        for number in each(fit.usable & nodes.open)
    )
    part = free / (WHOLE * devices) if devices else 1.0
    return Kind(pool.name, provider, model, free=part, waiting=pool.queue.size > 0)


def _there(shape: Shape, pool: str, provider: str, model: str) -> Shape:
    """The shape of the same work on one kind of device."""
    return Shape(
        resource_type=shape.resource_type,
        devices=shape.devices,
        milli=shape.milli,
        nodes=shape.nodes,
        models=(model,) if model else (),
        cpu=shape.cpu,
        memory=shape.memory,
        device_memory=shape.device_memory,
        labels=shape.labels,
        pool=pool,
        provider=provider,
    )
