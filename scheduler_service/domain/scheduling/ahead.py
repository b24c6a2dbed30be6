"""The nodes of a pool as they will be when what runs has ended, run by run."""

from bisect import bisect_left
from itertools import islice

from scheduler_service.domain.placement.gangs import largest
from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.queue import Group
from scheduler_service.domain.scheduling.requests import Job, Slices


class Ahead:
    """Lets runs end, the soonest first, on the nodes themselves; ``close`` takes it all back."""

    def __init__(self, pool: Pool, group: Group, closed: int, now: int) -> None:
        """Looks ahead for a group whose first fits nowhere now, on nodes that are not closed."""
        self._pool = pool
        self._group = group
        self._closed = closed
        self._now = now
        self._ends = iter(pool.running.next_ends(now))
        self._runs: list[tuple[int, int, Job]] = []
        self._gone = 0
        self._counts = pool.nodes.freed, pool.nodes.taken

    def first_fit(self) -> int | None:
        """After how many ends the group's first fits; None: not even when all have ended.

        What fits goes on fitting when more has ended. So more and more ends are tried, beginning
        with as many as it takes at least, and then those between the last two numbers.
        """
        self._read_to_least()
        stride, too_few = 1, len(self._runs) - 1
        while True:
            most = len(self._runs)
            if self._fits_after(most):
                counts = range(most + 1)
                return bisect_left(counts, True, lo=too_few + 1, hi=most, key=self._fits_after)
            self._runs += islice(self._ends, stride)
            if len(self._runs) == most:
                return None
            stride, too_few = 2 * stride, most

    def turn_to(self, count: int) -> int:
        """Lets so many of the runs have ended; returns when the last of them will have."""
        nodes, gone = self._pool.nodes, self._gone
        for _, _, run in self._runs[gone:count]:
            nodes.give(run.slices, run.request.shape)
        for _, _, run in self._runs[count:gone]:
            nodes.take(run.slices, run.request.shape)
        self._gone = count
        return self._runs[count - 1][0] if count else self._now

    def find(self) -> Slices | None:
        """Where the group's first fits then."""
        return self._pool.find(self._group, self._closed)

    def close(self) -> None:
        """Leaves the nodes as they were."""
        self.turn_to(0)
        self._pool.nodes.freed, self._pool.nodes.taken = self._counts

    def _fits_after(self, count: int) -> bool:
        self.turn_to(count)
        return self.find() is not None

    def _read_to_least(self) -> None:
        """Reads ends until enough nodes may have enough devices; that costs far less than to try.

        The end of a share counts as if all of its device came free.
        """
        nodes = self._pool.nodes
        usable = self._group.fit.usable & nodes.open & ~self._closed
        need, lacking = self._least(usable)
        lacking -= sum((bucket & usable).bit_count() for bucket in nodes.buckets[need:])
        member = usable.to_bytes(len(nodes.specs) // 8 + 1, "little")
        idle: dict[int, int] = {}
        while lacking > 0 and (entry := next(self._ends, None)):
            self._runs.append(entry)
            for node, devices, _ in entry[2].slices:
                before = idle.get(node, nodes.whole[node])
                after = idle[node] = before + devices.bit_count()
                if before < need <= after and member[node >> 3] >> (node & 7) & 1:
                    lacking -= 1

    def _least(self, usable: int) -> tuple[int, int]:
        """Idle devices that a node needs at least, and how many such nodes it takes at least."""
        shape = self._group.shape
        if shape.milli < WHOLE:
            return 0, 0
        if not shape.split:
            return shape.devices, shape.nodes
        tiers = (tier & usable for tier in self._group.fit.tiers)
        sizes = [largest(self._pool.nodes, tier) for tier in tiers if tier] or [1]
        return min(shape.devices, *sizes), max(shape.devices // max(sizes), 1)
