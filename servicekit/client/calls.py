"""One call over a channel: failpoints around it, errors as `Failure`s, answers one by one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Self

import grpc

from servicekit.client.departure import Departure, Metadata
from servicekit.errors import Failure
from servicekit.failpoints import afailpoint


def single(method: str, send: Any, departure: Departure, cap: float) -> Any:
    """Returns what makes a call with one answer, in `cap` seconds at most."""
    name = method.rpartition("/")[2]
    before, after = f"rpc.{name}.before", f"rpc.{name}.after"

    async def call(
        request: Any,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - gRPC's own name and meaning
        metadata: Metadata | None = None,
        **rest: Any,
    ) -> Any:
        await afailpoint(before)
        headers = await departure.metadata(metadata)
        seconds = departure.seconds(timeout, cap)
        try:
            response = await send(request, timeout=seconds, metadata=headers, **rest)
        except grpc.aio.AioRpcError as error:
            raise departure.failed(error) from error
        except Failure as failure:
            departure.hear(failure)
            raise
        await afailpoint(after)
        return response

    return call


def streaming(method: str, send: Any, departure: Departure, cap: float) -> Any:
    """Returns what makes a call with many answers, which last for `cap` seconds at most."""
    name = method.rpartition("/")[2]

    def call(
        request: Any, *, timeout: float | None = None, metadata: Metadata | None = None, **rest: Any
    ) -> ResponseStream:
        async def opening() -> Any:
            headers = await departure.metadata(metadata)
            seconds = departure.seconds(timeout, cap)
            return send(request, timeout=seconds, metadata=headers, **rest)

        return ResponseStream(name, opening, departure.failed)

    return call


class ResponseStream:
    """The answers of one streaming call, opened at the first; `cancel` ends it from this side.

    Awaiting an answer and giving up on it (a timeout around one step) cancels the whole stream.
    """

    def __init__(
        self,
        name: str,
        opening: Callable[[], Awaitable[Any]],
        failed: Callable[[grpc.aio.AioRpcError], Failure],
    ) -> None:
        self._name = name
        self._opening = opening
        self._failed = failed
        self._call: Any = None
        self._answers: AsyncIterator[Any] | None = None
        self._cancelled = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        if self._cancelled:
            raise StopAsyncIteration
        try:
            if self._answers is None:
                self._answers = await self._open()
            return await anext(self._answers)
        except grpc.aio.AioRpcError as error:
            raise self._failed(error) from error
        except StopAsyncIteration:
            await afailpoint(f"rpc.{self._name}.after")
            raise
        except asyncio.CancelledError:
            if self._cancelled:
                raise StopAsyncIteration from None
            raise

    def cancel(self) -> None:
        """Ends the stream; whoever iterates it sees its end."""
        self._cancelled = True
        if self._call is not None:
            self._call.cancel()

    async def _open(self) -> AsyncIterator[Any]:
        await afailpoint(f"rpc.{self._name}.before")
        self._call = await self._opening()
        answers: AsyncIterator[Any] = aiter(self._call)
        return answers
