"""Who may go ahead without an admin's word, and who needs one or two: rules, tried in order."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from job_service.domain.job import Change, Job, JobEvent
from job_service.domain.prices import Money
from servicekit.values import Value, replace


class Decision(StrEnum):
    """What a rule does with the jobs that it matches."""

    APPROVE = "APPROVE"
    ASK_ONE = "ASK_ONE"
    ASK_TWO = "ASK_TWO"
    REJECT = "REJECT"


Cost: TypeAlias = Callable[[Job], Money | None]


def _unknown(job: Job) -> Money | None:
    return None


class Rule(Value, frozen=True):
    """Decides about the jobs that fulfil all its conditions; empty ones hold always.

    Attributes:
        name: unique among the rules.
        teams, roles: of the submitter; roles are USER, ADMIN and SERVICE.
        gpu_types: every model that the job may run on is one of them.
        at_most: GPU time reserved, in milli-GPU-seconds. A job on other devices uses none, whatever
            it costs, so that this says nothing about it and never matches.
        above: the job reserves more than this, in milli-GPU-seconds.
        message: told to the owner when the rule rejects.
        max_cost: the job costs this at most, in the same currency; a job whose cost is not known
            never matches.
    """

    name: str
    decision: Decision
    teams: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    gpu_types: frozenset[str] = frozenset()
    at_most: int = 0
    above: int = 0
    message: str = ""
    max_cost: Money | None = None

    @property
    def actor(self) -> str:
        """How jobs and their events name the rule."""
        return f"rule:{self.name}"

    def matches(self, job: Job, role: str, cost: Cost = _unknown) -> bool:
        """Whether the rule is about this job, submitted by somebody of this role."""
        resources = job.spec.resources
        models = {resources.gpu_type, *resources.alternative_gpu_types}
        return (
            (not self.teams or job.owner.team in self.teams)
            and (not self.roles or role in self.roles)
            and (not self.gpu_types or models <= self.gpu_types)
            and (not self.at_most or 0 < job.reserved <= self.at_most)
            and (not self.above or job.reserved > self.above)
            and (not self.max_cost or _within(cost(job), self.max_cost))
        )


class Rules(Value, frozen=True):
    """All rules in the order in which they are tried; ``version`` counts their changes from 0."""

    rules: tuple[Rule, ...] = ()
    version: int = 0

    def first(self, job: Job, role: str, cost: Cost = _unknown) -> Rule | None:
        """The first rule that is about the job; without one it waits for an admin.

        ``cost`` says what a job costs at most; it is asked only where a rule goes by it.
        """
        return next((rule for rule in self.rules if rule.matches(job, role, cost)), None)


def default_rules(approved: int, one_approver: int) -> Rules:
    """The rules until somebody sets others.

    Approves what reserves up to ``approved`` milli-GPU-seconds, 0: nothing; asks two admins about
    what reserves more than ``one_approver``, 0: never.
    """
    small = Rule("gpu-hours", Decision.APPROVE, at_most=approved)
    large = Rule("two-approvers", Decision.ASK_TWO, above=one_approver)
    return Rules(tuple(it for it in (small, large) if it.at_most or it.above))


def _within(cost: Money | None, most: Money) -> bool:
    return cost is not None and cost.currency == most.currency and cost.micros <= most.micros


def decided(change: Change, rule: Rule | None, now: datetime) -> tuple[Job, list[JobEvent]]:
    """What a rule makes of a job that has just been submitted, and the events that say so."""
    job, submitted = change
    if rule is None:
        return job, [submitted]
    if rule.decision is Decision.APPROVE:
        job, event = job.approve(rule.actor, "", now)
        return job, [submitted, event]
    if rule.decision is Decision.REJECT:
        job, event = job.reject(rule.actor, rule.message or f"Refused by {rule.actor}.", now)
        return job, [submitted, event]
    needed = 2 if rule.decision is Decision.ASK_TWO else 1
    job = replace(job, approvals_needed=needed, asked_by=rule.actor)
    return job, [replace(submitted, job=job, reason=rule.actor)]
