"""Philly's virtual clusters (Jeon et al., ATC'19) as teams that share 98 x 8 GPUs.

Each team owns whole nodes in proportion to the GPU time that its jobs of the month need, but enough
for its largest job. Three times the same month, first come first served within what fits, durations
unknown:

- isolated: each team alone on its own nodes, and without ageing, which would only hurt where
  everything waits for days;
- borrow: one pool, everybody uses what is idle, and nobody gives anything back before it ends;
- reclaim: the same, but a team that is below its own stops runs that others have beyond theirs,
  once they have run for ten minutes, at a cost of 60 s of their work each.

No team may wait longer than alone on its nodes. Fairness is Jain's index over the satisfaction of
teams: the part of the time that they wanted devices in which they had them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from bench.gates.check import AtMost, Check, Reported
from scheduler_service.domain.resources import WHOLE
from scheduler_service.domain.scheduling.policy import (
    DAY,
    HeadRule,
    Policy,
    PreemptionRules,
    TeamQuota,
)
from scheduler_service.domain.scheduling.requests import SECOND
from scheduler_service.simulate import inventory
from scheduler_service.simulate.loop import simulate
from scheduler_service.simulate.metrics import jain, measure, satisfaction
from scheduler_service.simulate.outcome import Outcome
from scheduler_service.simulate.trace import philly
from scheduler_service.simulate.trace.trace import Durations, Trace

TRACE = Path("philly/october.csv")
NODES = 98
DEVICES = 8
ALONE = Policy(order=("fifo",), head=HeadRule.SKIP, placement="consolidate", ageing=0)
RECLAIM = PreemptionRules(
    by_reclaim=True, minimum_runtime=600 * SECOND, cost=60 * SECOND, per_job_and_day=24
)


class Waits(NamedTuple):
    """Of each job of a team: seconds to its first start, and seconds without progress in all."""

    queue: list[float]
    wait: list[float]


def checks(data: Path) -> Iterator[Check]:
    """Simulates the month alone, borrowing and reclaiming."""
    trace = philly.read(data / TRACE)
    trace.traits = [traits._replace(preemptible=True) for traits in trace.traits]
    owned = owned_nodes(trace, NODES)
    alone, satisfied = isolated(trace, owned)
    yield from _figures("isolated", alone)
    yield Check("sharing_isolated_jain", jain(satisfied.values()), Reported())
    quotas = tuple(TeamQuota(team, n * DEVICES * WHOLE) for team, n in owned.items())
    borrowing = replace(ALONE, quotas=quotas, ageing=2 * DAY)
    yield from _shared("borrow", trace, borrowing, alone)
    yield from _shared("reclaim", trace, replace(borrowing, preemption=RECLAIM), alone)


def owned_nodes(trace: Trace, nodes: int) -> dict[str, int]:
    """How many nodes each team owns.

    Each team begins with what its largest job needs; every next node goes to whom has the most
    demand for each node that it owns. Of the usual rules of apportionment this one, Adams's, is
    the kindest to small teams, and so to isolation: rounding down would leave some of them with
    less than they need.
    """
    demand, owned = dict[str, int](), dict[str, int]()
    for job in range(len(trace)):
        team = trace.traits[trace.traits_of[job]].team
        devices = trace.shapes[trace.shape_of[job]].total_milli // WHOLE
        demand[team] = demand.get(team, 0) + trace.service(job)
        owned[team] = max(owned.get(team, 1), -(-devices // DEVICES))
    while sum(owned.values()) < nodes:
        team = max(demand, key=lambda team: (demand[team] / owned[team], team))
        owned[team] += 1
    return dict(sorted(owned.items()))


def isolated(trace: Trace, owned: dict[str, int]) -> tuple[dict[str, Waits], dict[str, float]]:
    """Every team alone on its nodes: what its jobs wait, and how satisfied it is."""
    waiting: dict[str, Waits] = {}
    satisfied: dict[str, float] = {}
    for team, nodes in owned.items():
        part = trace.of_team(team)
        outcome = _run(part, nodes, ALONE)
        waiting |= waits(part, outcome)
        satisfied |= satisfaction(part, outcome)
    return waiting, satisfied


def waits(trace: Trace, outcome: Outcome) -> dict[str, Waits]:
    """What the jobs of each team wait."""
    teams: dict[str, Waits] = {}
    for job, submitted in enumerate(trace.submits):
        mine = teams.setdefault(trace.traits[trace.traits_of[job]].team, Waits([], []))
        mine.queue.append((outcome.first_starts[job] - submitted) / SECOND)
        mine.wait.append((outcome.ends[job] - submitted - trace.durations[job]) / SECOND)
    return dict(sorted(teams.items()))


def _shared(name: str, trace: Trace, policy: Policy, alone: dict[str, Waits]) -> Iterator[Check]:
    outcome = _run(trace, NODES, policy)
    figures, teams = measure(trace, outcome), waits(trace, outcome)
    yield from _figures(name, teams)
    worse = [team for team in teams if fmean(teams[team].wait) > fmean(alone[team].wait)]
    yield Check(f"sharing_{name}_teams_worse_than_isolated", len(worse), AtMost(0))
    yield Check(f"sharing_{name}_jain", figures.fairness, Reported())
    yield Check(f"sharing_{name}_longest_wait", figures.wait.longest, Reported(), "s")
    yield Check(f"sharing_{name}_preemptions", figures.preemptions, Reported())
    yield Check(f"sharing_{name}_lost", figures.lost_gpu_hours, Reported(), "GPU-hours")


def _figures(name: str, teams: dict[str, Waits]) -> Iterator[Check]:
    yield Check(f"sharing_{name}_queue", _mean(it.queue for it in teams.values()), Reported(), "s")
    yield Check(f"sharing_{name}_wait", _mean(it.wait for it in teams.values()), Reported(), "s")
    for team, mine in teams.items():
        yield Check(f"sharing_{name}_wait_{team}", fmean(mine.wait), Reported(), "s")


def _mean(teams: Iterable[list[float]]) -> float:
    return fmean(value for values in teams for value in values)


def _run(trace: Trace, nodes: int, policy: Policy) -> Outcome:
    inventory_of = inventory.parse(f"{nodes}x{DEVICES}")
    return simulate(trace, inventory_of, policy, durations=Durations.UNKNOWN)
