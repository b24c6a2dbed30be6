"""Watch streams over HTTP: events that resume, report errors, and end when nobody reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx

from servicekit.errors import Unauthenticated
from tests.service.gateway.conftest import House, until
from tests.service.gateway.services import LAST_REVISION, Witness

WATCH = "/api/v1/jobs:watch"


@dataclass
class Message:
    """One SSE message as a browser reads it; a bookmark has no data."""

    event: str = ""
    id: str = ""
    data: str = ""

    @property
    def json(self) -> Any:
        """What the data says."""
        return json.loads(self.data)


async def messages(answer: httpx.Response) -> AsyncIterator[Message]:
    """Yields the stream's messages, bookmarks included."""
    message = Message()
    async for line in answer.aiter_lines():
        name, _, value = line.partition(":")
        if not line:
            yield message
            message = Message()
        elif name:
            setattr(message, name, getattr(message, name) + value.removeprefix(" "))


async def read(answer: httpx.Response, count: int) -> list[Message]:
    """Returns the next `count` messages."""
    async with asyncio.timeout(30):
        stream = messages(answer)
        return [await anext(stream) for _ in range(count)]


async def test_one_event_is_one_message(client: httpx.AsyncClient) -> None:
    """Batches come apart: id is the event's resume token, event its kind, data its JSON."""
    async with client.stream("GET", WATCH) as answer:
        assert "text/event-stream; charset=utf-8" == answer.headers["content-type"]
        assert "no-store" == answer.headers["cache-control"]
        *events, bookmark = await read(answer, LAST_REVISION + 1)

    assert [str(number) for number in range(1, LAST_REVISION + 1)] == [e.id for e in events]
    assert {"STARTED"} == {event.event for event in events}
    assert [str(n) for n in range(1, LAST_REVISION + 1)] == [e.json["revision"] for e in events]
    assert ("6", "") == (bookmark.id, bookmark.data)


async def test_last_event_id_resumes_right_after(
    client: httpx.AsyncClient, witness: Witness
) -> None:
    """The header is newer than the token in the URL that a browser repeats."""
    headers = {"Last-Event-ID": "3"}
    async with client.stream("GET", f"{WATCH}?resume_token=1", headers=headers) as answer:
        events = await read(answer, 2)

    assert ["4", "5"] == [event.id for event in events]
    assert "3" == witness.requests[0].resume_token


async def test_a_stream_cut_anywhere_loses_and_repeats_nothing(client: httpx.AsyncClient) -> None:
    """Reading one event per connection, each resumed by the last id, sees every revision once."""
    seen: list[str] = []
    for _ in range(LAST_REVISION):
        headers = {"Last-Event-ID": seen[-1]} if seen else {}
        async with client.stream("GET", WATCH, headers=headers) as answer:
            [message] = await read(answer, 1)
            seen.append(message.id)

    assert [str(number) for number in range(1, LAST_REVISION + 1)] == seen


async def test_a_client_that_leaves_cancels_the_call(
    client: httpx.AsyncClient, witness: Witness
) -> None:
    """The service stops working for a reader who is gone."""
    async with client.stream("GET", WATCH) as answer:
        await read(answer, 1)
        assert not witness.cancelled.is_set()

    await asyncio.wait_for(witness.cancelled.wait(), 30)


async def test_a_refusal_before_the_first_event_is_a_status(
    client: httpx.AsyncClient, witness: Witness
) -> None:
    """A client without a token gets 401, not a stream that ends."""
    witness.failure = Unauthenticated("no token", reason="TOKEN_MISSING")
    answer = await client.get(WATCH)

    assert 401 == answer.status_code
    assert "TOKEN_MISSING" == answer.json()["reason"]


async def test_an_error_after_the_start_is_an_event(client: httpx.AsyncClient) -> None:
    """The problem document comes as `event: error`, then the stream ends."""
    answer = await client.get(WATCH, params={"labels": "end", "resume_token": "5"})

    [_, error] = [message async for message in messages(answer)]
    assert ("error", "RESUME_TOKEN_EXPIRED") == (error.event, error.json["reason"])
    assert answer.headers["x-request-id"] == error.json["request_id"]


async def test_a_silent_stream_opens_nevertheless(
    client: httpx.AsyncClient, witness: Witness
) -> None:
    """The browser sees its stream open within a second or so, though nothing has happened."""
    witness.hang = True
    async with asyncio.timeout(30), client.stream("GET", WATCH) as answer:
        assert 200 == answer.status_code


async def test_a_stream_has_a_long_deadline(client: httpx.AsyncClient, witness: Witness) -> None:
    """It may last an hour, for its reader resumes it; it may not last for ever."""
    async with client.stream("GET", WATCH) as answer:
        await read(answer, 1)

    assert 3500 < witness.remaining[0] <= 3700


async def test_a_draining_gateway_ends_its_streams(house: House) -> None:
    """Readers are let go at once, and later ones are told to come back."""
    async with house.client.stream("GET", WATCH) as answer:
        stream = messages(answer)
        await anext(stream)
        house.gateway.drain()
        async with asyncio.timeout(30):
            rest = [message async for message in stream]
        assert "" == rest[-1].data

    await until(house.witness.cancelled.is_set)
    assert 503 == (await house.client.get(WATCH)).status_code
