"""Recommendations: the best kind of device for each strategy, as things are now."""

from collections.abc import Callable

from scheduler_service.domain.answers import Recommendation
from scheduler_service.domain.errors import NoProvider
from scheduler_service.domain.kinds import Kinds
from scheduler_service.domain.moments import MICROSECOND
from scheduler_service.domain.scheduling import quote as quoting
from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.forecast import View
from scheduler_service.domain.scheduling.requests import Request
from scheduler_service.domain.scheduling.steps import Steps
from scheduler_service.domain.spec import Strategy, WorkloadSpec
from scheduler_service.domain.strategies import Kind, ranked
from scheduler_service.domain.translation import shape_of
from servicekit.values import replace


def recommend(
    engine: Engine,
    kinds: Kinds,
    spec: WorkloadSpec,
    as_request: Callable[[WorkloadSpec, int], Request],
    at: int,
) -> Steps[dict[Strategy, Recommendation]]:
    """The best provider for each strategy.

    Raises:
        NoProvider: none has what is asked for.
    """
    able = kinds.able(shape_of(spec), at)
    if not able:
        raise NoProvider("No provider ever has what is asked for.")
    view = View()
    waits: dict[Kind, int | None] = {}
    found: dict[Strategy, Recommendation] = {}
    for strategy in Strategy:
        kind, score = ranked(strategy, able)[0]
        if kind not in waits:
            demand = replace(spec.demand, gpu_type=kind.model, alternative_gpu_types=())
            there = replace(spec, demand=demand, pool=kind.pool, provider=kind.provider)
            quoted = yield from quoting.start_of(engine, view, as_request(there, at), at)
            waits[kind] = None if quoted.p50 is None else quoted.p50 - at
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
