"""The engine of a running service: workloads and nodes in, placements out."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from scheduler_service.domain.answers import Explanation, Load, PoolUse, Quote, Recommendation
from scheduler_service.domain.engine import (
    Began,
    Cancelled,
    Decisions,
    Ended,
    EngineEvent,
    Finished,
    NodeUp,
    Placed,
    Preempt,
    Refuse,
    Start,
    Submitted,
)
from scheduler_service.domain.errors import GpuTypeUnknown, PoolUnknown, ProviderUnknown
from scheduler_service.domain.explained import explanation_of
from scheduler_service.domain.kinds import Kinds
from scheduler_service.domain.moments import micros_of, moment, moment_or_none, shortened
from scheduler_service.domain.prediction import History
from scheduler_service.domain.preempted import PreemptionCause
from scheduler_service.domain.prices import PriceList
from scheduler_service.domain.quotation import Quotation
from scheduler_service.domain.recommending import recommend
from scheduler_service.domain.resources import Demand, Node, Placement
from scheduler_service.domain.scheduling import decisions, events
from scheduler_service.domain.scheduling import explain as explaining
from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.explain import Forecasts
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.domain.scheduling.record import Recorder
from scheduler_service.domain.scheduling.requests import SECOND, KindName, Request, Shape, Slices
from scheduler_service.domain.scheduling.steps import Steps
from scheduler_service.domain.spec import Strategy, WorkloadSpec
from scheduler_service.domain.translation import (
    node_spec,
    placement_of,
    priority_of,
    shape_of,
    slices_of,
)
from scheduler_service.domain.use import pool_use, provider_uses

_SHAPES = 10_000


class LiveEngine:
    """Implements the port ``Engine``. What is preempted is over, and comes again as a new attempt.

    Events are only noted down; ``plan`` takes them in as one step.
    """

    def __init__(
        self,
        policies: dict[str, Policy] | None = None,
        *,
        prices: PriceList | None = None,
        speeds: Mapping[str, int] | None = None,
        speed: float = 1.0,
        record: Callable[[str], object] | None = None,
    ) -> None:
        """Makes an engine without nodes.

        Args:
            policies: by pool; that of the empty name holds for every other pool.
            prices: what quotes reckon with; None knows none.
            speeds: of device models, in whatever unit; None knows none.
            speed: how much faster than the clock the durations of workloads pass.
            record: takes the lines of a decision log; None keeps none.
        """
        chosen = {"": Policy()} | (policies or {})
        history = History()
        if record is None:
            self._engine = Engine(chosen[""], history, requeues=False)
            self._step = self._engine.step
        else:
            recorder = Recorder(record, chosen[""], history, requeues=False)
            self._engine, self._step = recorder.engine, recorder.step
        self._noted: list[events.Event] = [
            events.SetPolicy(policy, name) for name, policy in chosen.items() if name
        ]
        self._speed = speed
        self._now = 0
        self._nodes: dict[str, Node] = {}
        self._numbers: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._shapes: dict[tuple[str, str, Demand], Shape] = {}
        self._preferring: dict[tuple[Shape, tuple[KindName, ...]], Shape] = {}
        prices = prices or PriceList()
        self._kinds = Kinds(self._engine, prices, speeds or {})
        self._quotation = Quotation(
            self._engine, history, prices, speed, self._request, self._placement
        )

    def apply(self, event: EngineEvent) -> None:
        """Takes note of something that happened."""
        match event:
            case Submitted(spec=spec, at=at):
                self._noted.append(events.Submit(self._request(spec, micros_of(at))))
            case Finished(workload_id=workload_id):
                self._noted.append(events.Finish(workload_id))
            case Cancelled(workload_id=workload_id):
                self._noted.append(events.Cancel(workload_id))
            case Placed(spec=spec, placement=placement, since=since, arrived=arrived):
                self._place(spec, placement, micros_of(since), micros_of(arrived or since))
            case Began(spec=spec, pool=pool, at=at, arrived=arrived):
                request = self._request(spec, micros_of(arrived))
                self._noted.append(events.Began(request, pool, micros_of(at)))
            case Ended(workload_id=workload_id, at=at, end=end):
                self._noted.append(events.Ended(workload_id, micros_of(at), end))
            case NodeUp(node=node):
                self._add(node)

    def plan(self, now: datetime) -> Decisions:
        """Says what should happen next, and counts it as done."""
        noted, self._noted = self._noted, []
        return self._translated(self._step(self._at(now), noted))

    def wake(self) -> datetime | None:
        """When to plan again though nothing happens; None: not before something does."""
        at = self._engine.wake
        return None if at is None else moment(at)

    def pools(self) -> Sequence[PoolUse]:
        """How each pool is used, by name."""
        pools = self._engine.pools
        return [pool_use(pools[name], self._nodes) for name in sorted(pools)]

    def load(self, pool: str) -> Load:
        """What waits and runs now in a pool, or, with an empty name, in all."""
        pools = [it for name, it in self._engine.pools.items() if pool in ("", name)]
        since = [job.since for it in pools for job in it.queue.jobs()]
        return Load(
            queued=sum(it.queue.size for it in pools),
            running=sum(len(it.running) for it in pools),
            waiting_since=moment_or_none(min(since, default=None)),
            providers=provider_uses(pools),
        )

    def provider_of(self, workload_id: str) -> str:
        """The provider on whose nodes a workload runs; empty when it does not run."""
        job = self._engine.jobs.get(workload_id)
        return job.pool.nodes.specs[job.slices[0].node].provider if job and job.slices else ""

    def explain(
        self, workload_ids: Sequence[str], now: datetime, forecasts: Forecasts | None = None
    ) -> Steps[Sequence[Explanation]]:
        """Why workloads wait, in the order of the ids; those not known are left out.

        Predicting takes longer than all the rest: ``forecasts`` are used again, and added to.
        """
        at = self._at(now)
        found = yield from explaining.explain_all(self._engine, workload_ids, at, forecasts)
        return [explanation_of(each) for each in found]

    def quote(self, spec: WorkloadSpec, now: datetime) -> Steps[Quote]:
        """What would become of a workload that came now; of one that waits, as it stands."""
        at = self._at(now)
        self._require_known(spec)
        return (yield from self._quotation.quote(spec, at))

    def recommend(self, spec: WorkloadSpec, now: datetime) -> Steps[dict[Strategy, Recommendation]]:
        """The best provider for work that came now, for each strategy."""
        at = self._at(now)
        self._require_known(spec)
        return (yield from recommend(self._engine, self._kinds, spec, self._request, at))

    def _require_known(self, spec: WorkloadSpec) -> None:
        nodes = self._nodes.values()
        if spec.pool and spec.pool not in self._engine.pools:
            raise PoolUnknown(f"There is no pool {spec.pool!r}.")
        if spec.provider and all(node.provider != spec.provider for node in nodes):
            raise ProviderUnknown(f"There is no provider {spec.provider!r}.")
        models = spec.demand.gpu_types
        if models and all(node.gpu_type not in models for node in nodes):
            raise GpuTypeUnknown(f"No node has a {' or '.join(models)}.")

    def _at(self, now: datetime) -> int:
        """The engine's time never runs backwards, whatever the clock does."""
        self._now = max(self._now, micros_of(now))
        return self._now

    def _request(self, spec: WorkloadSpec, at: int) -> Request:
        question = (spec.pool, spec.provider, spec.demand)
        shape = self._shapes.get(question)
        if shape is None:
            if len(self._shapes) >= _SHAPES:
                self._shapes.clear()
            shape = self._shapes[question] = shape_of(spec)
        prefer = self._kinds.preferred(shape, spec.strategy, at)
        if prefer:
            shape = self._preferring_shape(shape, prefer)
        return Request(
            spec.id,
            shape,
            at,
            spec.team,
            spec.owner_id,
            spec.name,
            spec.job_id,
            priority_of(spec),
            spec.preemptible,
            shortened(spec.estimated_duration, self._speed),
            shortened(spec.max_runtime, self._speed),
        )

    def _preferring_shape(self, shape: Shape, prefer: tuple[KindName, ...]) -> Shape:
        """A shape with what it prefers: one object for all that are equal, as they are compared."""
        found = self._preferring.get((shape, prefer))
        if found is None:
            if len(self._preferring) >= _SHAPES:
                self._preferring.clear()
            found = dataclasses.replace(shape, prefer=prefer)
            self._preferring[shape, prefer] = found
        return found

    def _place(self, spec: WorkloadSpec, placement: Placement, since: int, arrived: int) -> None:
        pool, slices = placement.pool, slices_of(placement, self._numbers.__getitem__)
        request = self._request(spec, arrived)
        self._noted.append(events.Occupy(request, pool, slices, since))

    def _add(self, node: Node) -> None:
        if node.id not in self._nodes:
            # The engine numbers the nodes of a pool as they come.
            self._numbers[node.id] = self._sizes.get(node.pool, 0)
            self._sizes[node.pool] = self._numbers[node.id] + 1
        self._nodes[node.id] = node
        spec = node_spec(node)
        self._noted.append(events.NodeUp(spec))
        self._kinds.add(spec)
        if node.retired:
            self._noted.append(events.NodeRetire(node.id))
            self._kinds.remove(node.id)

    def _placement(self, pool: str, slices: Slices, shape: Shape) -> Placement | None:
        if not slices:
            return None
        specs = self._engine.pools[pool].nodes.specs
        nodes = [self._nodes[specs[part.node].id] for part in slices]
        return placement_of(pool, slices, nodes, shape)

    def _translated(self, decided: Sequence[decisions.Decision]) -> Decisions:
        starts: list[Start] = []
        refusals: list[Refuse] = []
        preemptions: list[Preempt] = []
        for each in decided:
            match each:
                case decisions.Start(job_id, pool, slices):
                    shape = self._engine.jobs[job_id].request.shape
                    placement = self._placement(pool, slices, shape)
                    if placement is not None:
                        starts.append(Start(job_id, placement))
                case decisions.Refuse(job_id, reason, message):
                    refusals.append(Refuse(job_id, reason, message))
                case decisions.Preempt(job_id, preemptor, rule, _, lost):
                    cause = PreemptionCause(rule.value)
                    preemptions.append(Preempt(job_id, preemptor, cause, lost // SECOND))
        return Decisions(starts, refusals, preemptions)
