"""Watches one user's jobs over SSE and resumes after every cut, as a browser would."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import httpx
import orjson

from bench.accounts import Account, log_in
from bench.replay.sse import Event, Parser

FINAL = frozenset({"COMPLETED", "FAILED", "REJECTED", "CANCELLED"})
RECONNECT_S = 0.1
SILENCE_S = 40.0
"""Longer than two bookmarks: a stream that says nothing for so long is dead."""


class OutOfOrder(AssertionError):
    """A stream repeated an event or went back, which no cut excuses."""


class Watcher:
    """One stream.

    Attributes:
        ends: final state of every job whose end was seen, by job id.
        events: number of changes seen.
        resumed: how often the stream was cut and resumed.
        opened: set once the stream has something to resume from.
    """

    def __init__(self, url: str, account: Account, on_change: Callable[[], None]) -> None:
        self.ends: dict[str, str] = {}
        self.events = 0
        self.resumed = 0
        self.opened = asyncio.Event()
        self._url = url
        self._account = account
        self._on_change = on_change
        self._parser = Parser()
        self._revision = 0

    async def run(self) -> None:
        """Watches until cancelled.

        Raises:
            OutOfOrder: the stream broke its promise.
            httpx.HTTPStatusError: the watch was refused for good.
        """
        timeout = httpx.Timeout(10.0, read=SILENCE_S)
        async with httpx.AsyncClient(base_url=self._url, timeout=timeout) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    await self._stream(client)
                self.resumed += 1
                await asyncio.sleep(RECONNECT_S)

    async def _stream(self, client: httpx.AsyncClient) -> None:
        self._parser.restart()
        headers = {**self._account.headers, "Accept": "text/event-stream"}
        if self._parser.last_id:
            headers["Last-Event-ID"] = self._parser.last_id
        async with client.stream("GET", "/api/v1/jobs:watch", headers=headers) as response:
            if response.status_code == httpx.codes.UNAUTHORIZED:
                return await asyncio.to_thread(log_in, self._url, self._account)
            if response.is_client_error:
                await response.aread()
                response.raise_for_status()
            if response.is_success:
                await self._read(response)
        return None

    async def _read(self, response: httpx.Response) -> None:
        async for line in response.aiter_lines():
            event = self._parser.feed(line)
            if self._parser.last_id:
                self.opened.set()
            if event is None:
                continue
            if event.kind == "error":  # the service went away; the gateway says so and ends
                return
            self._take(event)

    def _take(self, event: Event) -> None:
        change = orjson.loads(event.data)
        job = change["job"]
        if event.kind != "SNAPSHOT":
            revision = int(change["revision"])
            if revision <= self._revision:
                raise OutOfOrder(f"revision {revision} came after {self._revision}")
            self._revision = revision
            self.events += 1
        if job["status"] in FINAL:
            self.ends[job["id"]] = job["status"]
        self._on_change()
