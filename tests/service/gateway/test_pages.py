"""The paths that are not in the contracts: health in all its forms, metrics, OpenAPI, CORS."""

from __future__ import annotations

import re

import httpx

from gateway.contracts import load_contracts
from gateway.openapi import path_of
from gateway.routes import routes_of
from tests.service.gateway.conftest import House, running


async def test_health_when_all_serve(client: httpx.AsyncClient) -> None:
    """The shape of the source document, with each service's state beside it."""
    answer = await client.get("/health")

    services = {"auth": "serving", "job": "serving", "scheduler": "serving"}
    assert (200, {"status": "healthy", "services": services}) == (
        answer.status_code,
        answer.json(),
    )


async def test_health_names_the_service_that_does_not_serve(house: House) -> None:
    """Not serving and unreachable are told apart; the gateway itself still lives."""
    await house.services["job"].set_serving(serving=False)
    await house.services["scheduler"].drain()
    answer = await house.client.get("/health")

    expected = {"auth": "serving", "job": "not serving", "scheduler": "unreachable"}
    assert (503, "unhealthy", expected) == (
        answer.status_code,
        answer.json()["status"],
        answer.json()["services"],
    )
    assert 503 == (await house.client.get("/readyz")).status_code
    assert 200 == (await house.client.get("/livez")).status_code


async def test_a_draining_gateway_is_alive_and_not_ready(house: House) -> None:
    """A balancer sends no more, while what is under way is answered."""
    assert 200 == (await house.client.get("/readyz")).status_code
    house.gateway.drain()

    assert 503 == (await house.client.get("/readyz")).status_code
    assert 200 == (await house.client.get("/api/v1/jobs/1")).status_code


async def test_metrics_count_by_route_and_status(client: httpx.AsyncClient) -> None:
    """The label is the binding, never the path with its ids."""
    await client.get("/api/v1/jobs/some-id")
    text = (await client.get("/metrics")).text

    series = r'gpuaas_http_duration_seconds_count{route="GET /api/v1/jobs/{job_id}",status="200"}'
    assert re.search(re.escape(series) + r" [1-9]", text)
    assert "some-id" not in text


async def test_in_production_metrics_are_not_for_everybody() -> None:
    """They have an address of their own there."""
    safe = {"plaintext": True, "http_plaintext": True, "service_password": "Gq5v-3kZr-8wTn-x2Lm"}
    async with running(environment="production", **safe) as house:
        answer = await house.client.get("/metrics")
    assert (404, "ROUTE_NOT_FOUND") == (answer.status_code, answer.json()["reason"])


async def test_the_root_tells_where_things_are(client: httpx.AsyncClient) -> None:
    """What it is, and each place it names is there."""
    places = (await client.get("/")).json()

    assert "GPU as a Service" == places["name"]
    for place in ("openapi", "health"):
        assert 200 == (await client.get(places[place])).status_code


async def test_openapi_has_every_route_and_no_other(client: httpx.AsyncClient) -> None:
    """The served document lists exactly the bindings of the contracts."""
    document = (await client.get("/openapi.json")).json()

    listed = {(v.upper(), path) for path, item in document["paths"].items() for v in item}
    routes = routes_of(load_contracts().services)
    assert {(route.verb, path_of(route)) for route in routes} == listed


async def test_every_binding_is_routed(client: httpx.AsyncClient) -> None:
    """No path of the contracts is unknown to the running gateway."""
    for route in routes_of(load_contracts().services):
        path = re.sub(r"{[^}]*}", "x", path_of(route))
        answer = await client.request(route.verb, path, headers={"X-Request-Timeout": "1"})

        assert (path, False) == (path, '"ROUTE_NOT_FOUND"' in answer.text)
        assert answer.status_code != 405


async def test_browsers_of_allowed_origins_may_call() -> None:
    """A preflight names the headers that our clients send; other origins get nothing."""
    async with running(cors_origins="https://ui.example") as house:
        preflight = {
            "Origin": "https://ui.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,idempotency-key",
        }
        allowed = await house.client.options("/api/v1/jobs", headers=preflight)
        refused = await house.client.options(
            "/api/v1/jobs", headers={**preflight, "Origin": "https://other.example"}
        )

    assert "https://ui.example" == allowed.headers["access-control-allow-origin"]
    assert 200 == allowed.status_code
    assert "access-control-allow-origin" not in refused.headers


async def test_without_configured_origins_there_is_no_cors(client: httpx.AsyncClient) -> None:
    """Other sites' pages may not call unless somebody said so."""
    answer = await client.get("/livez", headers={"Origin": "https://ui.example"})
    assert "access-control-allow-origin" not in answer.headers
