"""What the order would rather run stops what runs.

With ``las`` or ``las_levels`` this is least attained service as in Tiresias (Gu et al., NSDI 2019,
section 3), with ``sjf`` and ``ssf`` it is SRTF and SRSF, which Muri builds upon (Zhao et al.,
SIGCOMM 2022, section 4).

A job stops those that the first term of the order puts behind it. Terms after the first only decide
between equals, and stopping for them would be thrashing, but for one case: work that needs whole
nodes. Single devices come free all the time; whole nodes come free by chance only, or by stopping
the small work that lies scattered over them and goes on elsewhere. Jobs of at least
``whole_nodes_from`` devices (the rules' option, 8 without it) therefore stop whatever comes later
in the order at all.
"""

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from scheduler_service.domain.preemption.room import cheapest_room
from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.decisions import PreemptionRule
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.protocols import Victim
from scheduler_service.domain.scheduling.requests import SECOND, Job, Key

GRAIN = 60 * SECOND
"""The pool is woken at multiples of this: what becomes stoppable within one is stopped at its end,
so that a busy pool is planned once a minute for it and not once for every run."""

DEVICES = 8
"""Jobs of at least so many need whole nodes."""

SLACK = 100


class _Run(NamedTuple):
    """A run that has had its guaranteed time, and its place in the order until a time, or always.

    Attributes:
        starts: which of the job's runs it is.
    """

    job: Job
    starts: int
    key: Key
    until: int | None

    @property
    def lasts(self) -> bool:
        """Whether it still runs."""
        return bool(self.job.slices) and self.job.starts == self.starts


class ByOrder:
    """Implements ``Preemption``; keeps track of what could be stopped in one pool.

    Every run is looked at when its guaranteed time ends, and again whenever its key changes if its
    order says when (``stays``). Who could be stopped then costs a comparison for each, and no key.
    """

    def __init__(self, whole_nodes_from: int = DEVICES) -> None:
        self._whole = whole_nodes_from * WHOLE
        self._due: list[tuple[int, int, int, Job]] = []
        self._seen: dict[str, int] = {}
        self._ripe: dict[str, _Run] = {}

    def victims(self, pool: Pool, job: Job, now: int) -> Sequence[Victim]:
        """Those that come later in the order, the least work lost."""
        self._update(pool, now)
        later = [run for run in self._later(pool, job, now) if pool.may_stop(run, now)]
        if not later or not _enough(pool, job, later):
            return ()
        room = cheapest_room(pool, job, later, now)
        return [Victim(run, PreemptionRule.ORDER) for run in room]

    def wake(self, pool: Pool, job: Job, now: int) -> int | None:
        """When the next run becomes stoppable or changes its place, to the next minute."""
        due = self._due
        while due and not _valid(due[0]):
            heappop(due)
        return -(-max(due[0][0], now + 1) // GRAIN) * GRAIN if due else None

    def _update(self, pool: Pool, now: int) -> None:
        """Takes in what started since the last look, and what has become due."""
        least, seen, due = pool.policy.preemption.minimum_runtime, self._seen, self._due
        for name, run in reversed(pool.running.items()):
            if seen.get(name) == run.starts:
                break
            seen[name] = run.starts
            heappush(due, (run.since + least, run.sequence, run.starts, run))
        while due and due[0][0] <= now:
            entry = heappop(due)
            if _valid(entry):
                self._place(pool, entry[3], now)
        if len(seen) > 2 * len(pool.running) + SLACK:
            self._seen = {name: run.starts for name, run in pool.running.items()}
            self._ripe = {name: run for name, run in self._ripe.items() if run.lasts}

    def _place(self, pool: Pool, run: Job, now: int) -> None:
        stays = getattr(pool.order, "stays", None)
        until = stays(run, now) if stays else now
        key = pool.order.key(run, now)
        self._ripe[run.request.id] = _Run(run, run.starts, key, until)
        if until is not None and until > now:
            heappush(self._due, (until, run.sequence, run.starts, run))

    def _later(self, pool: Pool, job: Job, now: int) -> Iterator[Job]:
        """What has had its guaranteed time and comes later in the order than a job."""
        whole = job.request.shape.total_milli >= self._whole
        terms = None if whole else pool.ranks_before_shares + 1
        mine = _first_terms(job.key, terms)
        for ripe in self._ripe.values():
            run, _, key, until = ripe
            if ripe.lasts:
                if until is not None and until <= now:
                    key = pool.order.key(run, now)
                theirs = _first_terms(key, terms)
                if mine < theirs or (whole and mine == theirs and job.sequence < run.sequence):
                    yield run


def _first_terms(key: Key, terms: int | None) -> Key:
    """The part of a key that decides."""
    return key[:terms] if isinstance(key, tuple) else key


def _valid(entry: tuple[int, int, int, Job]) -> bool:
    """Whether the run that an entry was made for still runs."""
    _, _, starts, run = entry
    return bool(run.slices) and run.starts == starts


def _enough(pool: Pool, job: Job, runs: Iterable[Job]) -> bool:
    """Whether stopping all of some runs could be enough; False is certain, True is not."""
    nodes, shape = pool.nodes, job.request.shape
    usable = job.fit.usable & nodes.open & ~pool.excluded(job)
    gain: dict[int, int] = {}
    for run in runs:
        for part in run.slices:
            if usable & nodes.bit[part.node]:
                freed = part.devices.bit_count() * part.milli
                gain[part.node] = gain.get(part.node, 0) + freed
    need = shape.devices * shape.milli
    if shape.split:
        idle = sum(
            count * WHOLE * (bucket & usable).bit_count()
            for count, bucket in enumerate(nodes.buckets)
        )
        return idle + sum(gain.values()) >= need
    enough = sum(1 for node, freed in gain.items() if _free(pool, node) + freed >= need)
    if shape.nodes > 1:
        enough += nodes.candidates(shape, usable).bit_count()
    return enough >= shape.nodes


def _free(pool: Pool, node: int) -> int:
    return WHOLE * pool.nodes.whole[node] + sum(pool.nodes.shared[node].values())
