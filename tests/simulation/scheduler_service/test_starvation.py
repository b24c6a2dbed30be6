"""Nobody waits for ever: what has aged starts within the longest run of those before it."""

import heapq
from random import Random

import pytest

from scheduler_service.domain.scheduling.decisions import Start
from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.events import Event, Finish, NodeSpec, NodeUp, Submit
from scheduler_service.domain.scheduling.policy import FairShare, HeadRule, Policy
from scheduler_service.domain.scheduling.requests import SECOND, Request, Shape

AGEING = 3_600 * SECOND
LONGEST = 600 * SECOND
NODES, DEVICES = 4, 8
LARGE = (Shape(devices=8), Shape(devices=8, nodes=2), Shape(devices=5, nodes=4))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("head", [HeadRule.SKIP, HeadRule.BACKFILL])
@pytest.mark.parametrize("fair", [False, True])
def test_a_stream_of_small_work_does_not_starve_large_work(
    seed: int, head: HeadRule, fair: bool
) -> None:
    """A job waits at most the ageing bound and one longest run for each that aged before it.

    More small work than the nodes can hold arrives all the time, smallest first, so that without
    ageing the large jobs would wait until it ends.
    """
    random = Random(seed)
    policy = Policy(
        order=("ssf",),
        head=head,
        placement="first_fit",
        ageing=AGEING,
        fair_share=FairShare(enabled=fair),
    )
    arrivals = sorted([*_small(random), *_large(random)], key=lambda it: it[0].submitted)
    waits = _play(Engine(policy), arrivals)
    large = [request for request, _ in arrivals if request.id.startswith("large")]
    for before, request in enumerate(large):
        assert waits[request.id] <= AGEING + (before + 1) * LONGEST, request.id
    assert max(waits[request.id] for request in large) > AGEING, "nothing had to age"


def _small(random: Random) -> list[tuple[Request, int]]:
    # 1.2 times as much as 32 devices can do in the mean, for six hours.
    every = int(0.65 * LONGEST / (1.2 * NODES * DEVICES))
    shape = Shape(devices=1)
    return [
        (_request(f"small{at}", shape, at, duration), duration)
        for at in range(0, 6 * 3_600 * SECOND, every)
        if (duration := random.randrange(LONGEST * 3 // 10, LONGEST))
    ]


def _large(random: Random) -> list[tuple[Request, int]]:
    return [
        (_request(f"large{number}", random.choice(LARGE), at, LONGEST), LONGEST)
        for number, at in enumerate(range(LONGEST, 5 * LONGEST, LONGEST))
    ]


def _request(job_id: str, shape: Shape, at: int, duration: int) -> Request:
    return Request(job_id, shape, at, estimate=duration)


def _play(engine: Engine, arrivals: list[tuple[Request, int]]) -> dict[str, int]:
    """Lets everything arrive and end in virtual time; returns how long each waited."""
    engine.step(0, [NodeUp(NodeSpec(f"n{number}", devices=DEVICES)) for number in range(NODES)])
    durations = {request.id: duration for request, duration in arrivals}
    submitted = {request.id: request.submitted for request, _ in arrivals}
    ends: list[tuple[int, str]] = []
    waits: dict[str, int] = {}
    coming = iter([*arrivals, None])
    following = next(coming)
    while following or ends:
        events: list[Event] = []
        if following and (not ends or following[0].submitted <= ends[0][0]):
            now = following[0].submitted
            events.append(Submit(following[0]))
            following = next(coming)
        else:
            now, job_id = heapq.heappop(ends)
            events.append(Finish(job_id))
        for decision in engine.step(now, events):
            assert isinstance(decision, Start)
            waits[decision.id] = now - submitted[decision.id]
            heapq.heappush(ends, (now + durations[decision.id], decision.id))
    return waits
