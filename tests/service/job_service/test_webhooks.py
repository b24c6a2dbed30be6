"""Webhooks over a true server, told over true HTTP."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import orjson
import pytest
import sqlalchemy as sa

from gpuaas.job.v1 import job_pb2, webhook_pb2
from gpuaas.job.v1 import webhook_service_pb2 as pb
from job_service.adapters.tables import DELIVERIES, PLUMBING, WEBHOOKS
from servicekit.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from tests.service.job_service.conftest import House, Open

ANYWHERE = {"webhooks_anywhere": True}
KEY = {"key_encryption_key": base64.b64encode(bytes(range(32))).decode()}
OTHER_KEY = {"key_encryption_key": base64.b64encode(bytes(32)).decode()}
POLL = timedelta(milliseconds=20)


@dataclass
class Receiver:
    """An HTTP server that keeps what it is sent and answers with what a test says."""

    answers: list[int] = field(default_factory=list)
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/jobs?from=gpuaas"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers one request; 204 when the test has said nothing else, 0 never."""
        sent = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in sent[1:]) if k}
        body = await reader.readexactly(int(headers["content-length"]))
        self.received.append(({**headers, "request": sent[0]}, body))
        self.news.set()
        status = self.answers.pop(0) if self.answers else 204
        if status:
            head = f"HTTP/1.1 {status} x\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"
            writer.write(head.encode())
        writer.close()

    async def until(self, count: int) -> list[tuple[dict[str, str], bytes]]:
        """Waits until so many requests came."""
        async with asyncio.timeout(20):
            while len(self.received) < count:
                self.news.clear()
                await self.news.wait()
        return self.received


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    yield receiver
    server.close()


async def create(
    house: House, url: str, by: str = "ada", **fields: Any
) -> pb.CreateWebhookResponse:
    """Creates a webhook."""
    request = pb.CreateWebhookRequest(url=url, **fields)
    return await house.webhooks.CreateWebhook(request, **house.by(by))


async def listed(house: House, by: str = "ada", **fields: Any) -> list[webhook_pb2.Webhook]:
    """Lists webhooks."""
    answer = await house.webhooks.ListWebhooks(pb.ListWebhooksRequest(**fields), **house.by(by))
    return list(answer.webhooks)


async def dead_letters(house: House, webhook_id: str) -> list[webhook_pb2.DeadLetter]:
    """Lists a webhook's dead letters."""
    request = pb.ListDeadLettersRequest(webhook_id=webhook_id)
    return list((await house.webhooks.ListDeadLetters(request, **house.by("ada"))).dead_letters)


async def settled(house: House) -> None:
    """Waits until no delivery is under way or due."""
    waiting = sa.select(sa.func.count()).select_from(DELIVERIES)
    waiting = waiting.where(DELIVERIES.c.due_at.is_not(None))
    async with asyncio.timeout(20):
        while await house.service.database.read(lambda it: it.execute(waiting).scalar_one()):
            await house.service.log.wait(house.service.log.head, patience=POLL)


