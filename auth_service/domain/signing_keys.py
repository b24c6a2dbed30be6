"""The keys that sign access tokens, and when each of them signs and is published."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from servicekit.values import Value

LEAD = timedelta(minutes=6)
"""A key is published so long before it signs: longer than readers go without asking for keys."""

KEPT = timedelta(hours=25)
"""So long a key is kept, or remembered as withdrawn: longer than any token that it signed lives."""


class SigningKey(Value, frozen=True):
    """An Ed25519 key.

    Attributes:
        id: its thumbprint after RFC 7638.
        public_key: 32 raw bytes.
        private_key: 32 raw bytes, or more when they are encrypted.
        sealed: whether they are encrypted.
        created_at: when it was made, and published.
        signs_from: when it begins to sign.
    """

    hidden = ("private_key",)
    id: str
    public_key: bytes
    private_key: bytes
    sealed: bool
    created_at: datetime
    signs_from: datetime


def in_order(keys: Iterable[SigningKey]) -> list[SigningKey]:
    """Returns the keys, the one that signs last first."""
    return sorted(keys, key=lambda key: (key.signs_from, key.created_at, key.id), reverse=True)


def signing(keys: Sequence[SigningKey], now: datetime) -> SigningKey:
    """Returns the key that signs now: the latest whose time has come, else the first to come."""
    ordered = in_order(keys)
    return next((key for key in ordered if key.signs_from <= now), ordered[-1])


def published(
    keys: Sequence[SigningKey], token_lifetime: timedelta, now: datetime
) -> list[SigningKey]:
    """Returns the keys that a good token may be signed with now or soon, the signing one first.

    A key is published until the last token that it signed has expired.
    """
    current = signing(keys, now)
    coming = [key for key in in_order(keys) if key.signs_from > now and key is not current]
    return [current, *coming, *_past(keys, token_lifetime, now)]


def over(keys: Sequence[SigningKey], keep: timedelta, now: datetime) -> list[SigningKey]:
    """Returns the keys that have not signed for longer than `keep`, and never will again."""
    if not keys:
        return []
    wanted = {signing(keys, now).id, *(key.id for key in keys if key.signs_from > now)}
    wanted |= {key.id for key in _past(keys, keep, now)}
    return [key for key in keys if key.id not in wanted]


def _past(keys: Sequence[SigningKey], keep: timedelta, now: datetime) -> list[SigningKey]:
    """Returns the keys that signed before the present one, and until less than `keep` ago."""
    begun = [key for key in in_order(keys) if key.signs_from <= now]
    return [older for newer, older in pairwise(begun) if now - newer.signs_from <= keep]
