"""What one transaction of the writer reaches."""

from typing import Protocol

from job_service.application.ports.repositories import (
    Accounts,
    ApprovalRules,
    Cursors,
    Deliveries,
    Events,
    Jobs,
    Ledger,
    OffersNoted,
    QuoteKeys,
    Webhooks,
)


class UnitOfWork(Protocol):
    """Everything that one transaction may read and change."""

    @property
    def jobs(self) -> Jobs:
        """Jobs."""

    @property
    def accounts(self) -> Accounts:
        """Quota accounts."""

    @property
    def ledger(self) -> Ledger:
        """Ledger entries."""

    @property
    def rules(self) -> ApprovalRules:
        """Approval rules."""

    @property
    def offers(self) -> OffersNoted:
        """What is on offer."""

    @property
    def quote_keys(self) -> QuoteKeys:
        """The key of quotes."""

    @property
    def webhooks(self) -> Webhooks:
        """Webhooks."""

    @property
    def deliveries(self) -> Deliveries:
        """Deliveries to webhooks."""

    @property
    def events(self) -> Events:
        """The event log."""

    @property
    def cursors(self) -> Cursors:
        """Positions of the loops."""
