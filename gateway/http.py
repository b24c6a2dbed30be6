"""The door itself: finds the endpoint of a request, and turns whatever is raised into a problem."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter, time
from typing import Any

import prometheus_client

from gateway.endpoints import Endpoint
from gateway.exchange import ClientGone, Exchange
from gateway.problems import CLIENT_CLOSED_REQUEST, Problem
from gateway.routes import NoRoute, RouteTable, VerbNotAllowed
from servicekit import logs
from servicekit.errors import Failure
from servicekit.ids import new_id

PAGE = "page"
"""What logs and metrics call a request that no contract route answers."""

Application = Callable[[Any, Any, Any], Any]

_SOURCE = "gateway.access"
_log = logs.logger(_SOURCE)
_DURATION = prometheus_client.Histogram(
    "gpuaas_http_duration_seconds",
    "Time from an HTTP request's arrival to the end of its answer, by route and status.",
    ("route", "status"),
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0),
)


class Door:
    """The ASGI application for HTTP: contract routes by the table, everything else by `pages`.

    The table comes first and is our own, because a submit should not pay for a walk over a list
    of regular expressions. `pages` finds the exchange in its scope under "exchange".
    """

    def __init__(self, table: RouteTable[Endpoint], pages: Application) -> None:
        self._table = table
        self._pages = pages
        self._observers: dict[tuple[str, int], Callable[[float], None]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serves one HTTP request."""
        started = perf_counter()
        exchange = Exchange.of(scope, receive, send)
        try:
            exchange.check_head()
            await self._dispatch(exchange)
        except ClientGone:
            exchange.status = CLIENT_CLOSED_REQUEST
        except Problem as problem:
            await _refuse(exchange, problem)
        except Failure as failure:
            await _refuse(exchange, Problem.of(failure))
        except Exception as error:
            await _refuse(exchange, _unexpected(exchange, error))
        finally:
            self._report(exchange, perf_counter() - started)

    async def _dispatch(self, exchange: Exchange) -> None:
        try:
            endpoint, path = self._table.find(exchange.scope["method"], exchange.path)
        except NoRoute:
            exchange.scope["exchange"] = exchange
            await self._pages(exchange.scope, exchange.receive, exchange.send_watched)
        except VerbNotAllowed as error:
            raise not_allowed(", ".join(error.allowed)) from None
        else:
            exchange.route = endpoint.route.key
            await endpoint.serve(exchange, path)

    def _report(self, exchange: Exchange, seconds: float) -> None:
        route, status = exchange.route or PAGE, exchange.status
        observe = self._observers.get((route, status))
        if observe is None:
            observe = _DURATION.labels(route, str(status)).observe
            self._observers[route, status] = observe
        observe(seconds)
        fields = {
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 2),
            "request_id": exchange.request_id,
        }
        if exchange.reason:
            fields["reason"] = exchange.reason
        logs.write("info" if exchange.route else "debug", _SOURCE, "http", time(), fields)


def not_found(path: str) -> Problem:
    """Returns the problem of a path that nothing answers."""
    return Problem(404, "ROUTE_NOT_FOUND", f"there is nothing at {path[:200]}; see /openapi.json")


def not_allowed(listed: str) -> Problem:
    """Returns the problem of a path that answers other HTTP methods only: those `listed`."""
    return Problem(
        405, "METHOD_NOT_ALLOWED", f"this path answers {listed}", headers={"allow": listed}
    )


async def _refuse(exchange: Exchange, problem: Problem) -> None:
    exchange.reason = problem.reason
    if exchange.status == 0:
        await exchange.refuse(problem)


def _unexpected(exchange: Exchange, error: Exception) -> Problem:
    """Logs a defect under an id, and returns all that the caller may know of it: that id."""
    error_id = new_id()
    _log.error("unexpected error", error_id=error_id, route=exchange.route, exc_info=error)
    return Problem(500, "INTERNAL", f"internal error {error_id}", metadata={"error_id": error_id})
