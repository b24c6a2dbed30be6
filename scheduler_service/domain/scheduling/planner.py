"""One pool's plan: what starts now, in the policy's order, and what makes room for it."""

from heapq import heapify, heappop, heappush
from typing import TypeAlias

from scheduler_service.domain.scheduling.draining import hold_nodes
from scheduler_service.domain.scheduling.durations import remaining
from scheduler_service.domain.scheduling.policy import HeadRule
from scheduler_service.domain.scheduling.pool import Out, Pool
from scheduler_service.domain.scheduling.protocols import Preemption
from scheduler_service.domain.scheduling.queue import Entry, Group
from scheduler_service.domain.scheduling.repack import stop_all, tell_stopped
from scheduler_service.domain.scheduling.requests import Job, Key, Slices
from scheduler_service.domain.scheduling.reservation import reservation_of
from scheduler_service.domain.scheduling.shares import Shares

Turn: TypeAlias = tuple[Key, Entry, int]
"""A group's turn: its rank, its entry that is looked at, and the place of that entry in it."""


SHAPES_LOOKED_AT = 64
"""At most so many shapes are tried before their turn."""


def plan(pool: Pool, now: int, out: Out) -> None:
    """Starts what can start; costs what changed, not what waits."""
    if pool.watches_time:
        pool.let_age(now)
        hold_nodes(pool, now)
    if pool.running.ends is not None:
        pool.running.ends.put_off(now)
    pool.wake = None
    if pool.policy.preemption.repack:
        stopped = stop_all(pool, now)
        _in_order(pool, now, out)
        tell_stopped(stopped, out)
    elif pool.shares is None:
        _in_order(pool, now, out)
    else:
        _by_turns(pool, pool.shares, now, out)
    if pool.preemption is not None:
        _wake_to_age(pool)
    pool.changed = False


def _wake_to_age(pool: Pool) -> None:
    """What ages may stop others from then on; where nobody is stopped, ageing starts nothing."""
    due = pool.ageing.next()
    if due is not None and (pool.wake is None or due < pool.wake):
        pool.wake = due


def _in_order(pool: Pool, now: int, out: Out) -> None:
    heads, nodes = pool.queue.heads, pool.nodes
    head_rule, preemption = pool.policy.head, pool.preemption
    at = 0
    while at < len(heads):
        job = heads[at][2]
        group = _group(job)
        slices = None
        if group.blocked != nodes.freed:
            slices = pool.find(group, pool.excluded(job))
        if slices is None and preemption is not None:
            slices = _make_room(pool, preemption, job, now, out)
            if slices is not None:
                at = 0
        if slices is not None:
            out.append(pool.start(job, slices, now))
            continue
        group.blocked = nodes.freed
        if head_rule is HeadRule.BLOCK:
            return
        if head_rule is HeadRule.BACKFILL and not job.aged:
            turns: list[Turn] = [(0, entry, 0) for entry in heads[at + 1 :]]
            _backfill(pool, job, turns, now, out)
            return
        at += 1


def _by_turns(pool: Pool, shares: Shares, now: int, out: Out) -> None:
    """As ``_in_order``, with quotas, and with turns that change with every start."""
    nodes, preemption = pool.nodes, pool.preemption
    turns, lean = _turns(pool, shares, now), _is_lean(pool)
    waiting_teams: set[str] = set()
    while turns:
        rank, entry, _ = heappop(turns)
        job = entry[2]
        group = job.group
        if group is None:
            continue
        if group.waiting[0][2] is not job:
            entry = group.waiting[0]
            heappush(turns, (_rank(pool, shares, entry, now), entry, 0))
            continue
        current = _rank(pool, shares, entry, now)
        if current > rank:
            heappush(turns, (current, entry, 0))
            continue
        if group.team in waiting_teams or shares.over(group.team, group.shape) > 0:
            if pool.policy.head is HeadRule.BLOCK:
                waiting_teams.add(group.team)
            pool.let_go(job)
            if lean:
                # Its account's next was left out because of this one.
                turns = _turns(pool, shares, now)
            continue
        slices = None
        if group.blocked != nodes.freed and group.fit.blocked != nodes.freed:
            closed = pool.excluded(job)
            slices = pool.find(group, closed)
            if slices is None and not closed:
                group.fit.blocked = nodes.freed
        if slices is None and preemption is not None:
            slices = _make_room(pool, preemption, job, now, out)
        if slices is not None:
            out.append(pool.start(job, slices, now))
            if group.waiting:
                following = group.waiting[0]
                heappush(turns, (_rank(pool, shares, following, now), following, 0))
            continue
        group.blocked = nodes.freed
        if pool.policy.head is HeadRule.BLOCK:
            waiting_teams.add(group.team)
        elif pool.policy.head is HeadRule.BACKFILL and not job.aged:
            _backfill(pool, job, turns, now, out)
            return


