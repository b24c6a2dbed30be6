"""The loop that schedules: what happened goes to the engine, what it decides is carried out."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import chain
from typing import Any

from prometheus_client import Counter, Histogram

from scheduler_service.application.commands import (
    PlannedStart,
    PlannedStop,
    StartWorkloads,
)
from scheduler_service.application.ports import Backend, DecodeEvent, Reader, Run
from scheduler_service.domain.engine import (
    Cancelled,
    Decisions,
    Engine,
    Finished,
    NodeUp,
    Submitted,
)
from scheduler_service.domain.events import (
    WorkloadCancelled,
    WorkloadFinished,
    WorkloadPreempted,
    WorkloadQueued,
    WorkloadStarted,
)
from scheduler_service.domain.last_hour import LastHour
from scheduler_service.domain.memories import present, remembered
from scheduler_service.domain.outcome import OutcomeKind
from scheduler_service.domain.prices import PriceList
from scheduler_service.domain.workload import Workload
from scheduler_service.entrypoints.portions import portions
from servicekit.clock import Clock, from_micros
from servicekit.errors import Unavailable
from servicekit.eventlog import EventLog
from servicekit.failpoints import afailpoint
from servicekit.ids import IdSource
from servicekit.transaction import RecordedEvent
from servicekit.writer import Writer

LONGEST = timedelta(days=1)
TOLD_AT_ONCE = 1_000
"""After so many events of the past that a new engine is told, everything else has its turn."""
PATIENCE_S = 2.0
"""So long does a question wait for the first engine."""

_DECISIONS = Counter("gpuaas_scheduler_decisions_total", "Decisions carried out.", ("kind",))
_PLAN = Histogram(
    "gpuaas_scheduler_plan_seconds",
    "Time of one scheduling decision over everything that changed.",
    buckets=(0.0001, 0.001, 0.01, 0.05, 0.1, 1.0),
)


class StartedElsewhere(RuntimeError):
    """A workload was started that this scheduler did not start."""


class Scheduling:
    """The engine's only owner: rebuilds it from the database, then keeps it up by the log."""

    def __init__(
        self,
        writer: Writer[Any],
        log: EventLog,
        decode: DecodeEvent,
        reader: Reader,
        backend: Backend,
        prices: PriceList,
        new_engine: Callable[[], Engine],
        is_due: Callable[[], bool],
        last_hour: LastHour,
        clock: Clock,
        new_id: IdSource,
    ) -> None:
        self._writer = writer
        self._event_log = log
        self._decode = decode
        self._reader = reader
        self._backend = backend
        self._prices = prices
        self._new_engine = new_engine
        self._is_due = is_due
        self._last_hour = last_hour
        self._clock = clock
        self._new_id = new_id
        self._engine: Engine | None = None
        self._built = asyncio.Event()
        self._allocations: dict[str, str] = {}

    async def engine(self) -> Engine:
        """The engine of now; the first is waited for.

        Raises:
            Unavailable: it takes long to build.
        """
        if self._engine is None:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self._built.wait()
            except TimeoutError:
                message = "The scheduler is reading its queue; try again shortly."
                raise Unavailable(message) from None
        return self._engine_or_fail()

    async def run(self) -> None:
        """Schedules until something fails; begins with a new engine whenever one is due."""
        while True:
            revision = await self._rebuild()
            # Workloads come in batches, so that there is nothing to gather here.
            follow = self._event_log.follow
            async for batch in follow(revision, sooner=self._until_wake, rests=False):
                await self._take_in(batch)
                await self._carry_out()
                if self._is_due():
                    break

    async def _rebuild(self) -> int:
        """Builds the engine as of one revision, and has the backend run what should be running."""
        snapshot = await self._reader.snapshot()
        engine = self._new_engine()
        told = chain(
            map(NodeUp, snapshot.nodes),
            remembered(snapshot.past, snapshot.running),
            present(snapshot.running, snapshot.queued),
        )
        for number, event in enumerate(told):
            if number % TOLD_AT_ONCE == 0:
                await asyncio.sleep(0)
            engine.apply(event)
        await self._backend.start([as_run(workload) for workload in snapshot.running])
        self._allocations = {it.spec.id: it.allocation_id for it in snapshot.running}
        self._engine = engine
        self._built.set()
        # Nobody can ask it before its first plan: nothing is awaited before that.
        await self._carry_out()
        return snapshot.revision

    def _until_wake(self) -> timedelta:
        """How long the engine has nothing to do, as far as it knows."""
        wake = self._engine_or_fail().wake()
        return LONGEST if wake is None else max(timedelta(), wake - self._clock.now())

    def _engine_or_fail(self) -> Engine:
        if self._engine is None:
            raise RuntimeError("there is no engine before the first rebuild")
        return self._engine

    async def _take_in(self, batch: Sequence[RecordedEvent]) -> None:
        """Tells the engine what happened, and the backend what must no longer run."""
        stopped = [allocation for event in batch if (allocation := self._apply(event))]
        if stopped:
            await self._backend.stop(stopped)

    def _apply(self, event: RecordedEvent) -> str | None:
        """Tells the engine of one event; returns the allocation that has to be stopped, if any."""
        engine = self._engine_or_fail()
        if event.kind == WorkloadQueued.kind:
            queued = self._decode(event.kind, event.payload)
            if isinstance(queued, WorkloadQueued):
                engine.apply(Submitted(queued.spec, from_micros(event.at)))
        elif event.kind == WorkloadStarted.kind and event.subject not in self._allocations:
            # A writer that outlived its service by a moment, or another scheduler: what it started
            # is neither in this engine nor at the backend until both are rebuilt.
            raise StartedElsewhere(event.subject)
        elif event.kind == WorkloadFinished.kind:
            self._allocations.pop(event.subject, None)
            self._count_end(engine, event)
            engine.apply(Finished(event.subject))
        elif event.kind in (WorkloadCancelled.kind, WorkloadPreempted.kind):
            engine.apply(Cancelled(event.subject))
            return self._allocations.pop(event.subject, None)
        return None

    async def _carry_out(self) -> None:
        """Carries out what the engine decides until it decides nothing more."""
        while decisions := self._plan():
            for part in portions(decisions):
                await self._dispatch(part)

    def _plan(self) -> Decisions:
        began = self._clock.monotonic()
        decisions = self._engine_or_fail().plan(self._clock.now())
        took = self._clock.monotonic() - began
        _PLAN.observe(took)
        count = len(decisions.starts) + len(decisions.preemptions) + len(decisions.refusals)
        self._last_hour.planned(timedelta(seconds=took), count, self._clock.now())
        return decisions

    def _count_end(self, engine: Engine, event: RecordedEvent) -> None:
        fact = self._decode(event.kind, event.payload)
        if isinstance(fact, WorkloadFinished):
            by_platform = fact.outcome.kind is OutcomeKind.PLATFORM_FAILED
            provider = engine.provider_of(event.subject)
            self._last_hour.ended(provider, by_platform, from_micros(event.at))

    async def _dispatch(self, decisions: Decisions) -> None:
        starts = [
            PlannedStart(
                it.workload_id, self._new_id(), it.placement, self._prices.at(it.placement)
            )
            for it in decisions.starts
        ]
        stops = await self._stops(decisions)
        command = StartWorkloads(starts, decisions.refusals, self._clock.now(), stops)
        dispatched = await self._writer.execute(command)
        engine = self._engine_or_fail()
        for workload_id in dispatched.skipped:
            engine.apply(Cancelled(workload_id))
        await self._stop_preempted(dispatched.preempted)
        self._last_hour.preempted(len(dispatched.preempted), command.now)
        for workload in dispatched.started:
            self._last_hour.started(command.now - workload.enqueued_at, command.now)
            self._allocations[workload.spec.id] = workload.allocation_id
        _DECISIONS.labels("start").inc(len(dispatched.started))
        _DECISIONS.labels("refuse").inc(len(decisions.refusals))
        await afailpoint("backend.start.before")
        await self._backend.start([as_run(workload) for workload in dispatched.started])
        await afailpoint("backend.start.after")

    async def _stops(self, decisions: Decisions) -> list[PlannedStop]:
        """The preemptions, with how long each run has run."""
        held = [self._allocations.get(it.workload_id, "") for it in decisions.preemptions]
        ran = await self._backend.ran(held) if held else {}
        return [
            PlannedStop(it.workload_id, it.preemptor_id, it.cause, ran.get(allocation, timedelta()))
            for it, allocation in zip(decisions.preemptions, held, strict=True)
        ]

    async def _stop_preempted(self, workload_ids: Sequence[str]) -> None:
        """Stops at the backend what was preempted, before others start in its place."""
        held = [self._allocations.pop(it) for it in workload_ids if it in self._allocations]
        if held:
            await self._backend.stop(held)
        _DECISIONS.labels("preempt").inc(len(workload_ids))


def as_run(workload: Workload) -> Run:
    """What the backend is told of a running workload."""
    if workload.placement is None or workload.started_at is None:
        raise ValueError(f"workload {workload.spec.id} does not run")
    return Run(
        workload.allocation_id,
        workload.spec,
        workload.program,
        workload.simulation,
        workload.placement,
        workload.started_at,
    )
