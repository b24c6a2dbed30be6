"""What a job could expect, without submitting it: nothing is stored."""

from collections.abc import Sequence
from datetime import datetime

from job_service.application.commands.acting import Caller, Policy
from job_service.application.ports import JobQuery, Reader, Scheduler
from job_service.application.queries import get_job
from job_service.application.quotas import get_quota, limited_account
from job_service.domain.approval import Decision, Rule
from job_service.domain.errors import JobStateForbids
from job_service.domain.job import Job, Owner
from job_service.domain.ledger import of_team, of_user
from job_service.domain.offers import Offers
from job_service.domain.quantity import period_of
from job_service.domain.quotes import Outlook, Quote, Terms, Verdict
from job_service.domain.spec import JobSpec
from job_service.domain.states import JobState
from job_service.domain.submitting import submit
from servicekit.values import Value, replace

MOST_PREEMPTED = 1_000
_WAITS = (JobState.PENDING, JobState.APPROVED, JobState.QUEUED)
_REFUSED = (Verdict.NEVER_FITS, Verdict.QUOTA_EXCEEDED)


class Asking(Value, frozen=True):
    """Who asks for a quote, as whom a job would be submitted, and when."""

    caller: Caller
    owner: Owner
    role: str
    now: datetime


class Quoting(Value, frozen=True):
    """Quotes jobs by what the scheduler, the books and the approval rules say."""

    reader: Reader
    scheduler: Scheduler
    policy: Policy

    async def of_spec(
        self, asking: Asking, spec: JobSpec, offers: Offers, fingerprint: str, expires_at: datetime
    ) -> Quote:
        """Quotes a new job.

        ``fingerprint`` is that of its spec; until ``expires_at`` the quote can be redeemed.
        """
        job = submit("", asking.owner, spec, period_of(asking.now), asking.now).job
        count = max(1, spec.array_size)
        outlook = await self._outlook(asking, job)
        reserve = spec.reservation * count
        left = await self._left(job.owner, asking.now) - reserve
        rule = await self._rule(asking, job, offers)
        approves = rule is not None and rule.decision is Decision.APPROVE
        quote = Quote(
            verdict=_verdict(outlook, reserve, left),
            outlook=outlook,
            reserve=reserve,
            left_after=left,
            approved_by=rule.name if rule and approves else "",
            approved=approves,
            count=count,
        )
        rejects = rule is not None and rule.decision is Decision.REJECT
        if quote.verdict in _REFUSED or rejects:
            return quote
        owner_id, limit = asking.owner.id, outlook.hourly_price_high
        terms = Terms(owner_id, fingerprint, expires_at, quote.approved_by, limit)
        return replace(quote, terms=terms)

    async def of_job(self, asking: Asking, job_id: str) -> Quote:
        """Quotes a job that waits, as it stands.

        Raises:
            JobNotFound: there is none that the caller may see.
            JobStateForbids: it does not wait any more.
        """
        job = await get_job(self.reader, asking.caller, job_id)
        if job.state not in _WAITS:
            raise JobStateForbids("be quoted", job.id, job.state)
        outlook = await self._outlook(asking, job)
        approved = job.state is not JobState.PENDING
        by = job.approved_by.removeprefix("rule:") if job.approved_by.startswith("rule:") else ""
        return Quote(
            verdict=outlook.verdict,
            outlook=outlook,
            reserve=job.reserved,
            left_after=await self._left(job.owner, asking.now),
            approved_by=by,
            approved=approved,
        )

    async def _outlook(self, asking: Asking, job: Job) -> Outlook:
        """What the scheduler says, as far as the caller may know of it."""
        outlook = await self.scheduler.quote(job)
        if asking.caller.is_admin:
            return outlook
        own = await self._own(asking.caller, outlook.preempted[:MOST_PREEMPTED])
        none = Outlook(outlook.verdict)
        return replace(
            outlook, preempted=own, delayed=none.delayed, longest_delay=none.longest_delay
        )

    async def _own(self, caller: Caller, job_ids: Sequence[str]) -> tuple[str, ...]:
        if not job_ids:
            return ()
        mine = JobQuery(owner_id=caller.id)
        _, jobs = await self.reader.snapshot(mine, job_ids, None, len(job_ids))
        own = {job.id for job in jobs}
        return tuple(job_id for job_id in job_ids if job_id in own)

    async def _left(self, owner: Owner, now: datetime) -> int:
        """What is left of the owner's quota or, if that is less, of a limited team's."""
        period = period_of(now)
        quota = await get_quota(self.reader, of_user(owner.id), period, self.policy)
        left = [quota.account.available]
        if owner.team:
            team = await limited_account(self.reader, of_team(owner.team), period)
            left += [team.available] if team else []
        return min(left)

    async def _rule(self, asking: Asking, job: Job, offers: Offers) -> Rule | None:
        rules = await self.reader.approval_rules() or self.policy.rules
        return rules.first(job, asking.role, lambda it: offers.dearest(it.spec))


def _verdict(outlook: Outlook, reserve: int, left: int) -> Verdict:
    """What can never run says so first; what asks for no GPU time is within every quota."""
    if outlook.verdict is not Verdict.NEVER_FITS and reserve and left < 0:
        return Verdict.QUOTA_EXCEEDED
    return outlook.verdict
