"""Why something waits: exactly one reason, what binds, what would help, and when it will start.

The first reason that applies dominates: it can never run here, its team's quota, what it needs is
not free, others go first.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from scheduler_service.domain.resources import WHOLE, ResourceType
from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.fits import wanted
from scheduler_service.domain.scheduling.forecast import Forecast, View, forecast
from scheduler_service.domain.scheduling.pool import Pool
from scheduler_service.domain.scheduling.positions import position
from scheduler_service.domain.scheduling.queue import Group
from scheduler_service.domain.scheduling.requests import Job
from scheduler_service.domain.scheduling.reservation import blockers
from scheduler_service.domain.scheduling.steps import Steps, finished

Forecasts: TypeAlias = dict[str, tuple[Forecast, Forecast]]
"""By pool: with the durations that are expected, and with late ones."""

_NAMED = 10


class ReasonKind(enum.StrEnum):
    """Kinds of reason, the dominant first."""

    UNKNOWN = "unknown"
    NOT_WAITING = "not_waiting"
    MISCONFIGURED = "misconfigured"
    EXCEEDS_POOL = "exceeds_pool"
    QUOTA = "quota"
    RESOURCES = "resources"
    PRIORITY = "priority"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a workload waits.

    Attributes:
        message: the reason in one sentence.
        position: place in the queue of its pool, from 1; 0 when it does not wait.
        constraint: what binds, such as "gpu:A100" or "team quota".
        remedy: the smallest change that would start it now; empty means unknown.
        blocking: workloads whose end or absence would start it, the soonest first.
        frees: when the last of these is expected to end; None means unknown.
        earliest: earliest predicted start; None means unknown. So does ``latest``.
    """

    id: str
    kind: ReasonKind
    message: str
    position: int = 0
    queue_length: int = 0
    pool: str = ""
    constraint: str = ""
    remedy: str = ""
    blocking: tuple[str, ...] = ()
    frees: int | None = None
    earliest: int | None = None
    latest: int | None = None


def explain(engine: Engine, job_id: str, now: int) -> Explanation | None:
    """Why a workload waits, without a break; None when the engine does not know it."""
    return next(iter(finished(explain_all(engine, [job_id], now))), None)


def explain_all(
    engine: Engine, job_ids: Iterable[str], now: int, forecasts: Forecasts | None = None
) -> Steps[list[Explanation]]:
    """Why workloads wait, in the order of the ids; those that are not known are left out.

    Costs two forecasts of each pool concerned, however many workloads are asked for, unless they
    are among ``forecasts``; those that are made are put there.
    """
    forecasts = {} if forecasts is None else forecasts
    reasons: dict[Group, Explanation] = {}
    found: list[Explanation] = []
    for job in (engine.jobs.get(it) for it in job_ids):
        if job is not None:
            found.append(_reason(job, now, reasons))
            yield
    waiting = dict.fromkeys(it.pool for it in found if it.position)
    view = View()
    for name in [it for it in waiting if it not in forecasts]:
        seen = view.of(engine.pools[name])
        soon = yield from forecast(seen, now)
        late = yield from forecast(seen, now, late=True)
        forecasts[name] = soon, late
    return [foreseen(it, *forecasts[it.pool]) if it.position else it for it in found]


def reason_now(job: Job, now: int) -> Explanation:
    """Why a workload waits, or one that was not submitted yet would, without any prediction."""
    return _reason(job, now, {})


def foreseen(reason: Explanation, soon: Forecast, late: Forecast) -> Explanation:
    """A reason with the predicted start."""
    start, start_late = soon.starts.get(reason.id), late.starts.get(reason.id)
    if start_late is None:
        return reason
    return replace(reason, earliest=start, latest=None if start is None else max(start, start_late))


def _reason(job: Job, now: int, reasons: dict[Group, Explanation]) -> Explanation:
    group, pool = job.group, job.pool
    if group is None:
        return Explanation(job.request.id, ReasonKind.NOT_WAITING, "It runs.", pool=pool.name)
    # What waits together has one reason, and finding it is dear.
    reason = reasons.get(group) or _over_quota(job, pool, group)
    reason = reason or _not_free(job, pool, group, now)
    if reason is not None:
        reasons[group] = reason
    else:
        reason = _others_first(job, pool, group)
    return replace(
        reason,
        id=job.request.id,
        position=position(pool, job, now),
        queue_length=pool.queue.size,
        pool=pool.name,
    )


