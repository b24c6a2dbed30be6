"""Closed loops: so many calls in flight, each answered one followed at once by the next."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

from bench.load import frames, http1, http2
from bench.load.meter import Meter, Result
from bench.load.template import Template

LAST_ANSWERS_S = 15.0


async def call_grpc(
    address: str,
    headers: Sequence[tuple[str, str]],
    request: bytes,
    *,
    in_flight: int,
    warm_up: float,
    measured: float,
) -> Result:
    """Calls a unary method on one connection; `request` is its message with the placeholder."""
    connection = await http2.connect(address, headers)
    meter = Meter(warm_up, measured)
    template = Template.of(frames.message(request))
    slots = [_GrpcSlot(connection, template, meter) for _ in range(in_flight)]
    for slot in slots:
        slot.start()
    await _all_done(slots, meter)
    connection.close()
    return meter.result()


async def call_rest(
    address: str, request: bytes, *, in_flight: int, warm_up: float, measured: float
) -> Result:
    """Sends HTTP requests on a connection for each one in flight."""
    template = Template.of(request)
    connections = [await http1.connect(address) for _ in range(in_flight)]
    meter = Meter(warm_up, measured)
    slots = [_RestSlot(connection, template, meter) for connection in connections]
    for slot in slots:
        slot.start()
    await _all_done(slots, meter)
    for connection in connections:
        connection.close()
    return meter.result()


class _Slot(ABC):
    """One call in flight at a time, until the meter has had enough or a call fails."""

    def __init__(self, template: Template, meter: Meter) -> None:
        self.done = asyncio.Event()
        self._template = template
        self._meter = meter
        self._started = 0.0

    def start(self) -> None:
        self._started = time.perf_counter()
        self._send(self._template.fill())

    def _finish(self, failure: str | None) -> None:
        if self._meter.record(self._started, failure):
            self.start()
        else:
            self.done.set()

    @abstractmethod
    def _send(self, request: bytes) -> None:
        """Sends one request; `_finish` is called with what became of it."""


class _GrpcSlot(_Slot):
    def __init__(self, connection: http2.Connection, template: Template, meter: Meter) -> None:
        super().__init__(template, meter)
        self._connection = connection

    def _send(self, request: bytes) -> None:
        self._connection.call(request, self)

    def message(self, payload: bytes) -> None:
        """Has no use for the answer: its status is what counts."""

    def ended(self, status: str, text: str) -> None:
        """Goes on with the next call."""
        self._finish(None if status == "0" else f"{status} {text}")


class _RestSlot(_Slot):
    def __init__(self, connection: http1.Connection, template: Template, meter: Meter) -> None:
        super().__init__(template, meter)
        self._connection = connection

    def _send(self, request: bytes) -> None:
        self._connection.request(request, self._answered)

    def _answered(self, status: int, body: bytes) -> None:
        is_success = 200 <= status < 300
        self._finish(None if is_success else f"{status} {body[:300].decode(errors='replace')}")


async def _all_done(slots: Sequence[_Slot], meter: Meter) -> None:
    """Waits until every slot has stopped.

    Raises:
        TimeoutError: calls are unanswered long after the window.
    """
    async with asyncio.timeout(meter.length + LAST_ANSWERS_S):
        for slot in slots:
            await slot.done.wait()
