"""The wrapped handlers: everything between the bytes of a call and the method that serves it."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from servicekit.call import Call, current_call
from servicekit.errors import (
    DeadlineExceeded,
    Failure,
    Internal,
    InvalidArgument,
    Unimplemented,
)
from servicekit.ids import new_id
from servicekit.interceptors.admission import Context, Gate
from servicekit.interceptors.streams import OpenStreams, write_all
from servicekit.statuses import CODES, DETAILS_KEY, status_of
from servicekit.wire import Encoded

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Decode: TypeAlias = Callable[[Any], Any]
Encode: TypeAlias = Callable[[Any], Any]
Serve: TypeAlias = Callable[[Any, Context], Awaitable[Any]]
Work: TypeAlias = Callable[[Any, Context, Call, float | None], Awaitable[Any]]

_log = logging.getLogger(__name__)
_GENERATED = "_pb2_grpc"


def wrap_single(gate: Gate, inner: Handler, cap: float) -> Handler:
    """Returns the handler of a method with one answer, behind its gate and within `cap` seconds.

    The answer is encoded here, so that an answer of the wrong type is an error like any other.
    """
    found = inner.stream_unary if inner.request_streaming else inner.unary_unary
    behavior = _served(gate.method, found)
    encode = _sparing(inner.response_serializer or bytes)
    decode = _guarded(inner.request_deserializer)

    async def work(request: Any, context: Context, call: Call, limit: float | None) -> Any:
        message = request if inner.request_streaming else decode(request)
        if limit is None:
            return encode(await behavior(message, context))
        return encode(await _within(limit, behavior(message, context)))

    serve = _behind(gate, cap, work)
    if inner.request_streaming:
        return grpc.stream_unary_rpc_method_handler(serve, decode, None)
    return grpc.unary_unary_rpc_method_handler(serve, None, None)


def wrap_streaming(gate: Gate, inner: Handler, cap: float, streams: OpenStreams) -> Handler:
    """Returns the handler of a method that answers in a stream, generator or `context.write`."""
    found = inner.stream_stream if inner.request_streaming else inner.unary_stream
    behavior = _served(gate.method, found)
    generates = inspect.isasyncgenfunction(behavior)
    decode = _guarded(inner.request_deserializer)

    async def work(request: Any, context: Context, call: Call, limit: float | None) -> None:
        message = request if inner.request_streaming else decode(request)
        answers = behavior(message, context)
        await streams.serve(call, write_all(answers, context) if generates else answers)

    serve = _behind(gate, cap, work)
    encode = _sparing(inner.response_serializer)
    if inner.request_streaming:
        return grpc.stream_stream_rpc_method_handler(serve, decode, encode)
    return grpc.unary_stream_rpc_method_handler(serve, None, encode)


def unknown_method() -> Handler:
    """Returns the handler for every method that is not there."""

    async def refuse(requests: Any, context: Context) -> None:
        await _abort(context, Unimplemented("there is no such method"), "")

    return grpc.stream_stream_rpc_method_handler(refuse, None, None)


def _behind(gate: Gate, cap: float, work: Work) -> Serve:
    """Returns what serves a call: arrival, admission, `work`, and one end for all errors."""

    async def serve(request: Any, context: Context) -> Any:
        started = perf_counter()
        call, limit = gate.arrive(context, cap)
        code, failure = "OK", None
        try:
            if not gate.admits(call):
                call = await gate.admit(call)
            return await work(request, context, call, limit)
        except grpc.aio.AbortError:
            code = _code_set_by_handler(context)
            raise
        except asyncio.CancelledError:
            code = "DEADLINE_EXCEEDED" if context.time_remaining() == 0 else "CANCELLED"
            raise
        except Exception as error:
            failure = error if isinstance(error, Failure) else _unexpected(error)
            code = failure.kind.name
            call = current_call()
            await _abort(context, failure, call.request_id)
        finally:
            gate.report.ended(call, started, code, failure)

    return serve


async def _within(seconds: float, answer: Awaitable[Any]) -> Any:
    """Awaits the answer of a call whose caller set no deadline, or one beyond the cap."""
    timeout = asyncio.timeout(seconds)
    try:
        async with timeout:
            return await answer
    except TimeoutError:
        if not timeout.expired():
            raise
        raise DeadlineExceeded(f"not done within {seconds:g} s, the longest allowed") from None


def _sparing(encode: Encode | None) -> Encode:
    """Returns an encoder that leaves alone what a handler has encoded already, for many at once."""

    def spared(answer: Any) -> Any:
        if type(answer) is Encoded:
            return answer.message
        return encode(answer) if encode is not None else answer

    return spared


def _guarded(decode: Decode | None) -> Decode:
    """Returns a decoder that says what is wrong with bytes that are no such message."""

    def guarded(raw: Any) -> Any:
        try:
            return decode(raw) if decode is not None else raw
        except DecodeError:
            raise InvalidArgument(
                "the request's bytes are not a message of this method", reason="MESSAGE_MALFORMED"
            ) from None

    return guarded


def _unexpected(error: Exception) -> Internal:
    """Logs a defect under an id, and returns all that the caller may know of it: that id."""
    error_id = new_id()
    _log.error("unexpected error %s", error_id, exc_info=error)
    return Internal(f"internal error {error_id}", metadata={"error_id": error_id})


async def _abort(context: Context, failure: Failure, request_id: str) -> None:
    status = status_of(failure)
    trailing = (("x-request-id", request_id), (DETAILS_KEY, status.SerializeToString()))
    await context.abort(CODES[failure.kind], status.message, trailing)


def _code_set_by_handler(context: Context) -> str:
    code: Any = context.code()
    return code.name if isinstance(code, grpc.StatusCode) else _NAMES.get(code, "UNKNOWN")


def _served(method: str, behavior: Any) -> Any:
    """Returns what serves a method; for one that the servicer leaves out, what says so.

    Refuses a synchronous handler: each call would hold one of a few threads.
    """
    if inspect.iscoroutinefunction(behavior) or inspect.isasyncgenfunction(behavior):
        return behavior
    if behavior.__module__.endswith(_GENERATED):
        return _left_out
    raise TypeError(f"{method}: expected an async handler, found {behavior!r}")


async def _left_out(request: Any, context: Context) -> None:
    """Stands for a method that only the contract's generated base class has."""
    raise Unimplemented("this server does not serve the method")


_NAMES: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}
