"""What the application needs of the outside world."""

from job_service.application.ports.outside import (
    OnOffer,
    QueuedRun,
    Scheduler,
    Secrets,
    SecretUnreadable,
    Sender,
)
from job_service.application.ports.reading import (
    AccountQuery,
    EntryQuery,
    JobQuery,
    Reader,
)
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
from job_service.application.ports.unit import UnitOfWork

__all__ = [
    "AccountQuery",
    "Accounts",
    "ApprovalRules",
    "Cursors",
    "Deliveries",
    "EntryQuery",
    "Events",
    "JobQuery",
    "Jobs",
    "Ledger",
    "OffersNoted",
    "OnOffer",
    "QueuedRun",
    "QuoteKeys",
    "Reader",
    "Scheduler",
    "SecretUnreadable",
    "Secrets",
    "Sender",
    "UnitOfWork",
    "Webhooks",
]
