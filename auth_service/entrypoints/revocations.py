"""The stream of revocations: those in force, then the event log's, and a sign of life each second.

Everybody who verifies tokens follows it, this service itself too.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TypeAlias

from auth_service.application.ports import Keys
from auth_service.domain.events import TokensRevoked
from auth_service.entrypoints import encoding
from gpuaas.auth.v1.token_service_pb2 import WatchRevocationsResponse
from servicekit.clock import Clock
from servicekit.errors import ResourceExhausted
from servicekit.eventlog import EventLog
from servicekit.identity import News, Revocation
from servicekit.transaction import RecordedEvent

BOOKMARK = timedelta(seconds=1)
DELIVERY = timedelta(seconds=1)
BATCH = 500
MOST_WATCHES = 256
SNAPSHOT = -1

DecodeRevocation: TypeAlias = Callable[[bytes], TokensRevoked]
Placed: TypeAlias = tuple[int, TokensRevoked]


class RevocationFeed:
    """Gives the revocations to any number of watchers, up to MOST_WATCHES."""

    def __init__(self, log: EventLog, keys: Keys, decode: DecodeRevocation, clock: Clock) -> None:
        self._log = log
        self._keys = keys
        self._decode = decode
        self._clock = clock
        self._sent: dict[object, int] = {}
        self._moved = asyncio.Event()

    async def messages(self, resume_token: str) -> AsyncIterator[WatchRevocationsResponse]:
        """Everything after the token, or in force and after it, as long as the caller iterates.

        Raises:
            InvalidArgument: RESUME_TOKEN_INVALID.
            OutOfRange: RESUME_TOKEN_EXPIRED.
            ResourceExhausted: OVERLOADED, too many watch.
        """
        if len(self._sent) >= MOST_WATCHES:
            raise ResourceExhausted(f"{MOST_WATCHES} others watch already", retry_after=BOOKMARK)
        watcher = object()
        self._sent[watcher] = 0
        try:
            async for revoked, after in self._batches(resume_token):
                yield WatchRevocationsResponse(
                    revocations=encoding.revocations(revoked),
                    resume_token=self._token(after),
                    bookmark=not revoked,
                )
                # Whoever comes for the next message has sent this one.
                self._sent[watcher] = after
                self._wake()
        finally:
            del self._sent[watcher]
            self._wake()

    async def delivered(self) -> None:
        """Waits until all that is in the log was sent to every watcher; DELIVERY at the longest.

        An answer that waited for this is true even if this process ends right after giving it: the
        news has left.
        """
        head = self._log.head
        with suppress(TimeoutError):
            async with asyncio.timeout(DELIVERY.total_seconds()):
                while any(sent < head for sent in self._sent.values()):
                    await self._moved.wait()

    async def news(self, resume_token: str) -> AsyncGenerator[News, None]:
        """The same for this process."""
        async for revoked, after in self._batches(resume_token):
            yield News([_told(it) for _, it in revoked], self._token(after), bookmark=not revoked)

    async def _batches(self, resume_token: str) -> AsyncIterator[tuple[list[Placed], int]]:
        """Revocations with the revision that they reach; empty ones are bookmarks.

        Within the opening snapshot it is SNAPSHOT: who breaks off there begins again.
        """
        if resume_token:
            after = self._log.revision(resume_token)
        else:
            in_force = await self._keys.revocations(self._clock.now())
            after = in_force.revision
            for start in range(0, len(in_force.revoked), BATCH):
                yield in_force.revoked[start : start + BATCH], SNAPSHOT
            yield [], after
        async for batch in self._log.follow(after, bookmark=BOOKMARK):
            after = batch[-1].revision if batch else after
            yield self._revoked(batch), after

    def _token(self, after: int) -> str:
        return "" if after == SNAPSHOT else self._log.token(after)

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    def _revoked(self, batch: Sequence[RecordedEvent]) -> list[Placed]:
        return [
            (event.revision, self._decode(event.payload))
            for event in batch
            if event.kind == TokensRevoked.kind
        ]


def _told(revoked: TokensRevoked) -> Revocation:
    return Revocation(
        revoked.user_id,
        revoked.session_id,
        revoked.generation,
        revoked.expires_at,
        revoked.key_id,
    )
