"""For whom the gateway calls: API keys, tickets, forwarded addresses, HTTPS."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from google.protobuf.message import Message

from local.certificates import make_certificates
from tests.service.gateway.conftest import House, running
from tests.service.gateway.services import Witness
from tests.service.gateway.test_streams import WATCH, read

PASSWORD = "the gateway's own password"
KEY = {"authorization": "Bearer gpuaas_good"}


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """A gateway with an account at auth_service, behind a proxy on this machine."""
    async with running(service_password=PASSWORD, trusted_proxies="127.0.0.1") as house:
        yield house


def tokens(witness: Witness, method: str) -> list[str | None]:
    """Returns the authorization of each call of a method."""
    return [call.authorization for call in witness.calls if call.method.endswith(f"/{method}")]


def asked(witness: Witness) -> list[Message]:
    """Returns what was asked of the services for somebody: not the gateway's own login."""
    return [it for it in witness.requests if getattr(it, "password", "") != PASSWORD]


async def test_a_key_is_exchanged_once_and_the_token_sent_on(
    client: httpx.AsyncClient, witness: Witness
) -> None:
    """The services see access tokens only, and the key goes nowhere but to its exchange."""
    for _ in range(3):
        assert 200 == (await client.get("/api/v1/jobs/job-1", headers=KEY)).status_code
    assert ["Bearer key-token-1"] * 3 == tokens(witness, "GetJob")
    assert 1 == len(tokens(witness, "ExchangeApiKey"))
    assert all("gpuaas_good" not in str(metadata) for metadata in witness.metadata)


async def test_a_key_whose_token_was_ended_is_exchanged_again(
    client: httpx.AsyncClient, witness: Witness
) -> None:
    """Its user's role has changed, say: the caller does not notice."""
    await client.get("/api/v1/jobs/job-1", headers=KEY)
    witness.ended_tokens = {"Bearer key-token-1"}
    assert 200 == (await client.get("/api/v1/jobs/job-1", headers=KEY)).status_code
    assert "Bearer key-token-2" == tokens(witness, "GetJob")[-1]


async def test_a_stream_with_such_a_key_is_opened_all_the_same(
    client: httpx.AsyncClient, witness: Witness
) -> None:
    """Also by a script that does nothing but watch, which would wait for half of a token's time."""
    async with client.stream("GET", WATCH, headers=KEY) as answer:
        await read(answer, 1)
    witness.ended_tokens = {"Bearer key-token-1"}
    async with client.stream("GET", WATCH, headers=KEY) as answer:
        assert 200 == answer.status_code
        await read(answer, 1)
    assert "Bearer key-token-2" == tokens(witness, "WatchJobs")[-1]


async def test_a_wrong_key_is_401(client: httpx.AsyncClient, witness: Witness) -> None:
    """With auth_service's own reason, and nothing reaches another service."""
    headers = {"authorization": "Bearer gpuaas_bad"}
    answer = await client.get("/api/v1/jobs/job-1", headers=headers)
    assert (401, "API_KEY_INVALID") == (answer.status_code, answer.json()["reason"])
    assert [] == tokens(witness, "GetJob")


async def test_a_ticket_opens_one_stream(client: httpx.AsyncClient, witness: Witness) -> None:
    """As EventSource sends it, in the query; the service sees its user's token."""
    async with client.stream("GET", f"{WATCH}?ticket=good&labels=a%3Db") as answer:
        assert 200 == answer.status_code
        await read(answer, 1)
    [watch] = [it for it in witness.requests if it.DESCRIPTOR.name == "WatchJobsRequest"]
    assert {"a=b"} == set(watch.labels)
    assert ["Bearer ticket-token"] == tokens(witness, "WatchJobs")
    assert ["Bearer token of gateway"] == tokens(witness, "RedeemStreamTicket")

    again = await client.get(f"{WATCH}?ticket=good")
    assert (401, "TICKET_INVALID") == (again.status_code, again.json()["reason"])


