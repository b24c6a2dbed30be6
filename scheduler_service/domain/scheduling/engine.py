"""The engine: told what happened and when, it says what should happen, and counts it as done."""

from collections.abc import Iterable

from scheduler_service.domain.scheduling import fits
from scheduler_service.domain.scheduling.assembly import rules_of
from scheduler_service.domain.scheduling.decisions import (
    Decision,
    PreemptionRule,
    Refuse,
)
from scheduler_service.domain.scheduling.events import (
    Began,
    Cancel,
    Ended,
    Event,
    Finish,
    NodeDown,
    NodeDrain,
    NodeRetire,
    NodeSpec,
    NodeUp,
    Occupy,
    SetPolicy,
    Submit,
)
from scheduler_service.domain.scheduling.expectations import Expectations
from scheduler_service.domain.scheduling.fits import Fit, NoFit
from scheduler_service.domain.scheduling.memory import Memory
from scheduler_service.domain.scheduling.planner import plan
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.domain.scheduling.pool import Out, Pool
from scheduler_service.domain.scheduling.protocols import Predictor, Victim
from scheduler_service.domain.scheduling.queue import Group
from scheduler_service.domain.scheduling.requests import Job, Request, Shape, Slices

KEPT = 10_000
"""Shapes of which the engine keeps where they may run, or twice as many as are in use."""

ASKED = 1_000
"""Shapes that nobody came with, of which somebody only asked it."""


