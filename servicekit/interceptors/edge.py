"""The edge of a server: it wraps each method once, so that a call pays only for work.

The methods are wrapped where they are registered. An interceptor of grpc.aio's would do the same
and be asked again at every call, which costs 9 us of 230.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, Protocol, TypeAlias

import grpc

from servicekit.clock import Clock, SystemClock
from servicekit.identity import Verifier
from servicekit.interceptors.access import AccessTable, infrastructure_access
from servicekit.interceptors.admission import Admission
from servicekit.interceptors.handlers import unknown_method, wrap_single, wrap_streaming
from servicekit.interceptors.report import CallReports
from servicekit.interceptors.streams import OpenStreams

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Registry(Protocol):
    """Where handlers are registered: a server, to generated code."""

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, Handler]
    ) -> None:
        """Takes a service's handlers by the names of their methods."""

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Any) -> None:
        """Takes what is asked for the handlers of whole services."""


class Edge:
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

    def before(self, server: Registry) -> "Guarded":
        """Returns what to register services with, so that they come to `server` wrapped."""
        server.add_generic_rpc_handlers((_Unknown(),))
        return Guarded(self, server)

    def wrap(self, method: str, inner: Handler) -> Handler:
        """Returns the handler that serves "/package.Service/Method" by means of `inner`."""
        gate = self._admission.gate(method, quiet=method in self._quiet)
        if inner.response_streaming:
            return wrap_streaming(gate, inner, self._stream_cap, self._streams)
        return wrap_single(gate, inner, self._unary_cap)

    def ending_itself(self, leave: Callable[[], None]) -> AbstractContextManager[None]:
        """Has the stream being served told to end, by ``leave``, before it is ended."""
        return self._streams.ending_itself(leave)

    def end_streams(self) -> None:
        """Ends every open stream, and later ones at once: the server drains."""
        self._streams.end_all()

    def flush_reports(self) -> None:
        """Writes what is still to be told about finished calls."""
        self._reports.flush()


class Guarded:
    """A server to whoever registers services: each handler goes on to the true one wrapped.

    `handlers` has them all, by "/package.Service/Method". What is registered in a way that could
    not be wrapped is refused, by `check` at the latest.
    """

    def __init__(self, edge: Edge, server: Registry) -> None:
        self._edge = edge
        self._server = server
        self.handlers: dict[str, Handler] = {}
        self._named: set[str] = set()
        self._announced: set[str] = set()

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, Handler]
    ) -> None:
        """Wraps a service's handlers and registers them."""
        wrapped: dict[str, Handler] = {}
        for name, handler in method_handlers.items():
            method = f"/{service_name}/{name}"
            wrapped[name] = self.handlers[method] = self._edge.wrap(method, handler)
        self._named.add(service_name)
        self._server.add_registered_method_handlers(service_name, wrapped)

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Any) -> None:
        """Notes whose they are: generated code registers the same handlers by their names too.

        Raises:
            TypeError: one says nothing of its service, so that nobody could tell who may call it.
        """
        for handler in generic_rpc_handlers:
            if not isinstance(handler, grpc.ServiceRpcHandler):
                raise TypeError(f"expected the handlers of one service, found {handler!r}")
            self._announced.add(handler.service_name())

    def check(self) -> None:
        """Raises TypeError for services that came without the names of their methods.

        They would look registered, and answer UNIMPLEMENTED to every call.
        """
        if nameless := self._announced - self._named:
            raise TypeError(
                f"{', '.join(sorted(nameless))}: registered by add_generic_rpc_handlers alone; "
                "expected add_registered_method_handlers too, as newly generated code calls it"
            )


class _Unknown(grpc.GenericRpcHandler):
    """Answers what no service has registered."""

    def __init__(self) -> None:
        self._handler = unknown_method()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        """Returns the handler that says UNIMPLEMENTED."""
        return self._handler
