"""When a stream ends though its handler would go on: token, deadline, or a draining server.

A token ends by its expiry or by a revocation, which closes what it had opened.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import Any

from servicekit.call import Call
from servicekit.clock import Clock
from servicekit.errors import DeadlineExceeded, Failure, Unauthenticated, Unavailable
from servicekit.identity import Identity, Revocations
from servicekit.identity.revocation import Subjects
from servicekit.interceptors.admission import Context

FIRST_SECONDS = 10.0
"""A stream that is ended while its first answer is on the way has so long to get it out."""

NOTICE_SECONDS = 60.0
"""A stream that ends itself hears of its end so long before: the longest that a call takes."""


@dataclass(slots=True)
class _OpenStream:
    """A stream being served; ``leave`` has it end itself, where it can."""

    timeout: asyncio.Timeout
    identity: Identity | None
    leave: Callable[[], None] | None = None

    def end_by(self, moment: float) -> None:
        """Ends it at a moment of the loop's time, unless it ends before."""
        if not self.timeout.expired() and moment < (self.timeout.when() or float("inf")):
            self.timeout.reschedule(moment)


class OpenStreams:
    """The streams being served, each with its caller, so that they can be ended from outside."""

    def __init__(self, clock: Clock, revocations: Revocations | None = None) -> None:
        self._clock = clock
        self._open: dict[asyncio.Task[Any] | None, _OpenStream] = {}
        self._draining = False
        self._revocations = revocations
        if revocations is not None:
            revocations.subscribe(self._end_revoked)

    def end_all(self) -> None:
        """Ends all open streams with UNAVAILABLE, and each later one at once.

        Those that end themselves are told, and have as long as the server waits for them.
        """
        self._draining = True
        now = asyncio.get_running_loop().time()
        for stream in self._open.values():
            if stream.leave is not None:
                stream.leave()
            else:
                stream.end_by(now)

    @contextmanager
    def ending_itself(self, leave: Callable[[], None]) -> Iterator[None]:
        """Within it the stream that this task serves is told to end, before it is ended.

        ``leave`` is called when the server drains, when the token is revoked, and a while before
        the stream's time is over.
        """
        loop, stream = asyncio.get_running_loop(), self._open[asyncio.current_task()]
        stream.leave = leave
        left = (stream.timeout.when() or float("inf")) - loop.time()
        notice = loop.call_later(left - min(NOTICE_SECONDS, left / 2), leave)
        try:
            yield
        finally:
            notice.cancel()

    async def serve(self, call: Call, stream: Awaitable[None]) -> None:
        """Runs one stream to its end, or to the end of its time.

        Raises:
            Unauthenticated: TOKEN_EXPIRED, the caller's token ran out, or TOKEN_REVOKED.
            DeadlineExceeded: the call's time ran out.
            Unavailable: the server drains, or cannot know any more whether the token is good.
        """
        seconds, end = self._end_of(call)
        timeout = asyncio.timeout(0 if self._draining else seconds)
        task = asyncio.current_task()
        try:
            async with timeout:
                self._open[task] = _OpenStream(timeout, call.identity)
                await stream
        except TimeoutError:
            if not timeout.expired():
                raise
            raise (_draining() if self._draining else self._refusal(call.identity) or end) from None
        finally:
            self._open.pop(task, None)

    def _end_revoked(self, subjects: Subjects) -> None:
        """Ends the streams of these users whose token does not count any more."""
        now = asyncio.get_running_loop().time()
        for stream in self._open.values():
            identity = stream.identity
            concerned = identity and (subjects is None or identity.subject in subjects)
            if concerned and self._refusal(identity):
                if stream.leave is not None:
                    stream.leave()
                stream.end_by(now if stream.leave is None else now + NOTICE_SECONDS)

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
    write: Callable[[Any], Awaitable[None]] = partial(_write_first, context)
    async with aclosing(answers):  # type: ignore[type-var]
        async for answer in answers:
            await write(answer)
            write = context.write


async def _write_first(context: Context, answer: Any) -> None:
    """Sends the first answer; who is cancelled meanwhile waits until it has left.

    The headers go with it. Until gRPC knows that they are sent it would send them again with the
    status, which fails, and the caller would never hear that the stream is over.
    """
    writing = asyncio.ensure_future(context.write(answer))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait({writing}, timeout=FIRST_SECONDS)
        if writing.done() and not writing.cancelled():
            writing.exception()  # Nobody else asks for it.
        raise


def _draining() -> Unavailable:
    return Unavailable(
        "the server is going away; resume elsewhere", retry_after=timedelta(milliseconds=100)
    )
