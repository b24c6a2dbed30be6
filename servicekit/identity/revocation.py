"""Which tokens no longer count although they have not expired: a bounded set in memory.

A revocation ends one session of a user, all tokens of the user's older generations, or whatever
one key has signed. It may be forgotten once all such tokens have expired by themselves. Whoever
does not know all revocations, or has not heard of news for too long, lets nobody in rather than
anybody.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from servicekit.clock import Clock
from servicekit.errors import Failure, Unauthenticated, Unavailable
from servicekit.identity.callers import LONG_AGO, Identity

Subjects: TypeAlias = frozenset[str] | None
"""The users whom a change concerns; None: everybody."""

Listener: TypeAlias = Callable[[Subjects], None]

MOST = 100_000
"""Revocations that are kept; beyond it everybody's older tokens are refused instead."""

SWEEP_INTERVAL = timedelta(minutes=1)
OPENING_SECONDS = 2.0
"""How long a call waits to hear what was revoked before it is refused."""

STARTING_SECONDS = 10.0
"""It waits until the process is so old: hearing takes a few calls, on a busy machine seconds."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """Tokens of one session are refused, a user's of older generations, or those of one key.

    Attributes:
        subject: the user's id; empty for a key.
        session_id: the session or API key that has ended; empty: all of the user's.
        generation: the first generation that is good; 0: none is.
        expires_at: time in UTC by which all tokens that are meant have expired.
        key_id: the key that signed them, whoever they are for; empty: any.
    """

    subject: str
    session_id: str
    generation: int
    expires_at: datetime
    key_id: str = ""

    def hits(self, identity: Identity) -> bool:
        """Tells whether a token of this identity is meant."""
        return self.generation == 0 or identity.generation < self.generation


class Revocations:
    """What is known of revocations, closed until somebody says that all are known (`open`)."""

    def __init__(self, clock: Clock, *, most: int = MOST) -> None:
        self._clock = clock
        self._started_at = clock.monotonic()
        self._most = most
        self._by_key: dict[tuple[str, str], Revocation] = {}
        self._nothing_before = LONG_AGO
        self._swept_at = LONG_AGO
        self._opened = asyncio.Event()
        self._listeners: list[Listener] = []

    @property
    def is_open(self) -> bool:
        """Whether all revocations are known, as of a moment ago."""
        return self._opened.is_set()

    def __len__(self) -> int:
        return len(self._by_key)

    def subscribe(self, listener: Listener) -> None:
        """Has `listener` called after each change, with the users whom it concerns."""
        self._listeners.append(listener)

    def add(self, revocations: Iterable[Revocation]) -> None:
        """Takes revocations in, in any order and however often."""
        subjects, concerns_all = set(), False
        for revocation in revocations:
            self._keep(revocation)
            subjects.add(revocation.subject)
            concerns_all |= bool(revocation.key_id)
        if len(self._by_key) > self._most and not self._sweep():
            self._by_key.clear()
            self._nothing_before = self._clock.now()
            concerns_all = True
        if subjects:
            self._tell(None if concerns_all else frozenset(subjects))

    def open(self) -> None:
        """Says that all revocations are known from here on."""
        self._opened.set()

    def close(self) -> None:
        """Says that it is not known any more what has been revoked: nobody is let in."""
        if self.is_open:
            self._opened.clear()
            self._tell(None)

    async def opened(self) -> None:
        """Waits a short while for the opening; Unavailable when it does not come."""
        if self.is_open:
            return
        starting = self._started_at + STARTING_SECONDS - self._clock.monotonic()
        try:
            async with asyncio.timeout(max(OPENING_SECONDS, starting)):
                await self._opened.wait()
        except TimeoutError:
            raise _unknown() from None

    def refusal(self, identity: Identity) -> Failure | None:
        """Returns why the bearer of this identity is not let in, or None."""
        if not self.is_open:
            return _unknown()
        subject = identity.subject
        sources = ((subject, ""), (subject, identity.session_id), ("", identity.key_id))
        known = [self._by_key[source] for source in sources if source in self._by_key]
        ended = any(revocation.hits(identity) for revocation in known)
        if ended or identity.issued_at < self._nothing_before:
            return Unauthenticated("the session was ended; sign in again", reason="TOKEN_REVOKED")
        return None

    def _keep(self, revocation: Revocation) -> None:
        key = (revocation.subject, revocation.key_id or revocation.session_id)
        known = self._by_key.get(key)
        if known is None or _rank(known) <= _rank(revocation):
            self._by_key[key] = revocation

    def _sweep(self) -> bool:
        """Forgets what has expired, at most once a minute; tells whether that was enough."""
        now = self._clock.now()
        if now - self._swept_at >= SWEEP_INTERVAL:
            self._swept_at = now
            self._by_key = {key: it for key, it in self._by_key.items() if it.expires_at > now}
        return len(self._by_key) <= self._most

    def _tell(self, subjects: Subjects) -> None:
        for listener in self._listeners:
            listener(subjects)


def _rank(revocation: Revocation) -> tuple[float, datetime]:
    """Orders revocations of one user or session by how much they refuse, and for how long."""
    return revocation.generation or float("inf"), revocation.expires_at


def _unknown() -> Unavailable:
    return Unavailable(
        "it is not known which sessions were ended, so nobody is let in",
        retry_after=timedelta(seconds=OPENING_SECONDS),
    )
