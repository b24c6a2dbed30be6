"""The paths that are not in the contracts: API information, health, metrics, OpenAPI."""

from __future__ import annotations

from typing import Any

import orjson
import prometheus_client
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as PageRoute

from gateway.exchange import Exchange
from gateway.health import Health
from gateway.http import not_allowed, not_found
from gateway.problems import MEDIA_TYPE

JSON = "application/json"


def pages(health: Health, openapi: bytes, *, title: str, version: str, metrics: bool) -> Starlette:
    """Returns the application of the fixed paths; all others are problem 404.

    `metrics` is whether everybody who reaches the door may read them.
    """
    information = {
        "name": title,
        "version": version,
        "openapi": "/openapi.json",
        "health": "/health",
    }

    async def show_information(_request: Request) -> Response:
        return _json(information)

    async def show_openapi(_request: Request) -> Response:
        return Response(openapi, media_type=JSON)

    async def show_metrics(_request: Request) -> Response:
        text = prometheus_client.generate_latest()
        return Response(text, media_type=prometheus_client.CONTENT_TYPE_LATEST)

    async def show_health(_request: Request) -> Response:
        report = await health.report()
        status = "healthy" if report.healthy else "unhealthy"
        return _json(
            {"status": status, "services": report.services}, 200 if report.healthy else 503
        )

    async def show_live(_request: Request) -> Response:
        return _json({"status": "alive"})

    async def show_ready(_request: Request) -> Response:
        report = await health.report()
        status = "ready" if report.ready else "not ready"
        return _json({"status": status, "services": report.services}, 200 if report.ready else 503)

    routes = [
        PageRoute("/", show_information),
        PageRoute("/openapi.json", show_openapi),
        PageRoute("/health", show_health),
        PageRoute("/livez", show_live),
        PageRoute("/readyz", show_ready),
    ]
    if metrics:
        routes.append(PageRoute("/metrics", show_metrics))
    return Starlette(routes=routes, exception_handlers={HTTPException: _refuse})


async def _refuse(request: Request, error: Any) -> Response:
    """Answers Starlette's HTTPException, which it raises for 404 and 405 only."""
    exchange: Exchange = request.scope["exchange"]
    problem = not_found(request.url.path)
    if error.status_code == 405:
        problem = not_allowed((error.headers or {}).get("Allow", "GET"))
    exchange.reason = problem.reason
    return Response(
        problem.document(exchange.request_id),
        problem.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


def _json(value: object, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type=JSON)
