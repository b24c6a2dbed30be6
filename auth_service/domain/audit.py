"""The audit log: what happened, who did it, and the chain that shows when an entry was changed."""

import enum
import hashlib
import json
from datetime import datetime

from servicekit.values import Value

GENESIS = "0" * 64
"""What the first entry's hash is computed over in place of a hash before it."""


class Action(enum.StrEnum):
    """What was done or tried."""

    REGISTER = "REGISTER"
    LOGIN = "LOGIN"
    LOGOUT = "LOGOUT"
    REFRESH_TOKEN = "REFRESH_TOKEN"  # noqa: S105 - a word of the contract, no secret
    CHANGE_PASSWORD = "CHANGE_PASSWORD"  # noqa: S105
    CREATE_API_KEY = "CREATE_API_KEY"
    EXCHANGE_API_KEY = "EXCHANGE_API_KEY"
    REVOKE_API_KEY = "REVOKE_API_KEY"
    UPDATE_USER = "UPDATE_USER"
    REVOKE_SESSIONS = "REVOKE_SESSIONS"
    ROTATE_SIGNING_KEY = "ROTATE_SIGNING_KEY"
    IMPORT_USER = "IMPORT_USER"
    CREATE_FIRST_ADMIN = "CREATE_FIRST_ADMIN"
    SET_SERVICE_ACCOUNT = "SET_SERVICE_ACCOUNT"


class Outcome(enum.StrEnum):
    """What came of it."""

    SUCCEEDED = "SUCCEEDED"
    REFUSED = "REFUSED"


class Origin(Value, frozen=True):
    """Who caused something: the user if one was signed in, the request, and where it came from."""

    actor_id: str = ""
    actor: str = ""
    request_id: str = ""
    address: str = ""


SYSTEM = Origin(actor="system")
"""The service itself, or an operator at its command line."""


class AuditEntry(Value, frozen=True):
    """What happened, before it has a place in the log. `changes` are (field, "old -> new")."""

    at: datetime
    origin: Origin
    action: Action
    target: str = ""
    outcome: Outcome = Outcome.SUCCEEDED
    reason: str = ""
    changes: tuple[tuple[str, str], ...] = ()


class Link(Value, frozen=True):
    """A place in the chain: the sequence of an entry and its hash; (0, GENESIS) before all."""

    sequence: int = 0
    hash: str = GENESIS


class AuditEvent(Value, frozen=True):
    """An entry at its place in the log."""

    entry: AuditEntry
    link: Link


class ChainBroken(Exception):
    """The log is not what was written: `sequence` is the first place that shows it."""

    def __init__(self, sequence: int, why: str) -> None:
        super().__init__(f"entry {sequence}: {why}")
        self.sequence = sequence


def chained(before: Link, entry: AuditEntry) -> AuditEvent:
    """Returns the entry at the place after `before`."""
    return AuditEvent(entry, Link(before.sequence + 1, _hash(before, entry)))


def checked(before: Link, event: AuditEvent) -> Link:
    """Returns the event's place, which has to be the one after `before`.

    Raises:
        ChainBroken: an entry is missing, or this one was changed.
    """
    expected = before.sequence + 1
    if event.link.sequence != expected:
        raise ChainBroken(expected, f"is missing; the next one is {event.link.sequence}")
    if event.link.hash != _hash(before, event.entry):
        raise ChainBroken(expected, "its content does not have its hash")
    return event.link


def _hash(before: Link, entry: AuditEntry) -> str:
    """Returns SHA-256 in hex over the hash before, the new sequence and the whole entry."""
    origin = entry.origin
    content = [
        before.hash,
        before.sequence + 1,
        entry.at.isoformat(),
        [origin.actor_id, origin.actor, origin.request_id, origin.address],
        [entry.action.value, entry.target, entry.outcome.value, entry.reason],
        entry.changes,
    ]
    written = json.dumps(content, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(written.encode()).hexdigest()
