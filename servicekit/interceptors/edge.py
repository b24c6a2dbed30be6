"""The one server interceptor: it wraps each method once, so that a call pays only for work."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeAlias

import grpc

from servicekit.clock import Clock, SystemClock
from servicekit.identity import Verifier
from servicekit.interceptors.access import AccessTable, infrastructure_access
from servicekit.interceptors.admission import Admission
from servicekit.interceptors.handlers import unknown_method, wrap_single, wrap_streaming
from servicekit.interceptors.report import CallReports
from servicekit.interceptors.streams import OpenStreams

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"


class EdgeInterceptor(grpc.aio.ServerInterceptor):
    """Admits calls by `access`, verifies tokens, sets deadlines, turns errors into statuses.

    `unary_cap` and `stream_cap` bound every call, also one that came without a deadline; a stream
    ends besides when its caller's token does, by expiry or by revocation. Without a `verifier`
    only public methods are open.
    """

    def __init__(
        self,
        access: AccessTable,
        verifier: Verifier | None,
        *,
        production: bool = False,
        unary_cap: timedelta = timedelta(seconds=30),
        stream_cap: timedelta = timedelta(hours=1),
        clock: Clock | None = None,
    ) -> None:
        infrastructure = infrastructure_access(production=production)
        self._reports = CallReports()
        self._admission = Admission({**access, **infrastructure}, verifier, self._reports)
        self._quiet = frozenset(infrastructure)
        self._unary_cap = unary_cap.total_seconds()
        self._stream_cap = stream_cap.total_seconds()
        revocations = verifier.revocations if verifier is not None else None
        self._streams = OpenStreams(clock or SystemClock(), revocations)
        self._wrapped: dict[str, Handler] = {}
        self._unknown = unknown_method()

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Returns the wrapped handler, or one that says UNIMPLEMENTED."""
        method = handler_call_details.method
        handler = self._wrapped.get(method)
        if handler is not None:
            return handler
        inner = await continuation(handler_call_details)
        if inner is None:
            return self._unknown
        self._wrapped[method] = self._wrap(method, inner)
        return self._wrapped[method]

    def end_streams(self) -> None:
        """Ends every open stream with UNAVAILABLE, and later ones at once: the server drains."""
        self._streams.end_all()

    def flush_reports(self) -> None:
        """Writes what is still to be told about finished calls."""
        self._reports.flush()

    def _wrap(self, method: str, inner: Handler) -> Handler:
        gate = self._admission.gate(method, quiet=method in self._quiet)
        if inner.response_streaming:
            return wrap_streaming(gate, inner, self._stream_cap, self._streams)
        return wrap_single(gate, inner, self._unary_cap)
