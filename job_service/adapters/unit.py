"""The unit of work over a writer's transaction: repositories that turn jobs and quota into rows."""

from collections.abc import Iterable, Sequence
from typing import Any

from job_service.adapters.documents import decode_rules, encode_event, encode_rules
from job_service.adapters.job_rows import Documents, SqlJobs
from job_service.adapters.offers import SqlOffers, SqlQuoteKeys
from job_service.adapters.tables import ACCOUNTS, APPROVAL_RULES, LEDGER, PLUMBING
from job_service.adapters.webhooks import SqlDeliveries, SqlWebhooks
from job_service.domain.approval import Rules
from job_service.domain.job import JobEvent
from job_service.domain.ledger import Account, Entry
from servicekit.clock import to_micros
from servicekit.eventlog import Cursors, trim
from servicekit.idempotency import Requests
from servicekit.statements import Row
from servicekit.transaction import Transaction
from servicekit.values import asdict


class SqlUnitOfWork:
    """Everything that one group of commands reads and changes."""

    def __init__(self, transaction: Transaction) -> None:
        documents = Documents()
        self.transaction = transaction
        self.jobs = SqlJobs(transaction, documents)
        self.accounts = SqlAccounts(transaction)
        self.ledger = SqlLedger(transaction)
        self.rules = SqlApprovalRules(transaction)
        self.offers = SqlOffers(transaction)
        self.quote_keys = SqlQuoteKeys(transaction)
        self.webhooks = SqlWebhooks(transaction)
        self.deliveries = SqlDeliveries(transaction)
        self.events = SqlEvents(transaction, documents)
        self.cursors = Cursors(transaction, PLUMBING)
        self.requests = Requests(transaction, PLUMBING)


class SqlAccounts:
    """Quota accounts by subject and month."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._read: dict[tuple[str, str], tuple[Row, Account]] = {}

    def load(self, keys: Iterable[tuple[str, str]]) -> None:
        """Reads many accounts at once."""
        self._transaction.load(ACCOUNTS, keys)

    def find(self, subject: str, period: str) -> Account | None:
        """The account, or None; made anew only of a row that has changed."""
        key = (subject, period)
        row = self._transaction.get(ACCOUNTS, key)
        if row is None:
            return None
        read = self._read.get(key)
        if read is None or read[0] is not row:
            read = self._read[key] = row, account_of_row(row)
        return read[1]

    def save(self, account: Account) -> None:
        """Stores a new or changed account."""
        key, row = (account.subject, account.period), asdict(account)
        if self._transaction.get(ACCOUNTS, key) is None:
            stored = self._transaction.insert(ACCOUNTS, row)
        else:
            stored = self._transaction.update(ACCOUNTS, row)
        self._read[key] = stored, account


class SqlLedger:
    """Ledger entries, append only."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def add(self, entries: Iterable[Entry]) -> None:
        """Appends entries."""
        for entry in entries:
            self._transaction.insert(LEDGER, {**asdict(entry), "at": to_micros(entry.at)})


class SqlApprovalRules:
    """The rules that admins set: one row, or none."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def load(self) -> None:
        """Reads them."""
        self._transaction.load(APPROVAL_RULES, (THE_RULES,))

    def get(self) -> Rules | None:
        """The rules, or None."""
        row = self._transaction.get(APPROVAL_RULES, THE_RULES)
        return decode_rules(row["document"]) if row else None

    def save(self, rules: Rules) -> None:
        """Stores the rules."""
        row = {"id": THE_RULES, "document": encode_rules(rules)}
        if self._transaction.get(APPROVAL_RULES, THE_RULES) is None:
            self._transaction.insert(APPROVAL_RULES, row)
        else:
            self._transaction.update(APPROVAL_RULES, row)


class SqlEvents:
    """The service's log."""

    def __init__(self, transaction: Transaction, documents: Documents) -> None:
        self._transaction = transaction
        self._documents = documents

    def append(self, events: Sequence[JobEvent]) -> None:
        """Appends the events of one change."""
        self._transaction.append(
            *(encode_event(event, self._documents.of(event.job)) for event in events)
        )

    def trim(self, revision: int) -> None:
        """Deletes events up to and including a revision."""
        trim(self._transaction, PLUMBING, revision)


def account_of_row(row: Any) -> Account:
    """The account that a row holds."""
    return Account(**{name: row[name] for name in _ACCOUNT_FIELDS})


THE_RULES = 1
_ACCOUNT_FIELDS = Account.__struct_fields__
