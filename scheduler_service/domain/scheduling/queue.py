"""What waits in one pool, in order, grouped so that what cannot start is passed over together."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

from sortedcontainers import SortedList

from scheduler_service.domain.scheduling.requests import Job, Key, Shape

if TYPE_CHECKING:
    from scheduler_service.domain.scheduling.fits import Fit

Entry: TypeAlias = tuple[Key, int, Job]
"""A job in the order: its key, the number of its arrival, and itself."""

GroupKey: TypeAlias = tuple[Shape, str, str]


class Group:
    """Waiting jobs that fit or do not fit alike: one shape and, where quotas count, one team.

    Attributes:
        queue: where they wait.
        account: whose use counts for their rank, a team and a user.
        waiting: entries in order.
        blocked: the pool's count of freed room when the first of them was last found not to fit;
            -1 when that is not known.
    """

    __slots__ = ("account", "blocked", "fit", "key", "queue", "shape", "team", "user", "waiting")

    def __init__(self, key: GroupKey, fit: "Fit", queue: "Queue") -> None:
        self.queue = queue
        self.key = key
        self.shape, self.team, self.user = key
        self.account = key[1:]
        self.fit = fit
        self.waiting: SortedList = SortedList()
        self.blocked = -1


class Queue:
    """The groups of one pool.

    Attributes:
        heads: the first entry of every group, in order.
        size: how many wait.
    """

    __slots__ = ("groups", "heads", "size")

    def __init__(self) -> None:
        self.groups: dict[GroupKey, Group] = {}
        self.heads: list[Entry] = []
        self.size = 0

    def group(self, shape: Shape, team: str, user: str, fit: "Fit") -> Group:
        """The group of a shape, team and user; a new one if nobody of it waits."""
        key = (shape, team, user)
        return self.groups.get(key) or Group(key, fit, self)

    def group_of_shape(self, fit: "Fit") -> Group:
        """The group of all who ask for a shape, whoever they are; kept when nobody waits."""
        group = fit.group
        if group is None or group.queue is not self:
            group = fit.group = Group((fit.shape, "", ""), fit, self)
        return group

    def add(self, job: Job, group: Group) -> bool:
        """Puts a job with its key in its place; says whether it is the first of its group."""
        entry = (job.key, job.sequence, job)
        waiting = group.waiting
        job.group = group
        self.size += 1
        if not waiting:
            self.groups[group.key] = group
        elif entry < waiting[0]:
            self._drop_head(waiting[0])
        else:
            waiting.add(entry)
            return False
        waiting.add(entry)
        insort(self.heads, entry)
        return True

    def remove(self, job: Job) -> bool:
        """Takes a waiting job out; says whether it was the first of its group."""
        group = job.group
        if group is None:
            raise ValueError(f"{job.request.id} does not wait")
        entry = (job.key, job.sequence, job)
        waiting = group.waiting
        job.group = None
        self.size -= 1
        if waiting[0][2] is not job:
            waiting.remove(entry)
            return False
        del waiting[0]
        self._drop_head(entry)
        if waiting:
            insort(self.heads, waiting[0])
        else:
            del self.groups[group.key]
        return True

    def position(self, job: Job) -> int:
        """How many stand before a waiting job, and one."""
        entry = (job.key, job.sequence, job)
        before: int = sum(group.waiting.bisect_left(entry) for group in self.groups.values())
        return before + 1

    def jobs(self) -> Iterator[Job]:
        """All that wait, group by group."""
        for group in self.groups.values():
            for _, _, job in group.waiting:
                yield job

    def _drop_head(self, entry: Entry) -> None:
        del self.heads[bisect_left(self.heads, entry)]
