"""What a user may expect of a job before it is submitted, and what is promised to hold."""

from datetime import datetime, timedelta
from enum import StrEnum

from job_service.domain.errors import QuoteExpired, QuoteMismatch
from job_service.domain.prices import Money
from job_service.domain.quantity import gpu_hours
from job_service.domain.spec import ResourceSpec
from servicekit.values import Value


class Verdict(StrEnum):
    """What would become of a job."""

    STARTS_NOW = "STARTS_NOW"
    WAITS = "WAITS"
    NEVER_FITS = "NEVER_FITS"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"


class Option(Value, frozen=True):
    """Another way to run a job: other resources, another pool if one is named."""

    message: str
    resources: ResourceSpec
    pool: str
    start_p50: datetime | None = None
    cost: Money | None = None


class Outlook(Value, frozen=True):
    """What the scheduler says would become of a run that came to it now.

    Attributes:
        start_p50: kept with a probability of one half, as ``start_p90`` is with nine tenths; None
            means unknown.
        hourly_price_high: of one device where it may run dearest; None means unknown.
        preempted: jobs that would be stopped in its favour.
        delayed: how many others would wait longer, and by how long at most.
        reason: why it would not start at once.
    """

    verdict: Verdict
    start_p50: datetime | None = None
    start_p90: datetime | None = None
    pool: str = ""
    provider: str = ""
    cost_low: Money | None = None
    cost_high: Money | None = None
    hourly_price_high: Money | None = None
    preempted: tuple[str, ...] = ()
    delayed: int = 0
    longest_delay: timedelta = timedelta()
    options: tuple[Option, ...] = ()
    reason: str = ""


class Terms(Value, frozen=True):
    """What a quote promises, to whom and for which job.

    Attributes:
        fingerprint: of the job's spec; equal specs have equal ones.
        rule: the rule that approves the job; empty if none does.
        price_limit: most that a device may cost for an hour; None where no price was known.
    """

    owner_id: str
    fingerprint: str
    expires_at: datetime
    rule: str = ""
    price_limit: Money | None = None

    def require(self, owner_id: str, fingerprint: str, now: datetime) -> None:
        """Checks that they are meant for this submit.

        Raises:
            QuoteMismatch: they are another user's or about another job.
            QuoteExpired: their time is over.
        """
        if self.owner_id != owner_id:
            raise QuoteMismatch("user")
        if self.fingerprint != fingerprint:
            raise QuoteMismatch("job")
        if now >= self.expires_at:
            raise QuoteExpired(self.expires_at)


class Quote(Value, frozen=True):
    """A quote. Amounts of quota are milli-GPU-seconds.

    Attributes:
        left_after: what would be left of the owner's or the team's quota, whichever is less.
        approved_by: the rule that approves the job, or has approved it; empty if none does.
        approved: whether nobody has to approve it any more.
        terms: what can be redeemed; None where there is nothing to.
        count: jobs of the array that it is about; costs are theirs together.
    """

    verdict: Verdict
    outlook: Outlook
    reserve: int
    left_after: int
    approved_by: str = ""
    approved: bool = False
    terms: Terms | None = None
    count: int = 1

    @property
    def message(self) -> str:
        """The verdict in one sentence."""
        match self.verdict:
            case Verdict.NEVER_FITS:
                return f"It would never start: {_lowered(self.outlook.reason)}"
            case Verdict.QUOTA_EXCEEDED:
                return (
                    f"It asks for {gpu_hours(self.reserve):.2f} GPU-hours, "
                    f"{gpu_hours(-self.left_after):.2f} more than are left."
                )
        parts = [self._start(), self._cost(), self._approval()]
        return f"{', '.join(part for part in parts if part)}."

    def _start(self) -> str:
        outlook = self.outlook
        where = f" in {outlook.pool}" if outlook.pool else ""
        if self.verdict is Verdict.STARTS_NOW:
            return f"It would start at once{where}"
        if outlook.start_p50 is None or outlook.start_p90 is None:
            when = "nobody can say how long"
        elif outlook.start_p50 == outlook.start_p90:
            when = f"start about {outlook.start_p50:%Y-%m-%d %H:%M} UTC"
        else:
            soon, late = outlook.start_p50, outlook.start_p90
            ends = "%H:%M" if soon.date() == late.date() else "%Y-%m-%d %H:%M"
            when = f"start between {soon:%Y-%m-%d %H:%M} and {late.strftime(ends)} UTC"
        why = f" ({outlook.reason.rstrip('.')})" if outlook.reason else ""
        return f"It would wait{where}{why} and {when}"

    def _cost(self) -> str:
        low, high = self.outlook.cost_low, self.outlook.cost_high
        if low is None or high is None:
            return ""
        if low == high:
            return f"for {low.times(self.count)}"
        return f"for {low.times(self.count)} to {high.times(self.count)}"

    def _approval(self) -> str:
        return "" if self.approved else "once an admin has approved it"


def _lowered(reason: str) -> str:
    """A sentence in the middle of another."""
    return reason[:1].lower() + reason[1:] if reason else "no pool ever has what it asks for."