def signed_with(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether a delivery carries the signature of this secret."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}" == headers["webhook-signature"]


async def test_changes_are_told_signed(open_either: Open, receiver: Receiver) -> None:
    """Each once, with its event's id, as the contract's JSON; the secret checks the signature."""
    async with open_either(**ANYWHERE) as house:
        created = await create(house, receiver.url)
        job = await house.submit()
        await house.submit("bob")
        await house.approve(job.id)
        told = await receiver.until(3)
        await settled(house)
        assert 3 == len(told)
        assert {"SUBMITTED", "APPROVED", "QUEUED"} == {
            orjson.loads(body)["kind"].removeprefix("KIND_") for _, body in told
        }
        for headers, body in told:
            event = orjson.loads(body)
            assert (job.id, headers["webhook-id"]) == (event["job"]["id"], event["id"])
            assert signed_with(created.secret, headers, body)
            assert "POST /jobs?from=gpuaas HTTP/1.1" == headers["request"]
            assert f"127.0.0.1:{receiver.port}" == headers["host"]
        [webhook] = await listed(house)
        assert webhook.HasField("last_success_time")
        assert 0 == await house.count(DELIVERIES)


async def test_only_what_was_asked_for_is_told(open_house: Open, receiver: Receiver) -> None:
    """By state and label; everybody's for an admin."""
    async with open_house(**ANYWHERE) as house:
        await create(
            house,
            receiver.url,
            "root",
            everybody=True,
            states=[job_pb2.JOB_STATE_CANCELLED],
            labels=["stage=test"],
        )
        other = await house.submit("bob")
        await house.cancel(other.id, "bob")
        spec = job_pb2.JobSpec(command="x", labels={"stage": "test"})
        job = await house.submit("bob", command="", estimated_hours=0.0, spec=spec)
        await house.cancel(job.id, "bob")
        [(_, body)] = await receiver.until(1)
        await settled(house)
        assert 1 == len(receiver.received)
        assert (job.id, "KIND_CANCELLED") == (
            orjson.loads(body)["job"]["id"],
            orjson.loads(body)["kind"],
        )


async def test_what_fails_is_tried_again_with_the_same_id(
    open_house: Open, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused, redirected or not answered: all the same."""
    monkeypatch.setattr("job_service.domain.webhook.FIRST_PAUSE", POLL)
    monkeypatch.setattr("job_service.domain.webhook.LONGEST_PAUSE", POLL)
    receiver.answers = [500, 302, 0]
    async with open_house(**ANYWHERE) as house:
        created = await create(house, receiver.url)
        await house.submit()
        told = await receiver.until(4)
        await settled(house)
        assert 4 == len(told)
        assert 1 == len({headers["webhook-id"] for headers, _ in told})
        assert [] == await dead_letters(house, created.webhook.id)
        [webhook] = await listed(house)
        assert 0 == webhook.failures


async def test_what_fails_for_a_day_is_a_dead_letter_until_it_is_sent_again(
    open_house: Open, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tells its event and what went wrong."""
    monkeypatch.setattr("job_service.domain.webhook.GIVE_UP_AFTER", 0 * POLL)
    receiver.answers = [503]
    async with open_house(**ANYWHERE) as house:
        created = await create(house, receiver.url)
        job = await house.submit()
        await receiver.until(1)
        await settled(house)
        [letter] = await dead_letters(house, created.webhook.id)
        assert (1, 503, "answered 503") == (
            letter.attempts,
            letter.last_status,
            letter.last_error,
        )
        assert job.id == letter.event.job.id
        request = pb.RedeliverDeadLetterRequest(
            webhook_id=created.webhook.id, dead_letter_id=letter.id
        )
        await house.webhooks.RedeliverDeadLetter(request, **house.by("ada"))
        first, second = await receiver.until(2)
        await settled(house)
        assert first[1] == second[1]
        assert [] == await dead_letters(house, created.webhook.id)
        with pytest.raises(NotFound) as gone:
            await house.webhooks.RedeliverDeadLetter(request, **house.by("ada"))
        assert "DELIVERY_NOT_FOUND" == gone.value.reason


async def test_a_restart_tells_what_happened_meanwhile(
    open_house: Open, receiver: Receiver
) -> None:
    """And nothing again."""
    async with open_house(**ANYWHERE) as house:
        await create(house, receiver.url)
        await house.submit()
        await receiver.until(1)
        await settled(house)
    async with open_house(**ANYWHERE) as house:
        await house.submit()
        told = await receiver.until(2)
        await settled(house)
        assert 2 == len({headers["webhook-id"] for headers, _ in told}) == len(told)


async def test_nobody_is_told_of_private_addresses(house: House, receiver: Receiver) -> None:
    """By default: neither by plain HTTP nor at a private address."""
    for url in (receiver.url, f"https://127.0.0.1:{receiver.port}/", "https://10.0.0.1/"):
        with pytest.raises(InvalidArgument) as refused:
            await create(house, url)
        assert "WEBHOOK_URL_FORBIDDEN" == refused.value.reason
    assert 0 == await house.count(WEBHOOKS)


async def everything_stored(house: House) -> bytes:
    """All that the database holds of webhooks, and what it remembers of requests."""
    found = b""
    for everything in (WEBHOOKS.select(), DELIVERIES.select(), PLUMBING.requests.select()):
        rows = await house.service.database.read(partial(_rows, everything))
        found += repr(rows).encode()
    return found


def _rows(statement: sa.Select[Any], connection: sa.Connection) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(statement)]


async def test_no_secret_is_stored_readable(open_either: Open, receiver: Receiver) -> None:
    """Neither with its webhook nor in an answer that is remembered; it signs all the same."""
    async with open_either(**ANYWHERE, **KEY) as house:
        created = await create(house, receiver.url, request_id=str(uuid4()))
        await house.submit()
        [(headers, body)] = await receiver.until(1)
        await settled(house)
        assert signed_with(created.secret, headers, body)
        stored = await everything_stored(house)
        assert created.webhook.id.encode() in stored
        assert created.secret.encode() not in stored


async def test_secrets_from_before_there_was_a_key_are_encrypted(
    open_house: Open, receiver: Receiver
) -> None:
    """By the first start that has one."""
    async with open_house(**ANYWHERE) as house:
        secrets = [(await create(house, receiver.url)).secret for _ in range(2)]
        stored = await everything_stored(house)
        assert all(secret.encode() in stored for secret in secrets)
    async with open_house(**ANYWHERE, **KEY) as house:
        stored = await everything_stored(house)
        assert not any(secret.encode() in stored for secret in secrets)
        await house.submit()
        for headers, body in await receiver.until(2):
            assert 1 == sum(signed_with(secret, headers, body) for secret in secrets)
        await settled(house)


async def test_another_key_costs_deliveries_a_delay_and_nothing_else(
    open_house: Open, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service serves; once the right key is back, what waited is delivered."""
    monkeypatch.setattr("job_service.domain.webhook.FIRST_PAUSE", POLL)
    monkeypatch.setattr("job_service.entrypoints.telling.LEASE", POLL)
    async with open_house(**ANYWHERE, **KEY) as house:
        created = await create(house, receiver.url)
    async with open_house(**ANYWHERE, **OTHER_KEY) as house:
        await house.submit()
        async with asyncio.timeout(20):
            while not (await listed(house))[0].failures:
                await house.service.log.wait(house.service.log.head, patience=POLL)
        assert [] == receiver.received
    async with open_house(**ANYWHERE, **KEY) as house:
        [(headers, body)] = await receiver.until(1)
        assert signed_with(created.secret, headers, body)
        await settled(house)


async def test_webhooks_are_their_owners(open_house: Open, receiver: Receiver) -> None:
    """Listed without the secret, deleted by owner or admin, at most so many, and by pages."""
    async with open_house(webhooks_per_user=2, **ANYWHERE) as house:
        request_id = str(uuid4())
        first = await create(house, receiver.url, request_id=request_id)
        repeated = await create(house, receiver.url, request_id=request_id)
        assert (first.webhook, "") == (repeated.webhook, repeated.secret)
        second = await create(house, receiver.url, labels=["a", "b=c"])
        with pytest.raises(FailedPrecondition) as refused:
            await create(house, receiver.url)
        assert "WEBHOOK_LIMIT_REACHED" == refused.value.reason
        assert [second.webhook, first.webhook] == await listed(house)
        page = await house.webhooks.ListWebhooks(
            pb.ListWebhooksRequest(page_size=1), **house.by("ada")
        )
        rest = pb.ListWebhooksRequest(page_size=1, page_token=page.next_page_token)
        assert [first.webhook] == list(
            (await house.webhooks.ListWebhooks(rest, **house.by("ada"))).webhooks
        )
        request = pb.DeleteWebhookRequest(webhook_id=first.webhook.id)
        with pytest.raises(NotFound) as hidden:
            await house.webhooks.DeleteWebhook(request, **house.by("bob"))
        assert "WEBHOOK_NOT_FOUND" == hidden.value.reason
        await house.webhooks.DeleteWebhook(request, **house.by("root"))
        ada = house.identities.user_id("ada")
        assert [second.webhook] == await listed(house, "root", owner_id=ada)
        with pytest.raises(PermissionDenied):
            await listed(house, "bob", owner_id=ada)
        with pytest.raises(PermissionDenied):
            await create(house, receiver.url, "bob", everybody=True)
