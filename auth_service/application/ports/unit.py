"""Changing state: commands, what they work on, and who runs them."""

from typing import Protocol, TypeVar

from auth_service.application.ports.repositories import (
    ApiKeys,
    Audit,
    Devices,
    Events,
    Expired,
    Revocations,
    Sessions,
    SigningKeys,
    Tallies,
    Tickets,
    Users,
)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class UnitOfWork(Protocol):
    """What one command may read and change; all of it is stored, or nothing."""

    @property
    def users(self) -> Users:
        """The users."""

    @property
    def sessions(self) -> Sessions:
        """The sessions."""

    @property
    def devices(self) -> Devices:
        """The devices."""

    @property
    def api_keys(self) -> ApiKeys:
        """The API keys."""

    @property
    def tickets(self) -> Tickets:
        """The tickets."""

    @property
    def tallies(self) -> Tallies:
        """What was counted of failed attempts."""

    @property
    def signing_keys(self) -> SigningKeys:
        """The signing keys."""

    @property
    def audit(self) -> Audit:
        """The audit log."""

    @property
    def events(self) -> Events:
        """The event log."""

    @property
    def revocations(self) -> Revocations:
        """The revocations."""

    @property
    def expired(self) -> Expired:
        """What is over and can go."""


class Command(Protocol[T_co]):
    """A change of state."""

    @property
    def name(self) -> str:
        """What logs and failpoints call it, such as "user.register"."""

    def run(self, unit: UnitOfWork) -> T_co:
        """Makes the change and returns its answer, or raises a Failure and changes nothing."""


class Changes(Protocol):
    """The one place through which state changes."""

    async def execute(self, command: Command[T]) -> T:
        """Runs a command and returns its answer once the change is on disk."""
