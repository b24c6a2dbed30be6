"""Between rows and what they stand for, where a row's columns are the whole of it."""

import json
from datetime import datetime
from typing import Any

from auth_service.adapters.documents import encode_user
from auth_service.domain.api_keys import ApiKey
from auth_service.domain.audit import Action, AuditEntry, AuditEvent, Link, Origin, Outcome
from auth_service.domain.devices import Device
from auth_service.domain.events import TokensRevoked
from auth_service.domain.guessing import Tally
from auth_service.domain.roles import Role
from auth_service.domain.sessions import Session
from auth_service.domain.signing_keys import SigningKey
from auth_service.domain.tickets import Ticket
from auth_service.domain.users import User
from servicekit.clock import from_micros, to_micros
from servicekit.statements import Row


def user_row(user: User) -> Row:
    """Returns the row of a user."""
    return {
        "id": user.id,
        "username_key": user.username_key,
        "email_key": user.email_key,
        "role": user.role.value,
        "team": user.team,
        "disabled": user.disabled,
        "document": encode_user(user),
    }


def session_row(session: Session) -> Row:
    """Returns the row of a session."""
    return {
        "id": session.id,
        "user_id": session.user_id,
        "secret_hash": session.secret_hash,
        "seal": session.seal,
        "created_at": to_micros(session.created_at),
        "expires_at": to_micros(session.expires_at),
    }


def session_of(row: Any) -> Session:
    """Returns the session of a row."""
    return Session(
        row["id"],
        row["user_id"],
        bytes(row["secret_hash"]),
        bytes(row["seal"]),
        from_micros(row["created_at"]),
        from_micros(row["expires_at"]),
    )


def device_row(device: Device) -> Row:
    """Returns the row of a device."""
    return {
        "hash": device.hash.hex(),
        "user_id": device.user_id,
        "used_at": to_micros(device.used_at),
    }


def device_of(row: Any) -> Device:
    """Returns the device of a row."""
    return Device(bytes.fromhex(row["hash"]), row["user_id"], from_micros(row["used_at"]))


def api_key_row(key: ApiKey) -> Row:
    """Returns the row of an API key."""
    return {
        "id": key.id,
        "user_id": key.user_id,
        "name": key.name,
        "prefix": key.prefix,
        "secret_hash": key.secret_hash.hex(),
        "role": key.role.value,
        "created_at": to_micros(key.created_at),
        "expires_at": to_micros(key.expires_at),
        "last_used_at": _micros(key.last_used_at),
        "revoked_at": _micros(key.revoked_at),
    }


def api_key_of(row: Any) -> ApiKey:
    """Returns the API key of a row."""
    return ApiKey(
        id=row["id"],
        user_id=row["user_id"],
        name=row["name"],
        prefix=row["prefix"],
        secret_hash=bytes.fromhex(row["secret_hash"]),
        role=Role(row["role"]),
        created_at=from_micros(row["created_at"]),
        expires_at=from_micros(row["expires_at"]),
        last_used_at=_moment(row["last_used_at"]),
        revoked_at=_moment(row["revoked_at"]),
    )


def ticket_row(ticket: Ticket) -> Row:
    """Returns the row of a ticket."""
    return {
        "hash": ticket.hash.hex(),
        "user_id": ticket.user_id,
        "session_id": ticket.session_id,
        "generation": ticket.generation,
        "role": ticket.role.value,
        "expires_at": to_micros(ticket.expires_at),
        "token_expires_at": to_micros(ticket.token_expires_at),
    }


def ticket_of(row: Any) -> Ticket:
    """Returns the ticket of a row."""
    return Ticket(
        bytes.fromhex(row["hash"]),
        row["user_id"],
        row["session_id"],
        row["generation"],
        Role(row["role"]),
        from_micros(row["expires_at"]),
        from_micros(row["token_expires_at"]),
    )


def tally_row(key: str, tally: Tally) -> Row:
    """Returns the row of what was counted against a key."""
    return {
        "key": key,
        "failures": tally.failures,
        "last_at": to_micros(tally.last_at),
        "spent_until": to_micros(tally.spent_until),
        "forgotten_at": to_micros(tally.forgotten_at),
    }


def tally_of(row: Any) -> Tally:
    """Returns what a row says was counted."""
    return Tally(row["failures"], from_micros(row["last_at"]), from_micros(row["spent_until"]))


def revocation_row(revoked: TokensRevoked, revision: int) -> Row:
    """Returns the row of a revocation, which has this place in the event log."""
    return {
        "revision": revision,
        "user_id": revoked.user_id,
        "session_id": revoked.key_id or revoked.session_id,
        "generation": revoked.generation,
        "at": to_micros(revoked.at),
        "expires_at": to_micros(revoked.expires_at),
    }


def revocation_of(row: Any) -> TokensRevoked:
    """Returns the revocation of a row."""
    signs = not row["user_id"]
    return TokensRevoked(
        row["user_id"],
        "" if signs else row["session_id"],
        row["generation"],
        from_micros(row["expires_at"]),
        from_micros(row["at"]),
        row["session_id"] if signs else "",
    )


def signing_key_row(key: SigningKey) -> Row:
    """Returns the row of a signing key."""
    return {
        "id": key.id,
        "public_key": key.public_key,
        "private_key": key.private_key,
        "sealed": key.sealed,
        "created_at": to_micros(key.created_at),
        "signs_from": to_micros(key.signs_from),
    }


def signing_key_of(row: Any) -> SigningKey:
    """Returns the signing key of a row."""
    return SigningKey(
        row["id"],
        bytes(row["public_key"]),
        bytes(row["private_key"]),
        bool(row["sealed"]),
        from_micros(row["created_at"]),
        from_micros(row["signs_from"]),
    )


def audit_row(event: AuditEvent) -> Row:
    """Returns the row of an audit event."""
    entry, origin = event.entry, event.entry.origin
    return {
        "sequence": event.link.sequence,
        "at": to_micros(entry.at),
        "actor_id": origin.actor_id,
        "actor": origin.actor,
        "action": entry.action.value,
        "target": entry.target,
        "outcome": entry.outcome.value,
        "reason": entry.reason,
        "request_id": origin.request_id,
        "address": origin.address,
        "changes": json.dumps(entry.changes),
        "hash": event.link.hash,
    }


def audit_event_of(row: Any) -> AuditEvent:
    """Returns the audit event of a row.

    Raises:
        ValueError: somebody wrote into the row what no event has.
    """
    entry = AuditEntry(
        at=from_micros(row["at"]),
        origin=Origin(row["actor_id"], row["actor"], row["request_id"], row["address"]),
        action=Action(row["action"]),
        target=row["target"],
        outcome=Outcome(row["outcome"]),
        reason=row["reason"],
        changes=tuple((str(name), str(said)) for name, said in json.loads(row["changes"])),
    )
    return AuditEvent(entry, Link(row["sequence"], row["hash"]))


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
