"""A service whose database goes away says so, and recovers by itself when it is back."""

from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from auth_service.bootstrap import running
from auth_service.config import Settings
from local.postgres import Postgres
from servicekit import migrations
from servicekit.config import WriterHost

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def test_health_follows_the_database(postgres: Postgres, postgres_url: str) -> None:
    """Whoever watches the health sees NOT_SERVING while the database is down, then SERVING."""
    migrations.upgrade("auth_service", postgres_url)
    settings = Settings(
        database_url=postgres_url, listen="127.0.0.1:0", bcrypt_cost=4, writer=WriterHost.THREAD
    )
    async with (
        running(settings) as service,
        grpc.aio.insecure_channel(f"127.0.0.1:{service.port}") as channel,
    ):
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=60)
        seen = [(await watch.read()).status]
        postgres.stop()
        try:
            seen.append((await watch.read()).status)
        finally:
            postgres.start()
        seen.append((await watch.read()).status)

    assert seen == [SERVING, NOT_SERVING, SERVING]