def _over_quota(job: Job, pool: Pool, group: Group) -> Explanation | None:
    shares, shape = pool.shares, group.shape
    over = 0 if shares is None else shares.over(group.team, shape)
    if shares is None or over <= 0:
        return None
    kind = shape.resource_type
    quota = shares.quota(group.team, kind)
    held = shares.held.get((group.team, kind), 0)
    unit = str(kind).upper()
    name = f"team {group.team}" if group.team else "work without a team"
    own = [run for run in pool.running.values() if run.request.team == group.team]
    return Explanation(
        job.request.id,
        ReasonKind.QUOTA,
        f"needs {_amount(shape.total_milli)} {unit}; {name} holds {_amount(held)} of its "
        f"{_amount(quota.nominal)} and may borrow {_amount(quota.borrow or 0)}",
        constraint="team quota",
        remedy=f"{_amount(over)} more {unit} for {name} in {pool.name}",
        blocking=_soonest(own),
    )


def _not_free(job: Job, pool: Pool, group: Group, now: int) -> Explanation | None:
    if pool.find(group) is not None:
        return None
    shape = group.shape
    constraint, lacking = _binding(pool, group)
    free, remedy = _free_and_lacking(pool, group)
    if lacking:
        free, remedy = lacking, f"{lacking} less, or more of it, on a node of {pool.name}"
    waits_for = blockers(pool, job, now)
    return Explanation(
        job.request.id,
        ReasonKind.RESOURCES,
        f"needs {wanted(shape)}; {free}",
        constraint=constraint,
        remedy=remedy,
        blocking=waits_for.runs[:_NAMED],
        frees=waits_for.at,
    )


def _others_first(job: Job, pool: Pool, group: Group) -> Explanation:
    first = pool.holds.held_from(job)
    if first is None:
        first = pool.queue.heads[0][2] if pool.queue.heads else job
    name = first.request.id
    message = f"{name} goes first" if first is not job else "its turn comes with the next change"
    return Explanation(
        job.request.id,
        ReasonKind.PRIORITY,
        f"needs {wanted(group.shape)}, which is free; {message}",
        constraint="order",
        remedy=f"the start of {name}" if first is not job else "",
        blocking=(name,) if first is not job else (),
    )


def _binding(pool: Pool, group: Group) -> tuple[str, str]:
    """What binds, and what lacks beside devices, in words."""
    shape, nodes = group.shape, pool.nodes
    model = " or ".join(shape.models) or str(shape.resource_type).upper()
    enough = nodes.candidates(shape, group.fit.usable & nodes.open)
    if shape.split or enough.bit_count() < shape.nodes or shape.resource_type is ResourceType.CPU:
        return (f"{shape.resource_type}:{model}" if shape.devices else "cpu"), ""
    short = [node for node in range(len(nodes.specs)) if enough & nodes.bit[node]]
    if all(nodes.cpu[node] < shape.cpu for node in short):
        return "cpu", "cores are not free beside the devices"
    return "memory", "memory is not free beside the devices"


def _free_and_lacking(pool: Pool, group: Group) -> tuple[str, str]:
    """What is free, and the least that would have to be added, in words."""
    shape, nodes = group.shape, pool.nodes
    usable = group.fit.usable & nodes.open
    model = " or ".join(shape.models) or str(shape.resource_type).upper()
    numbers = [node for node in range(len(nodes.specs)) if usable & nodes.bit[node]]
    if shape.nodes > 1:
        able = sum(1 for _ in nodes.fitting(shape, usable))
        more = shape.nodes - able
        node = "node" if more == 1 else "nodes"
        return f"{able} nodes have that free", f"{more} more {node} with that in {pool.name}"
    if not shape.devices:
        most = max((nodes.cpu[node] for node in numbers), default=0)
        short = _amount(shape.cpu - most)
        return f"{_amount(most)} cores free on one node", f"{short} more cores in {pool.name}"
    if shape.milli < WHOLE:
        most = max((max(nodes.shared[it].values(), default=0) for it in numbers), default=0)
    elif shape.split:
        most = WHOLE * sum(nodes.whole[node] for node in numbers)
    else:
        most = WHOLE * max((nodes.whole[node] for node in numbers), default=0)
    where = "" if shape.split or shape.milli < WHOLE else " on one node"
    more_milli = shape.devices * shape.milli - most
    return (
        f"{_amount(most)} free{where}",
        f"{_amount(max(more_milli, 1))} more {model} in {pool.name}",
    )


def _soonest(runs: Iterable[Job]) -> tuple[str, ...]:
    ordered = sorted(runs, key=lambda run: (run.expected is None, run.since, run.sequence))
    return tuple(run.request.id for run in ordered[:_NAMED])


def _amount(milli: int) -> str:
    """Thousandths as people write them."""
    return f"{milli / 1000:g}"
