"""The engine: told what happened and when, it says what should happen, and counts it as done."""

from collections.abc import Iterable

from scheduler_service.domain.scheduling import fits, planner
from scheduler_service.domain.scheduling.assembly import assemble
from scheduler_service.domain.scheduling.decisions import Decision, Refuse
from scheduler_service.domain.scheduling.events import (
    Cancel,
    Event,
    Finish,
    NodeSpec,
    NodeUp,
    Occupy,
    Submit,
)
from scheduler_service.domain.scheduling.fits import Fit, NoFit
from scheduler_service.domain.scheduling.nodes import Nodes
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.domain.scheduling.pool import Out, Pool
from scheduler_service.domain.scheduling.protocols import Predictor
from scheduler_service.domain.scheduling.queue import Group
from scheduler_service.domain.scheduling.requests import Job, Request, Shape


class Engine:
    """All pools, fed by one history.

    Attributes:
        pools: by name, in the order in which their first nodes came.
        jobs: everything that waits or runs, by id.
    """

    def __init__(self, policy: Policy | None = None, predictor: Predictor | None = None) -> None:
        self.pools: dict[str, Pool] = {}
        self.jobs: dict[str, Job] = {}
        self._policy = policy or Policy()
        self._predictor = predictor
        self._fits: dict[Shape, Fit | NoFit] = {}
        self._homes: dict[str, Pool] = {}
        self._sequence = 0

    def step(self, now: int, events: Iterable[Event]) -> list[Decision]:
        """Takes in what happened by ``now`` and says what should happen, in that order."""
        out: Out = []
        for event in events:
            self._apply(event, now, out)
        for pool in self.pools.values():
            if pool.changed:
                planner.plan(pool, now, out)
        return out

    def _apply(self, event: Event, now: int, out: Out) -> None:
        match event:
            case Submit(request):
                self._submit(request, now, out)
            case Finish(job_id) | Cancel(job_id):
                self._end(job_id, isinstance(event, Finish), now)
            case NodeUp(spec):
                self._add_node(spec)
            case Occupy(request, pool, slices, since):
                job = self._new_job(request)
                self._homes[request.id] = self.pools[pool]
                self.pools[pool].occupy(job, slices, since)

    def _new_job(self, request: Request) -> Job:
        job = self.jobs[request.id] = Job(request, self._sequence)
        self._sequence += 1
        job.expected = request.estimate
        return job

    def _submit(self, request: Request, now: int, out: Out) -> None:
        if request.id in self.jobs:
            return
        fit = self._fit(request.shape)
        if isinstance(fit, NoFit):
            out.append(Refuse(request.id, fit.reason, fit.message))
            return
        pool = self.pools[fit.pool]
        self._wait(pool, fit, self._new_job(request), now)

    def _wait(self, pool: Pool, fit: Fit, job: Job, now: int) -> None:
        job.key = pool.order.key(job, now)
        key = (job.request.shape, "", "")
        group = pool.queue.groups.get(key) or Group(key, fit)
        self._homes[job.request.id] = pool
        if pool.queue.add(job, group):
            pool.changed = True

    def _fit(self, shape: Shape) -> Fit | NoFit:
        fit = self._fits.get(shape)
        if fit is None:
            nodes: dict[str, Nodes] = {name: pool.nodes for name, pool in self.pools.items()}
            fit = self._fits[shape] = fits.find(shape, nodes)
        return fit

    def _end(self, job_id: str, finished: bool, now: int) -> None:
        job = self.jobs.pop(job_id, None)
        if job is None:
            return
        pool = self._homes.pop(job_id)
        if job.group is not None:
            if pool.queue.remove(job):
                pool.changed = True
            return
        if finished and self._predictor is not None:
            self._predictor.learn(job.request, job.attained(now), now)
        pool.release(job)

    def _add_node(self, spec: NodeSpec) -> None:
        pool = self.pools.get(spec.pool)
        if pool is None:
            pool = self.pools[spec.pool] = assemble(spec.pool, self._policy)
        pool.nodes.add(spec)
        pool.changed = True
        self._fits.clear()
