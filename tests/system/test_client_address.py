"""auth_service sees the address that a client has, and not the one that it would like to have."""

from __future__ import annotations

import secrets

import httpx
import pytest

from gpuaas.auth.v1 import auth_service_pb2 as auth
from servicekit.errors import Unauthenticated
from tests.system.conftest import Started
from tests.system.people import Door, bearer

CLAIMED = "203.0.113.9"


async def addresses(door: Door, user_id: str) -> list[str]:
    """Returns the addresses in the audit log's entries about a user, the latest first."""
    admin = bearer((await door.admin()).access_token)
    request = auth.ListAuditEventsRequest(target=user_id, page_size=500)
    events = (await door.auth.ListAuditEvents(request, metadata=admin)).audit_events
    return [event.address for event in events]


async def test_a_guess_is_counted_where_it_comes_from(started: Started) -> None:
    """Through the gateway as a trusted proxy says; by gRPC as the connection does."""
    async with Door(started.system) as door:
        session = await door.register("eve")
        guess = {"username": session.user.username, "password": secrets.token_hex(8)}
        async with httpx.AsyncClient(base_url=started.system.url, timeout=60) as client:
            headers = {"x-forwarded-for": f"6.6.6.6, {CLAIMED}"}
            answer = await client.post("/api/v1/auth/login", json=guess, headers=headers)
            assert 401 == answer.status_code
        assert CLAIMED == (await addresses(door, session.user.id))[0]

        forged = (
            ("x-client-address", "198.51.100.1"),
            ("x-forwarder-authorization", f"Bearer {session.access_token}"),
        )
        with pytest.raises(Unauthenticated):
            await door.auth.Login(auth.LoginRequest(**guess), metadata=forged)
        assert "127.0.0.1" == (await addresses(door, session.user.id))[0]
