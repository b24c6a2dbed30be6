"""How often jobs were stopped within a day, and how much of it is kept."""

from scheduler_service.domain.scheduling.policy import DAY, PreemptionRules
from scheduler_service.domain.scheduling.requests import SECOND, Request, Shape
from scheduler_service.domain.scheduling.stops import Stops
from tests.unit.scheduler_service.engine.cluster import Cluster

RULES = PreemptionRules(minimum_runtime=0, per_job_and_day=2)


def attempt(number: int, job: str) -> Request:
    """A run of a job."""
    return Request(f"run{number}", Shape(), 0, job=job)


def test_jobs_that_were_stopped_long_ago_take_no_room() -> None:
    """However many they were, and though nobody says whether they come back."""
    stops = Stops()
    for number in range(20_000):
        stops.note(attempt(number, f"job{number}"), number * DAY // 100)
    assert len(stops) < 1_300


def test_one_that_is_stopped_all_the_time_takes_no_more_room() -> None:
    """Though nobody asks when it may be stopped again."""
    stops = Stops()
    for number in range(20_000):
        stops.note(attempt(number, "job"), number * DAY // 100)
    assert len(stops) < 1_300


def test_what_was_stopped_within_a_day_is_never_forgotten() -> None:
    """However many others were: the next run of the job may be stopped when the day is over."""
    stops, cluster = Stops(), Cluster()
    cluster.submit("next", job="first")
    run = cluster.engine.jobs["next"]
    stops.note(attempt(0, "first"), 1)
    stops.note(attempt(1, "first"), 2)
    for number in range(10_000):
        stops.note(attempt(number, f"job{number}"), DAY // 2)
    assert len(stops) == 10_002
    assert stops.stoppable_at(run, RULES, DAY // 2) == 1 + DAY
    for number in range(12_000):
        stops.note(attempt(number, f"late{number}"), 2 * DAY)
    assert len(stops) == 12_000
    assert stops.stoppable_at(run, RULES, 2 * DAY) == 0


def test_attempts_of_jobs_that_ended_are_forgotten_a_day_later() -> None:
    """As in the service, where every attempt is a run of its own and its job has another name."""
    rules = PreemptionRules(by_priority=True, minimum_runtime=0)
    cluster = Cluster(preemption=rules)
    stops = next(iter(cluster.engine.pools.values())).stops
    for number in range(1_200):
        low, high, at = f"low{number}", f"high{number}", 1_000 * number
        cluster.submit(low, 8, preemptible=True, job=f"job{number}", at=at)
        cluster.submit(high, 8, priority=9)
        cluster.finish(high, at=at + 1)
        cluster.finish(low)
    assert 100 < len(stops) < 1_100
    assert cluster.now * SECOND > 10 * DAY
