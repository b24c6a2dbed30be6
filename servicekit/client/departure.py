"""What each call takes along: a deadline, ids, a token; and what becomes of its failure."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from time import monotonic
from typing import TypeAlias

import grpc

from servicekit.call import call_or_none
from servicekit.errors import DeadlineExceeded, Failure, Unauthenticated, Unavailable
from servicekit.ids import child_traceparent, new_id
from servicekit.logs import logger
from servicekit.statuses import failure_from_rpc
from servicekit.tls import why_no_connection

TokenSource: TypeAlias = Callable[[], Awaitable[str]]
"""Gives the service's own bearer token, a valid one at each call."""

Metadata: TypeAlias = Sequence[tuple[str, str | bytes]]

COMPLAINT_INTERVAL = timedelta(seconds=30).total_seconds()

_log = logger(__name__)


class Departure:
    """What each call to one `target` takes along, and who hears of its failures."""

    def __init__(
        self,
        target: str,
        token: TokenSource | None,
        on_refused: Callable[[], None] | None,
        *,
        over_tls: bool,
    ) -> None:
        self.target = target
        self._token = token
        self._on_refused = on_refused
        self._over_tls = over_tls
        self._complained_at = float("-inf")

    def failed(self, error: grpc.aio.AioRpcError) -> Failure:
        """Returns what a call failed with, and tells who has to know."""
        failure = failure_from_rpc(error)
        self.hear(failure)
        return failure

    def hear(self, failure: Failure) -> None:
        """Tells who has to know of a failure."""
        if isinstance(failure, Unauthenticated) and self._on_refused is not None:
            self._on_refused()
        elif isinstance(failure, Unavailable):
            self._complain(failure)

    def _complain(self, failure: Unavailable) -> None:
        """Logs what TLS has against a connection, which nobody else would say in plain words."""
        why = why_no_connection(failure.message, over_tls=self._over_tls)
        if why and monotonic() - self._complained_at > COMPLAINT_INTERVAL:
            self._complained_at = monotonic()
            _log.error("no connection", target=self.target, why=why)

    def seconds(self, timeout: float | None, cap: float) -> float:
        """Returns how long the call may take; DeadlineExceeded if there is no time left."""
        seconds = cap if timeout is None else min(timeout, cap)
        call = call_or_none()
        if call is not None and call.deadline is not None:
            seconds = min(seconds, call.deadline - monotonic())
        if seconds <= 0:
            raise DeadlineExceeded("no time is left for another call")
        return seconds

    async def metadata(self, given: Metadata | None) -> Metadata:
        """Returns the caller's own metadata, completed; what is given is not replaced."""
        call = call_or_none()
        headers: dict[str, str | bytes] = {
            "x-request-id": (call.request_id if call else "") or new_id(),
            "traceparent": child_traceparent(call.traceparent if call else None),
        }
        if self._token is not None:
            headers["authorization"] = f"Bearer {await self._token()}"
        elif call is not None and call.authorization is not None:
            headers["authorization"] = call.authorization
        for key, _ in given or ():
            headers.pop(key, None)
        return (*headers.items(), *(given or ()))
