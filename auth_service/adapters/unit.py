"""The unit of work of one command: repositories over the writer's transaction."""

from auth_service.adapters.repositories.api_keys import SqlApiKeys, SqlTallies
from auth_service.adapters.repositories.records import (
    SqlAudit,
    SqlEvents,
    SqlExpired,
    SqlRevocations,
    SqlSigningKeys,
)
from auth_service.adapters.repositories.sessions import SqlDevices, SqlSessions, SqlTickets
from auth_service.adapters.repositories.users import SqlUsers
from auth_service.adapters.tables import PLUMBING
from servicekit.idempotency import Requests
from servicekit.transaction import Transaction


class SqlUnitOfWork:
    """What the application's UnitOfWork promises, and the remembered requests."""

    def __init__(self, transaction: Transaction) -> None:
        self.users = SqlUsers(transaction)
        self.sessions = SqlSessions(transaction)
        self.devices = SqlDevices(transaction)
        self.api_keys = SqlApiKeys(transaction)
        self.tickets = SqlTickets(transaction)
        self.tallies = SqlTallies(transaction)
        self.signing_keys = SqlSigningKeys(transaction)
        self.audit = SqlAudit(transaction)
        self.events = SqlEvents(transaction)
        self.revocations = SqlRevocations(transaction, self.events)
        self.expired = SqlExpired(transaction)
        self.requests = Requests(transaction, PLUMBING)
