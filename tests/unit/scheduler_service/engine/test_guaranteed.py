"""When runs come to the end of their guaranteed time, and what is kept to know it."""

from scheduler_service.domain.preemption.guaranteed import Guaranteed
from scheduler_service.domain.scheduling.policy import PreemptionRules
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.requests import SECOND, Job
from tests.unit.scheduler_service.engine.cluster import Cluster


def cluster() -> tuple[Cluster, Pool]:
    """A node on which everybody is left a minute, and its pool."""
    told = Cluster(preemption=PreemptionRules(by_priority=True, minimum_runtime=60 * SECOND))
    return told, next(iter(told.engine.pools.values()))


def by_priority(run: Job) -> int:
    """Its sort."""
    return run.request.priority


def test_the_soonest_of_the_wanted_counts() -> None:
    """Of what still runs, and is of a sort that is asked for."""
    told, pool = cluster()
    guaranteed = Guaranteed(pool, by_priority)
    for number in range(3):
        told.submit(f"run{number}", priority=number % 2, at=number)
    assert guaranteed.next(2 * SECOND, lambda _: True) == 60 * SECOND
    assert guaranteed.next(2 * SECOND, (1).__eq__) == 61 * SECOND
    told.finish("run0", at=3)
    assert guaranteed.next(3 * SECOND, (0).__eq__) == 62 * SECOND
    assert guaranteed.next(63 * SECOND, lambda _: True) is None


def test_runs_of_a_sort_that_nobody_asks_for_take_no_room_when_they_are_over() -> None:
    """However many there were; what goes on is still known when somebody asks."""
    told, pool = cluster()
    guaranteed = Guaranteed(pool, by_priority)
    told.submit("goes on", priority=9)
    for number in range(3_000):
        told.submit("ends", priority=number % 5 + 1, at=number // 1_000)
        assert guaranteed.next(told.now * SECOND, (0).__eq__) is None
        told.finish("ends")
    assert len(guaranteed) < 1_100
    assert guaranteed.next(told.now * SECOND, (9).__eq__) == 60 * SECOND


def test_what_runs_takes_as_much_room_as_there_is_of_it() -> None:
    """Nothing of it is forgotten, be it asked for or not."""
    told, pool = cluster()
    guaranteed = Guaranteed(pool, by_priority)
    for number in range(8):
        told.submit(f"run{number}", priority=number)
    assert guaranteed.next(0, (0).__eq__) == 60 * SECOND
    assert len(guaranteed) == 8