class Engine:
    """All pools, fed by one history.

    Attributes:
        pools: by name, in the order in which their first nodes came.
        jobs: everything that waits or runs, by id.
    """

    def __init__(
        self,
        policy: Policy | None = None,
        predictor: Predictor | None = None,
        *,
        requeues: bool = True,
    ) -> None:
        """Makes an engine without nodes.

        Args:
            policy: of every pool without one of its own.
            predictor: what policies with predicted durations ask.
            requeues: whether what is preempted waits again under the same id; otherwise it is over,
                and whoever drives the engine submits it again.
        """
        self.pools: dict[str, Pool] = {}
        self.jobs: dict[str, Job] = {}
        self._policies = {"": policy or Policy()}
        self._expectations = Expectations(predictor)
        self._memory = Memory(self._expectations)
        self._requeues = requeues
        self._fits: dict[Shape, Fit | NoFit] = {}
        self._most = KEPT
        self._asked: dict[Shape, Fit | NoFit] = {}
        self._seats: dict[str, tuple[Pool, int]] = {}
        self._sequence = 0
        self._stale = False

    def step(self, now: int, events: Iterable[Event]) -> list[Decision]:
        """Takes in what happened by ``now`` and says what should happen, in that order.

        Time never runs backwards from one step to the next.
        """
        out: Out = []
        for event in events:
            if type(event) is Submit:
                self._submit(event.request, now, out)
            elif type(event) is Finish:
                self._end(event.id, now, True)
            else:
                self._apply(event, now, out)
        if self._stale:
            self._find_anew(now, out)
        for pool in self.pools.values():
            if pool.changed or (pool.wake is not None and pool.wake <= now):
                plan(pool, now, out)
        return out

    @property
    def wake(self) -> int | None:
        """When to ask again though nothing happens; None: not before something does."""
        wakes = [pool.wake for pool in self.pools.values() if pool.wake is not None]
        return min(wakes, default=None)

    @property
    def known(self) -> int:
        """Of how many shapes it keeps where they may run, or why nowhere."""
        return len(self._fits) + len(self._asked)

    def fit(self, shape: Shape) -> Fit | NoFit:
        """Where a shape may run, or why nowhere. What is decided does not depend on who asks."""
        fit = self._fits.get(shape) or self._asked.get(shape)
        if fit is None:
            if len(self._asked) >= ASKED:
                self._asked.clear()
            fit = self._asked[shape] = self._search(shape)
        return self._search(shape) if type(fit) is Fit and not fit.tiers else fit

    def _apply(self, event: Event, now: int, out: Out) -> None:
        """Takes in what happens seldom."""
        match event:
            case Cancel(job_id):
                self._end(job_id, now, False)
            case NodeUp(spec):
                self._open(spec)
            case NodeDrain(node_id) | NodeDown(node_id) | NodeRetire(node_id):
                if node_id in self._seats:
                    self._close(event, *self._seats[node_id], now, out)
            case SetPolicy(policy, name):
                self._set_policy(policy, name, now)
            case Occupy(request, name, slices, since):
                self._occupy(request, self.pools[name], slices, since)
            case Began():
                self._memory.begin(event, self.pools.get(event.pool))
            case Ended():
                self._memory.end(event)

    def _submit(self, request: Request, now: int, out: Out) -> None:
        if request.id in self.jobs:
            return
        if self._stale:
            self._find_anew(now, out)
        fit = self._fits.get(request.shape)
        if type(fit) is not Fit or not fit.tiers:
            fit = self._fit(request.shape)
        if type(fit) is Fit:
            pool = self.pools[fit.pool]
            if pool.observe is not None:
                pool.observe(request.shape)
            pool.wait(self._add(request, pool, fit), now)
        elif type(fit) is NoFit:
            out.append(Refuse(request.id, fit.reason, fit.message))

    def _occupy(self, request: Request, pool: Pool, slices: Slices, since: int) -> None:
        if request.id in self.jobs:
            return
        fit = self._fit(request.shape)
        if isinstance(fit, NoFit):
            # It runs where nothing like it could start any more.
            fit = Fit(request.shape, "", (), 0)
        served = self._memory.goes_on(request)
        job = self._add(request, pool, fit)
        job.served = job.served if served is None else served
        job.waited = max(0, since - request.submitted)
        job.aged = 0 < pool.policy.ageing <= job.waited
        pool.occupy(job, slices, since, booked=served is not None)

    def _fit(self, shape: Shape) -> Fit | NoFit:
        """As ``fit``, for what comes: as long as others of the shape are there, it is the same."""
        if shape not in self._fits:
            if len(self._fits) >= self._most:
                self._forget_unused()
            self._fits[shape] = self.fit(shape)
            self._asked.pop(shape, None)
        return self.fit(shape)

    def _add(self, request: Request, pool: Pool, fit: Fit) -> Job:
        job = self.jobs[request.id] = Job(request, self._sequence, pool, fit)
        self._sequence += 1
        job.served = self._memory.resumed(request)
        self._expectations.add(job)
        return job

    def _end(self, job_id: str, now: int, by_itself: bool) -> None:
        job = self.jobs.pop(job_id, None)
        if job is None:
            return
        pool = job.pool
        if job.group is not None:
            pool.withdraw(job)
        else:
            if by_itself:
                self._expectations.learn(job.request, job.attained(now), now)
            pool.release(job, now)
        pool.stops.forget(job)
        self._expectations.remove(job)

    def _drop(self, job: Job, now: int, out: Out) -> None:
        """Forgets a preempted job: whoever drives the engine submits it again, as a new run."""
        del self.jobs[job.request.id]
        self._memory.keep(job.request, job.served)
        self._expectations.remove(job)

    def _set_policy(self, policy: Policy, name: str, now: int) -> None:
        self._policies[name] = policy
        for pool in self.pools.values():
            if pool.name == name or (not name and pool.name not in self._policies):
                pool.follow(policy, rules_of(policy), self._expectations.expect, now)

    def _open(self, spec: NodeSpec) -> None:
        """Takes in a node that is there or comes back."""
        if spec.id in self._seats:
            pool, node = self._seats[spec.id]
            if not pool.nodes.member & pool.nodes.bit[node]:
                pool.nodes.member |= pool.nodes.bit[node]
                self._stale = True
            pool.nodes.set_open(node, True)
        else:
            pool = self._pool(spec.pool)
            self._seats[spec.id] = (pool, pool.nodes.add(spec))
            self._stale = True
        pool.changed = True

    def _pool(self, name: str) -> Pool:
        pool = self.pools.get(name)
        if pool is None:
            policy = self._policies.get(name) or self._policies[""]
            requeue = self._requeue if self._requeues else self._drop
            pool = self.pools[name] = Pool(name, policy, rules_of(policy), requeue)
        return pool

    def _close(self, event: Event, pool: Pool, node: int, now: int, out: Out) -> None:
        """Gives a node nothing new; what runs on a lost one has to go."""
        pool.nodes.set_open(node, False)
        pool.stop_holding_back()
        if isinstance(event, NodeDown):
            for job in [it for it in pool.running.values() if _holds(it, node)]:
                pool.preempt(Victim(job, PreemptionRule.NODE_LOST), "", now, out)
        elif isinstance(event, NodeRetire):
            pool.nodes.member &= ~pool.nodes.bit[node]
            self._stale = True
        pool.changed = True

    def _find_anew(self, now: int, out: Out) -> None:
        """Brings where shapes may run up to date, after nodes have come or gone for good."""
        self._stale = False
        nodes = {name: pool.nodes for name, pool in self.pools.items()}
        self._asked.clear()
        for fit in self._forget_unused():
            fits.refresh(fit, nodes)
        for pool in self.pools.values():
            for job in [job for job in pool.queue.jobs() if job.fit.pool != pool.name]:
                pool.withdraw(job)
                self._requeue(job, now, out)

    def _forget_unused(self) -> Iterable[Fit]:
        """What nobody waits or runs with is found again when somebody asks; returns the others."""
        used = {id(job.fit) for job in self.jobs.values()}
        kept = [fit for fit in self._fits.values() if type(fit) is Fit and id(fit) in used]
        self._fits = {fit.shape: fit for fit in kept}
        self._most = max(KEPT, 2 * len(kept))
        return kept

    def tentative(self, request: Request, fit: Fit, now: int) -> Job:
        """A job as it would wait if it came now; the engine does not know it."""
        job = Job(request, self._sequence, self.pools[fit.pool], fit)
        self._expectations.expect(job)
        job.key = job.pool.order.key(job, now)
        job.group = Group((request.shape, request.team, request.user), fit, job.pool.queue)
        return job

    def _search(self, shape: Shape) -> Fit | NoFit:
        return fits.find(shape, {name: pool.nodes for name, pool in self.pools.items()})

    def _requeue(self, job: Job, now: int, out: Out) -> None:
        """Lets a job wait in the pool that can hold it now, or refuses it."""
        if job.fit.tiers:
            job.pool = self.pools[job.fit.pool]
            job.pool.wait(job, now)
            return
        del self.jobs[job.request.id]
        self._expectations.remove(job)
        found = self._search(job.request.shape)
        if isinstance(found, NoFit):
            out.append(Refuse(job.request.id, found.reason, found.message))


def _holds(job: Job, node: int) -> bool:
    return any(part.node == node for part in job.slices)
