"""The ledger of GPU-hours: double entry, one account per user and month.

Every movement takes an amount out of one book and puts it into another, so that all books of an
account always sum to zero: LIMIT (the source, negative), AVAILABLE, RESERVED and USED.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from job_service.domain.errors import QuotaExceeded
from job_service.domain.job import Job
from job_service.domain.quantity import period_end
from servicekit.errors import invalid
from servicekit.values import Value, replace

MOST = 2**60
"""The largest quota, in milli-GPU-seconds; sums of a few still fit 64 bits."""


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
    RESERVE = "RESERVE"
    SETTLE = "SETTLE"
    REFUND = "REFUND"


MOVES = {
    EntryKind.ALLOWANCE: (Book.LIMIT, Book.AVAILABLE),
    EntryKind.GRANT: (Book.LIMIT, Book.AVAILABLE),
    EntryKind.RESERVE: (Book.AVAILABLE, Book.RESERVED),
    EntryKind.SETTLE: (Book.RESERVED, Book.USED),
    EntryKind.REFUND: (Book.RESERVED, Book.AVAILABLE),
}

_GAINS = {
    kind: (target is Book.AVAILABLE) - (source is Book.AVAILABLE)
    for kind, (source, target) in MOVES.items()
}
"""What a unit moved does to what is available."""


class Cause(Value, frozen=True):
    """Why GPU time moves: the job or grant behind it, who wanted it, and when."""

    id: str
    at: datetime
    actor: str = ""
    reason: str = ""
    job_id: str = ""


class Entry(Value, frozen=True):
    """One movement of ``amount`` milli-GPU-seconds, between the books that ``MOVES`` names.

    The id is made of cause and kind, so that a job is charged once only, whatever repeats.
    ``sequence`` counts the account's entries from 1; ``left`` is what was available afterwards.
    """

    id: str
    owner_id: str
    period: str
    sequence: int
    kind: EntryKind
    amount: int
    left: int
    at: datetime
    actor: str
    reason: str
    job_id: str


class Account(Value, frozen=True):
    """A user's quota in one month, in milli-GPU-seconds.

    Attributes:
        limit: the month's allowance.
        granted: what admins added to it.
        reserved: held at the moment for jobs that have not ended.
        used: settled for jobs that have.
        reserved_total: everything ever reserved in the month.
        refunded_total: everything ever given back in the month.
        entries: how many ledger entries the account has.
    """

    owner_id: str
    period: str
    limit: int = 0
    granted: int = 0
    reserved: int = 0
    used: int = 0
    reserved_total: int = 0
    refunded_total: int = 0
    entries: int = 0

    @property
    def available(self) -> int:
        """What may still be reserved."""
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

    def reserve(self, job: Job) -> tuple["Account", list[Entry]]:
        """Holds what a new job may need.

        Raises:
            QuotaExceeded: less than that is available.
        """
        asked = job.reserved
        if asked > self.available:
            raise QuotaExceeded(
                f"user:{self.owner_id}", asked, self.available, period_end(self.period)
            )
        return self._after(
            _cause(job),
            [(EntryKind.RESERVE, asked)],
            reserved=self.reserved + asked,
            reserved_total=self.reserved_total + asked,
        )

    def settle(self, before: Job, after: Job) -> tuple["Account", list[Entry]]:
        """Turns the reservation of a job that ended into its use and gives the rest back."""
        used = after.used - before.used
        rest = before.reserved - used
        return self._after(
            _cause(after),
            [(EntryKind.SETTLE, used), (EntryKind.REFUND, rest)],
            reserved=self.reserved - before.reserved,
            used=self.used + used,
            refunded_total=self.refunded_total + rest,
        )

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
        return Entry(
            f"{cause.id}:{kind.lower()}",
            self.owner_id,
            self.period,
            self.entries + before + 1,
            kind,
            amount,
            left,
            cause.at,
            cause.actor,
            cause.reason,
            cause.job_id,
        )


def _cause(job: Job) -> Cause:
    return Cause(job.id, job.updated_at, job_id=job.id)