@pytest.mark.parametrize("query", ["ticket=good&ticket=good", "access_token=x.y.z", "token=x.y.z"])
async def test_only_one_ticket_stands_in_a_url(
    client: httpx.AsyncClient, witness: Witness, query: str
) -> None:
    """An access token never does: it would be in every proxy's log, for half an hour."""
    answer = await client.get(f"{WATCH}?{query}")
    assert (400, "FIELD_INVALID") == (answer.status_code, answer.json()["reason"])
    assert [] == asked(witness)


async def test_a_ticket_is_for_streams_only(client: httpx.AsyncClient) -> None:
    """Everything else can send a header."""
    answer = await client.get("/api/v1/jobs/job-1?ticket=good")
    assert (400, "FIELD_INVALID") == (answer.status_code, answer.json()["reason"])


async def test_a_ticket_beside_a_token_is_refused(client: httpx.AsyncClient) -> None:
    """It would not be clear whose stream it is."""
    answer = await client.get(f"{WATCH}?ticket=good", headers={"authorization": "Bearer x.y.z"})
    assert (400, "ticket") == (answer.status_code, answer.json()["errors"][0]["field"])


async def test_auth_service_is_told_the_clients_address(
    client: httpx.AsyncClient, witness: Witness
) -> None:
    """With a token beside it that says who forwards; the other services need no address."""
    forwarded = {"x-forwarded-for": "6.6.6.6, 198.51.100.1"}
    await client.post("/api/v1/auth/login", json={}, headers=forwarded)
    metadata = witness.metadata[-1]
    assert "198.51.100.1" == metadata["x-client-address"]
    assert "Bearer token of gateway" == metadata["x-forwarder-authorization"]

    await client.get("/api/v1/jobs/job-1", headers=forwarded)
    assert "x-client-address" not in witness.metadata[-1]


async def test_without_an_account_the_gateway_forwards_nothing() -> None:
    """Logging in works; auth_service sees the gateway as the client. Tickets do not work."""
    async with running() as house:
        assert 200 == (await house.client.post("/api/v1/auth/login", json={})).status_code
        assert "x-client-address" not in house.witness.metadata[-1]


async def test_two_authorization_headers_are_refused(
    client: httpx.AsyncClient, witness: Witness
) -> None:
    """A proxy in front may have looked at the other one."""
    headers = [("authorization", "Bearer a"), ("authorization", "Bearer b")]
    answer = await client.get("/api/v1/jobs/job-1", headers=headers)
    assert (400, "MESSAGE_MALFORMED") == (answer.status_code, answer.json()["reason"])
    assert [] == asked(witness)


FORM = "grant_type=password&username=ada&password=tea+leaves"


@pytest.mark.parametrize("path", [
    "/auth/jwt/login", "/login", "/auth/login", "/api/v1/auth/login",
])  # fmt: skip
async def test_logging_in_takes_a_form(
    client: httpx.AsyncClient, witness: Witness, path: str
) -> None:
    """As OAuth 2 clients send it, and answers access_token and token_type."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await client.post(path, content=FORM, headers=headers)
    assert ("token of ada", "bearer") == (
        answer.json()["access_token"], answer.json()["token_type"]
    )  # fmt: skip
    request = next(it for it in witness.requests if it.username == "ada")
    assert "tea leaves" == request.password


async def test_oauth_clients_may_send_what_they_do_not_use(client: httpx.AsyncClient) -> None:
    """Parameters without a value count as left out (RFC 6749, section 3.2)."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    form = f"{FORM}&scope=&client_id=&client_secret="
    answer = await client.post("/auth/jwt/login", content=form, headers=headers)
    assert 200 == answer.status_code


async def test_https_with_the_gateways_certificate(tmp_path: Path) -> None:
    """And not over plain HTTP on the same port."""
    made = make_certificates(tmp_path, ["gateway"])
    files = made.files("gateway")
    async with running(http_certificate=files.certificate, http_key=files.key) as house:
        port = house.address[1]
        trusting = ssl.create_default_context(cafile=made.authority)
        async with httpx.AsyncClient(verify=trusting) as client:
            assert 200 == (await client.get(f"https://localhost:{port}/livez")).status_code
        async with httpx.AsyncClient() as strict:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await strict.get(f"https://localhost:{port}/livez")
            with pytest.raises(httpx.HTTPError):
                await strict.get(f"http://localhost:{port}/livez")