def _make_room(pool: Pool, preemption: Preemption, job: Job, now: int, out: Out) -> Slices | None:
    """Stops others in favour of a job, if that is what the policy wants, and finds its place."""
    victims = preemption.victims(pool, job, now)
    if not victims:
        wake = preemption.wake(pool, job, now)
        if wake is not None and (pool.wake is None or wake < pool.wake):
            pool.wake = wake
        return None
    for victim in victims:
        pool.preempt(victim, job.request.id, now, out)
    return pool.find(_group(job), pool.excluded(job))


def _backfill(pool: Pool, first: Job, turns: list[Turn], now: int, out: Out) -> None:
    """Starts what does not delay ``first``, of those whose turn comes after it."""
    reservation = reservation_of(pool, first, now)
    bits, shares = pool.nodes.bit, pool.shares
    freed = pool.nodes.freed
    turns = [it for it in turns if freed not in _blocked(it[1])]
    heapify(turns)
    looked_at = 0
    while turns and looked_at < pool.policy.backfill_depth:
        rank, entry, place = heappop(turns)
        job = entry[2]
        group = _group(job)
        if freed in _blocked(entry):
            continue
        if shares is not None and shares.over(group.team, group.shape) > 0:
            continue
        looked_at += 1
        closed = pool.excluded(job)
        lasts = reservation is not None and now + remaining(job, now) > reservation.at
        if reservation is not None and lasts:
            closed |= reservation.closed_to(group.shape, bits)
        slices = pool.find(group, closed)
        if slices is not None:
            out.append(pool.start(job, slices, now))
            if reservation is not None and lasts:
                reservation.use(slices, group.shape)
        elif closed and pool.find(group) is not None:
            place += 1
        else:
            group.blocked = group.fit.blocked = freed
            continue
        if place < len(group.waiting):
            heappush(turns, (rank, group.waiting[place], place))


def _turns(pool: Pool, shares: Shares, now: int) -> list[Turn]:
    """The first of every group that may start, make room or hold up others now, by rank.

    Left out, where they can do nothing of that, are groups that fit nowhere or are over their
    quota, which are nearly all.
    """
    lean = _is_lean(pool)
    holds_up = pool.policy.head is not HeadRule.SKIP
    if lean:
        _look_for_room(pool)
    freed, prefix = pool.nodes.freed, pool.ranks_before_shares
    ranks: dict[tuple[str, str], tuple[int, int]] = {}
    stuck: set[tuple[str, str]] = set()
    turns: list[Turn] = []
    for entry in pool.queue.heads:
        group = _group(entry[2])
        account = group.account
        if lean:
            unfit = group.fit.blocked == freed or group.blocked == freed
            # Of what fits nowhere, the first of each account comes before its others in any case.
            if unfit and (not holds_up or account in stuck):
                continue
            if shares.over(group.team, group.shape) > 0:
                continue
            if unfit:
                stuck.add(account)
        rank: Key = 0
        if shares.fair:
            if account not in ranks:
                ranks[account] = shares.rank(*account, now)
            rank = (entry[0][:prefix], ranks[account])
        turns.append((rank, entry, 0))
    heapify(turns)
    return turns


def _is_lean(pool: Pool) -> bool:
    """Whether what fits nowhere can neither stop others nor hold up its own team alone."""
    if pool.preemption is not None or pool.holds:
        return False
    return pool.policy.head is not HeadRule.BLOCK


def _look_for_room(pool: Pool) -> None:
    """Finds out which shapes fit nowhere, once for all who ask for them."""
    freed, looked_at = pool.nodes.freed, set()
    for _, _, job in pool.queue.heads:
        fit = job.fit
        if fit.blocked != freed and id(fit) not in looked_at:
            looked_at.add(id(fit))
            if len(looked_at) > SHAPES_LOOKED_AT:
                return
            if pool.find(_group(job)) is None:
                fit.blocked = freed


def _rank(pool: Pool, shares: Shares, entry: Entry, now: int) -> Key:
    """Class and ageing come before fair shares, the rest of the order after them."""
    if not shares.fair:
        return 0
    group = _group(entry[2])
    return entry[0][: pool.ranks_before_shares], shares.rank(group.team, group.user, now)


def _blocked(entry: Entry) -> tuple[int, int]:
    """The counts of freed room at which a group, and its shape, were last found not to fit."""
    group = _group(entry[2])
    return group.blocked, group.fit.blocked


def _group(job: Job) -> Group:
    if job.group is None:
        raise AssertionError("what waits has a group")
    return job.group
