"""When a stream ends though its handler would go on: token, deadline, or a draining server.

A token ends by its expiry or by a revocation, which closes what it had opened.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing
from datetime import timedelta
from time import monotonic
from typing import Any

from servicekit.call import Call
from servicekit.clock import Clock
from servicekit.errors import DeadlineExceeded, Failure, Unauthenticated, Unavailable
from servicekit.identity import Identity, Revocations
from servicekit.identity.revocation import Subjects
from servicekit.interceptors.admission import Context


class OpenStreams:
    """The streams being served, each with its caller, so that they can be ended from outside."""

    def __init__(self, clock: Clock, revocations: Revocations | None = None) -> None:
        self._clock = clock
        self._open: dict[asyncio.Timeout, Identity | None] = {}
        self._draining = False
        self._revocations = revocations
        if revocations is not None:
            revocations.subscribe(self._end_revoked)

    def end_all(self) -> None:
        """Ends all open streams with UNAVAILABLE, and each later one at once."""
        self._draining = True
        now = asyncio.get_running_loop().time()
        for timeout in self._open:
            if not timeout.expired():
                timeout.reschedule(now)

    def seconds_left(self, call: Call) -> float:
        """Returns how long a stream may last at most."""
        return self._end_of(call)[0]

    async def serve(self, call: Call, stream: Awaitable[None]) -> None:
        """Runs one stream to its end, or to the end of its time.

        Raises:
            Unauthenticated: TOKEN_EXPIRED, the caller's token ran out, or TOKEN_REVOKED.
            DeadlineExceeded: the call's time ran out.
            Unavailable: the server drains, or cannot know any more whether the token is good.
        """
        seconds, end = self._end_of(call)
        timeout = asyncio.timeout(0 if self._draining else seconds)
        try:
            async with timeout:
                self._open[timeout] = call.identity
                await stream
        except TimeoutError:
            if not timeout.expired():
                raise
            raise (_draining() if self._draining else self._refusal(call.identity) or end) from None
        finally:
            self._open.pop(timeout, None)

    def _end_revoked(self, subjects: Subjects) -> None:
        """Ends the streams of these users whose token does not count any more."""
        now = asyncio.get_running_loop().time()
        for timeout, identity in self._open.items():
            concerned = identity and (subjects is None or identity.subject in subjects)
            if concerned and self._refusal(identity) and not timeout.expired():
                timeout.reschedule(now)

    def _refusal(self, identity: Identity | None) -> Failure | None:
        if identity is None or self._revocations is None:
            return None
        return self._revocations.refusal(identity)

    def _end_of(self, call: Call) -> tuple[float, Failure]:
        """Returns the seconds that the stream may last, and what is then said."""
        left = call.deadline - monotonic() if call.deadline is not None else float("inf")
        if call.identity is not None:
            valid = (call.identity.expires_at - self._clock.now()).total_seconds()
            if valid < left:
                return valid, Unauthenticated("the token has expired", reason="TOKEN_EXPIRED")
        return left, DeadlineExceeded("the stream's time is over; resume it with its token")


async def write_all(answers: AsyncIterator[Any], context: Context) -> None:
    """Sends what an async generator gives, and closes it whatever happens."""
    async with aclosing(answers):  # type: ignore[type-var]
        async for answer in answers:
            await context.write(answer)


def _draining() -> Unavailable:
    return Unavailable(
        "the server is going away; resume elsewhere", retry_after=timedelta(milliseconds=100)
    )
