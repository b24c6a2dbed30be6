"""A trace through the whole system, whose processes are killed one after the other meanwhile."""

import random
import sys
from collections.abc import Sequence

import pytest

from bench.cluster import Cluster
from bench.replay.faults import ORDER
from bench.replay.outcome import Outcome
from bench.replay.run import Replay
from bench.replay.trace import TraceJob
from bench.systems import Make, running
from local.layout import Name

SPEED = 1_000.0
JOBS = 200
CLUSTERS = ("vision", "speech", "search")
HASTY = (sys.executable, "-m", "tests.system.hasty_job_service")


def generated(seed: int, jobs: int) -> list[TraceJob]:
    """Makes a trace: most jobs small and short, some on several nodes, more than fit at once.

    Most run shorter than their users expect and get hours back; a few are stopped.
    """
    chance = random.Random(seed)
    submits = sorted(chance.uniform(0.0, 25.0 * jobs) for _ in range(jobs))
    shapes = [(1, 1)] * 8 + [(1, 2), (1, 4), (1, 8), (2, 8)]
    jobs_made = []
    for index, submit_s in enumerate(submits):
        duration_s = 10.0 + round(chance.lognormvariate(5.5, 1.0), 1)
        estimate_s = round(duration_s * chance.uniform(0.9, 2.0), 1)
        place = (*chance.choice(shapes), chance.choice(CLUSTERS))
        jobs_made.append(TraceJob(index, submit_s, duration_s, estimate_s, *place))
    return jobs_made


async def replayed(
    make: Make,
    jobs: Sequence[TraceJob],
    kill: Sequence[Name],
    program: Sequence[str] | None = None,
) -> tuple[Replay, Outcome]:
    """Replays on a small cluster, with `program` as job_service if there is one."""
    programs: dict[Name, Sequence[str]] = {"job_service": program} if program else {}
    cluster = Cluster(nodes=4, speed=SPEED)
    with running(make, auto_approve=True, cluster=cluster, programs=programs) as system:
        replay = Replay(system, jobs, SPEED, kill=kill, patience_s=60.0)
        return replay, await replay.run()


@pytest.mark.parametrize("make", ["sqlite", "postgres"])
async def test_killed_in_turn(make: Make) -> None:
    """No job is lost, doubled or stuck, every end is streamed, and every GPU-second accounted."""
    replay, outcome = await replayed(make, generated(1, JOBS), ORDER)
    assert list(ORDER) == replay.killed
    assert replay.retries > 0, "nobody was in the way of the kills"
    assert replay.resumed > 0
    assert (JOBS, JOBS) == (outcome.submitted, outcome.ended), outcome
    assert (0, 0, 0) == (outcome.lost, outcome.doubled, outcome.unseen), outcome
    assert 0 == outcome.ledger.difference, outcome
    assert outcome.ledger.refunded > 0
    assert {"COMPLETED", "FAILED"} == outcome.states.keys(), "too few kinds of end"
    assert outcome.is_clean


async def test_sabotaged_twin() -> None:
    """A job_service that acknowledges before its commit does not get past the same check."""
    _, outcome = await replayed("sqlite", generated(2, 60), ["job_service"], HASTY)
    assert outcome.lost > 0, outcome
    assert not outcome.is_clean
