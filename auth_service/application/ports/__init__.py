"""What the application needs of the outside world."""

from auth_service.application.ports.outside import (
    AccessToken,
    NobodyLooked,
    PasswordHasher,
    Random,
    Subject,
    TokenSigner,
)
from auth_service.application.ports.reading import (
    ApiKeyQuery,
    AuditLog,
    AuditQuery,
    Credentials,
    Directory,
    Keys,
    RevocationsInForce,
    UserQuery,
)
from auth_service.application.ports.repositories import (
    ApiKeys,
    Audit,
    Devices,
    Events,
    Revocations,
    Sessions,
    SigningKeys,
    Tallies,
    Tickets,
    Users,
)
from auth_service.application.ports.unit import Changes, Command, UnitOfWork

__all__ = [
    "AccessToken",
    "ApiKeyQuery",
    "ApiKeys",
    "Audit",
    "AuditLog",
    "AuditQuery",
    "Changes",
    "Command",
    "Credentials",
    "Devices",
    "Directory",
    "Events",
    "Keys",
    "NobodyLooked",
    "PasswordHasher",
    "Random",
    "Revocations",
    "RevocationsInForce",
    "Sessions",
    "SigningKeys",
    "Subject",
    "Tallies",
    "Tickets",
    "TokenSigner",
    "UnitOfWork",
    "UserQuery",
    "Users",
]
