"""Following the issuer's stream of revocations, from a cursor, and noticing when it is silent.

While the issuer cannot be heard nothing new is learnt. For `grace` that is accepted, so that a
restart of the issuer is not an outage of everything; after it nobody is let in.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from servicekit.clock import Clock
from servicekit.errors import Failure, Kind, Unavailable
from servicekit.identity.revocation import Revocation, Revocations
from servicekit.logs import logger

QUIET_SECONDS = 5.0
"""The issuer says something every second; after so long a silence the stream is taken for dead."""

GRACE = timedelta(minutes=2)

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class News:
    """One message of the stream; a bookmark has no revocations and ends the opening snapshot."""

    revocations: Sequence[Revocation]
    resume_token: str
    bookmark: bool


WatchRevocations: TypeAlias = Callable[[str], AsyncGenerator[News, None]]
"""Streams news after a resume token; from an empty one all that is in force, then news."""


class Follower:
    """Keeps `revocations` up to date; `run` is a loop's work, which begins again after a failure.

    They open with the first bookmark and close once nothing was heard for `grace`.
    """

    def __init__(
        self,
        watch: WatchRevocations,
        revocations: Revocations,
        clock: Clock,
        grace: timedelta = GRACE,
    ) -> None:
        self._watch = watch
        self._revocations = revocations
        self._clock = clock
        self._grace = grace.total_seconds()
        self._resume_token = ""
        self._heard_at = clock.monotonic()

    async def run(self) -> None:
        """Follows until the stream ends or fails.

        Raises:
            Failure: the stream broke, was refused or fell silent.
        """
        try:
            async with aclosing(self._watch(self._resume_token)) as stream:
                while True:
                    # Not wait_for: up to Python 3.11 it can swallow a cancellation.
                    async with asyncio.timeout(QUIET_SECONDS):
                        news = await anext(stream)
                    self._take(news)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Unavailable("the issuer's revocations have fallen silent") from None
        except Failure as failure:
            if failure.kind in (Kind.OUT_OF_RANGE, Kind.INVALID_ARGUMENT):
                # The cursor means nothing any more: what is in force is told from the beginning.
                self._resume_token = ""
            raise
        finally:
            self._check_silence()

    def _take(self, news: News) -> None:
        self._revocations.add(news.revocations)
        self._resume_token = news.resume_token
        self._heard_at = self._clock.monotonic()
        if news.bookmark and not self._revocations.is_open:
            _log.info("revocations are known", count=len(self._revocations))
            self._revocations.open()

    def _check_silence(self) -> None:
        silent = self._clock.monotonic() - self._heard_at
        if self._revocations.is_open and silent > self._grace:
            _log.error("revocations unknown for too long: nobody is let in", seconds=round(silent))
            self._revocations.close()
            # What was missed may not be kept any more: begin with all that is in force.
            self._resume_token = ""
