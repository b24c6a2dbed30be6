"""The ledger of GPU-hours: double entry, one account per user or limited team, and month.

Every movement takes an amount out of one book and puts it into another, so that all books of an
account always sum to zero: LIMIT (the source, negative), AVAILABLE, RESERVED and USED.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from job_service.domain.errors import QuotaExceeded, QuotaInUse
from job_service.domain.job import Job
from job_service.domain.quantity import period_end
from servicekit.errors import invalid
from servicekit.values import Value, replace

MOST = 2**60
"""The largest quota, in milli-GPU-seconds; sums of a few still fit 64 bits."""

STANDING = ""
"""The period of the account that only says which limit every month opens with."""


class Book(StrEnum):
    """Where GPU time stands within an account."""

    LIMIT = "LIMIT"
    AVAILABLE = "AVAILABLE"
    RESERVED = "RESERVED"
    USED = "USED"


class EntryKind(StrEnum):
    """Why GPU time moved."""

    ALLOWANCE = "ALLOWANCE"
    GRANT = "GRANT"
    LIMIT_CHANGE = "LIMIT_CHANGE"
    RESERVE = "RESERVE"
    SETTLE = "SETTLE"
    REFUND = "REFUND"
    OVERRUN = "OVERRUN"


MOVES = {
    EntryKind.ALLOWANCE: (Book.LIMIT, Book.AVAILABLE),
    EntryKind.GRANT: (Book.LIMIT, Book.AVAILABLE),
    EntryKind.LIMIT_CHANGE: (Book.LIMIT, Book.AVAILABLE),
    EntryKind.RESERVE: (Book.AVAILABLE, Book.RESERVED),
    EntryKind.SETTLE: (Book.RESERVED, Book.USED),
    EntryKind.REFUND: (Book.RESERVED, Book.AVAILABLE),
    EntryKind.OVERRUN: (Book.AVAILABLE, Book.USED),
}

_GAINS = {
    kind: (target is Book.AVAILABLE) - (source is Book.AVAILABLE)
    for kind, (source, target) in MOVES.items()
}
"""What a unit moved does to what is available."""


def of_user(owner_id: str) -> str:
    """The subject of a user's accounts."""
    return f"user:{owner_id}"


def of_team(team: str) -> str:
    """The subject of a team's accounts."""
    return f"team:{team}"


class Cause(Value, frozen=True):
    """Why GPU time moves: the change of a job or the grant behind it, who wanted it, and when."""

    id: str
    at: datetime
    actor: str = ""
    reason: str = ""
    job_id: str = ""
    run_id: str = ""


class Entry(Value, frozen=True):
    """One movement of ``amount`` milli-GPU-seconds, between the books that ``MOVES`` names.

    The id is made of cause, kind and whether the subject is a team, so that a change of a job is
    charged once only, whatever repeats. ``sequence`` counts the account's entries from 1; ``left``
    is what was available afterwards. Only a limit that fell has a negative amount: it went back.
    """

    id: str
    subject: str
    period: str
    sequence: int
    kind: EntryKind
    amount: int
    left: int
    at: datetime
    actor: str
    reason: str
    job_id: str
    run_id: str = ""


