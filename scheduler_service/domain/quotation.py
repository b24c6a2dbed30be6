"""Quotes in a service's words: when and where a workload would start, and at what price."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple, TypeAlias

from scheduler_service.domain.answers import Option, Quote
from scheduler_service.domain.explained import explanation_of
from scheduler_service.domain.moments import MICROSECOND, moment_or_none
from scheduler_service.domain.prices import Money, PriceList, cost
from scheduler_service.domain.resources import Placement
from scheduler_service.domain.scheduling import quote as quoting
from scheduler_service.domain.scheduling.bitsets import each
from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.fits import Fit
from scheduler_service.domain.scheduling.forecast import View
from scheduler_service.domain.scheduling.policy import DurationSource
from scheduler_service.domain.scheduling.protocols import Predictor
from scheduler_service.domain.scheduling.requests import Request, Shape, Slices
from scheduler_service.domain.scheduling.steps import Steps
from scheduler_service.domain.spec import WorkloadSpec
from servicekit.values import replace

TRIED = 5
"""Other pools that are tried, and cheaper models, at most."""

AsRequest: TypeAlias = Callable[[WorkloadSpec, int], Request]
Where: TypeAlias = Callable[[str, Slices, Shape], Placement | None]


class _Priced(NamedTuple):
    """A quote of the engine, and what it costs.

    Attributes:
        expected: what the expected running time costs where it is dearest; so ``high`` does for a
            long one, and ``low`` costs the expected time where it would run or is cheapest.
    """

    quote: quoting.Quote
    low: Money | None = None
    expected: Money | None = None
    high: Money | None = None
    hourly_high: Money | None = None


class Quotation:
    """Answers quotes of one engine; nothing changes by asking."""

    def __init__(
        self,
        engine: Engine,
        predictor: Predictor,
        prices: PriceList,
        speed: float,
        as_request: AsRequest,
        where: Where,
    ) -> None:
        """Makes it over an engine.

        Args:
            engine: what is asked.
            predictor: what it predicts durations with.
            prices: what devices cost.
            speed: how much faster than the clock the durations of workloads pass.
            as_request: a workload that comes at a time, in the engine's units.
            where: a placement in a service's words.
        """
        self._engine = engine
        self._predictor = predictor
        self._prices = prices
        self._speed = speed
        self._as_request = as_request
        self._where = where

    def quote(self, spec: WorkloadSpec, at: int) -> Steps[Quote]:
        """What would become of a workload that came now; of one that waits, as it stands."""
        view, jobs = View(), self._engine.jobs
        known = jobs.get(spec.id)
        request = known.request if known else self._as_request(spec, at)
        quoted = yield from quoting.quote(self._engine, view, request, at)
        priced = self._priced(quoted, request)
        options = yield from self._options(spec, view, at, priced)
        return Quote(
            verdict=quoted.verdict,
            start_p50=moment_or_none(quoted.p50),
            start_p90=moment_or_none(quoted.p90),
            placement=self._where(quoted.pool, quoted.slices, request.shape),
            # What has ended since the view was taken is stopped by nobody.
            preempted=tuple((it, jobs[it].request.job) for it in quoted.preempted if it in jobs),
            delayed=quoted.delayed,
            longest_delay=quoted.longest_delay * MICROSECOND,
            explanation=explanation_of(quoted.explanation) if quoted.explanation else None,
            options=options,
            pool=quoted.pool,
            cost_low=priced.low,
            cost_high=priced.high,
            hourly_price_high=priced.hourly_high,
        )

    def _priced(self, quoted: quoting.Quote, request: Request) -> _Priced:
        fit = self._engine.fit(request.shape)
        if not isinstance(fit, Fit) or not request.shape.devices:
            return _Priced(quoted)
        specs = self._engine.pools[fit.pool].nodes.specs
        nodes = {(specs[it].provider, specs[it].model) for it in each(fit.usable)}
        prices = self._prices.range(nodes)
        if prices is None:
            return _Priced(quoted)
        lowest, highest = prices
        if quoted.slices:
            node = specs[quoted.slices[0].node]
            lowest = self._prices.of(node.provider, node.model) or lowest
        short, long = self._running_times(request, quoted.pool)
        milli = request.shape.total_milli
        return _Priced(
            quoted,
            self._cost(lowest, milli, short),
            self._cost(highest, milli, short),
            self._cost(highest, milli, long),
            highest,
        )

    def _running_times(self, request: Request, pool: str) -> tuple[int | None, int | None]:
        """What half of such runs, and nine of ten, do not exceed, on the engine's clock."""
        predicts = self._engine.pools[pool].policy.durations is DurationSource.PREDICTION
        short, limit = request.estimate, request.limit
        long = short if limit is None else limit
        if predicts or short is None:
            prediction = self._predictor.predict(request)
            if prediction is not None:
                short, long = prediction.p50, prediction.p90
        if limit is None:
            return short, long
        return min(short, limit) if short is not None else None, min(long or limit, limit)

    def _cost(self, price: Money, milli: int, micros: int | None) -> Money | None:
        if micros is None:
            return None
        return cost(price, milli, round(micros * self._speed) * MICROSECOND)

    def _options(
        self, spec: WorkloadSpec, view: View, at: int, priced: _Priced
    ) -> Steps[tuple[Option, ...]]:
        """Ways to run a workload sooner or cheaper, each of them tried."""
        found: list[tuple[int | None, Option]] = []
        for advice, names_pool, changed in list(self._changes(spec, priced)):
            request = self._as_request(changed, at)
            quoted = yield from quoting.start_of(self._engine, view, request, at)
            other = self._priced(quoted, request)
            pool, start = other.quote.pool, other.quote.p50
            if pool and (_sooner(start, priced.quote.p50) or _cheaper(other, priced)):
                message = f"{advice} in {pool}." if names_pool else f"{advice}."
                when, cost_then = moment_or_none(start), other.expected
                found.append(
                    (start, Option(message, changed.demand, changed.pool, when, cost_then))
                )
        found.sort(key=lambda it: (it[0] is None, it[0] or 0))
        return tuple(option for _, option in found)

    def _changes(
        self, spec: WorkloadSpec, priced: _Priced
    ) -> Iterator[tuple[str, bool, WorkloadSpec]]:
        """Other ways, each with what to do and whether to say in which pool."""
        bare = replace(spec, id="")
        waits = priced.quote.verdict is not quoting.Verdict.STARTS_NOW
        if waits and spec.demand.gpu_type:
            any_model = replace(spec.demand, gpu_type="", alternative_gpu_types=())
            yield "Take any device model", False, replace(bare, demand=any_model)
        if waits and spec.pool:
            for pool in islice((it for it in self._engine.pools if it != spec.pool), TRIED):
                yield "Run", True, replace(bare, pool=pool)
        if priced.hourly_high is not None:
            for model in islice(self._cheaper_models(priced.hourly_high, spec), TRIED):
                demand = replace(spec.demand, gpu_type=model, alternative_gpu_types=())
                yield f"Take {model}", bool(spec.pool), replace(bare, demand=demand, pool="")

    def _cheaper_models(self, than: Money, spec: WorkloadSpec) -> Iterator[str]:
        """Models with a price below one, the cheapest first."""
        cheap = sorted((micros, model) for (_, model), micros in self._prices.hourly.items())
        below = (model for micros, model in cheap if micros < than.micros)
        yield from (it for it in dict.fromkeys(below) if it != spec.demand.gpu_type)


def _sooner(start: int | None, than: int | None) -> bool:
    return start is not None and (than is None or start < than)


def _cheaper(other: _Priced, than: _Priced) -> bool:
    if other.expected is None or than.expected is None:
        return False
    return other.expected.micros < than.expected.micros