class Account(Value, frozen=True):
    """A user's or a team's quota in one month, in milli-GPU-seconds.

    Attributes:
        subject: "user:" and the user's id, or "team:" and its name.
        limit: the month's allowance.
        granted: what admins added to it.
        reserved: held at the moment for jobs that have not ended.
        used: charged for jobs, what outlasted its reservation included.
        reserved_total: everything ever reserved in the month.
        refunded_total: everything ever given back in the month.
        entries: how many ledger entries the account has.
        overrun: the part of ``used`` that was never reserved.
        name: the user's name, as far as it is known here.
        team: the user's team, as far as it is known here.
    """

    subject: str
    period: str
    limit: int = 0
    granted: int = 0
    reserved: int = 0
    used: int = 0
    reserved_total: int = 0
    refunded_total: int = 0
    entries: int = 0
    overrun: int = 0
    name: str = ""
    team: str = ""

    @property
    def available(self) -> int:
        """What may still be reserved; below zero only where runs outlasted their hours."""
        return self.limit + self.granted - self.reserved - self.used

    def allow(self, amount: int, cause: Cause) -> tuple["Account", list[Entry]]:
        """Opens the month with its allowance."""
        moves = [(EntryKind.ALLOWANCE, amount)]
        return self._after(cause, moves, limit=self.limit + amount)

    def grant(self, amount: int, cause: Cause) -> tuple["Account", list[Entry]]:
        """Adds to the month's quota.

        Raises:
            InvalidArgument: the quota would grow beyond what can be counted.
        """
        if self.limit + self.granted + amount > MOST:
            raise invalid("amount", f"an amount that keeps the quota within {MOST:,}")
        return self._after(cause, [(EntryKind.GRANT, amount)], granted=self.granted + amount)

    def set_limit(self, limit: int, cause: Cause) -> tuple["Account", list[Entry]]:
        """Replaces the month's allowance.

        Raises:
            InvalidArgument: the quota would grow beyond what can be counted.
            QuotaInUse: less would be left than is reserved and used.
        """
        if limit + self.granted > MOST:
            raise invalid("limit", f"a limit that keeps the quota within {MOST:,}")
        change = limit - self.limit
        if change < 0 and self.available + change < 0:
            raise QuotaInUse(self.subject, limit + self.granted, self.reserved + self.used)
        return self._after(cause, [(EntryKind.LIMIT_CHANGE, change)], limit=limit)

    def follow(self, before: Job | None, after: Job) -> tuple["Account", list[Entry]]:
        """Books what a change of a job did to what it holds and has used.

        Use is taken from what was reserved, then from what is available; what the job no longer
        holds goes back, what it holds in addition is reserved.

        Raises:
            QuotaExceeded: less is available than the job holds in addition.
        """
        if before is None:
            return self._reserve(after)
        held, used = before.reserved, after.used - before.used
        settled = min(used, held)
        overrun = used - settled
        more = after.reserved - (held - settled)
        asked, refunded = max(more, 0), max(-more, 0)
        self._demand(asked, self.available - overrun)
        moves = [
            (EntryKind.SETTLE, settled),
            (EntryKind.OVERRUN, overrun),
            (EntryKind.REFUND, refunded),
            (EntryKind.RESERVE, asked),
        ]
        return self._after(
            _cause(after),
            moves,
            reserved=self.reserved - settled - refunded + asked,
            used=self.used + used,
            overrun=self.overrun + overrun,
            reserved_total=self.reserved_total + asked,
            refunded_total=self.refunded_total + refunded,
        )

    def _reserve(self, job: Job) -> tuple["Account", list[Entry]]:
        """Holds what a new job may need: every submit passes here."""
        asked = job.reserved
        self._demand(asked, self.available)
        return self._after(
            _cause(job),
            [(EntryKind.RESERVE, asked)],
            reserved=self.reserved + asked,
            reserved_total=self.reserved_total + asked,
        )

    def _demand(self, asked: int, left: int) -> None:
        if asked > max(left, 0):
            raise QuotaExceeded(self.subject, asked, left, period_end(self.period))

    def _after(
        self, cause: Cause, moves: list[tuple[EntryKind, int]], **changes: Any
    ) -> tuple["Account", list[Entry]]:
        """The changed account and the entries that say so; a movement of nothing is none."""
        left, entries = self.available, list[Entry]()
        for kind, amount in moves:
            if amount:
                left += _GAINS[kind] * amount
                entries.append(self._entry(cause, kind, amount, left, len(entries)))
        return replace(self, **changes, entries=self.entries + len(entries)), entries

    def _entry(self, cause: Cause, kind: EntryKind, amount: int, left: int, before: int) -> Entry:
        """The entry of one movement, ``before`` others of the same change."""
        of_a_team = ":team" if self.subject.startswith("team:") else ""
        return Entry(
            f"{cause.id}:{kind.lower()}{of_a_team}",
            self.subject,
            self.period,
            self.entries + before + 1,
            kind,
            amount,
            left,
            cause.at,
            cause.actor,
            cause.reason,
            cause.job_id,
            cause.run_id,
        )


def _cause(job: Job) -> Cause:
    run_id = job.run.id if job.run else ""
    return Cause(f"{job.id}/{job.changes}", job.updated_at, job_id=job.id, run_id=run_id)
