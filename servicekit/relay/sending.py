"""How a channel's calls choose their way: over the relay while there is one, else by themselves."""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from servicekit.relay.asking import Lost, Relay


def relayed(
    method: str,
    send: Any,
    relay: Relay,
    serialize: Callable[[Any], bytes],
    deserialize: Callable[[bytes], Any],
    *,
    repeats: bool,
) -> Any:
    """Returns what makes a call of `method`, in the place of `send`, which makes it by itself.

    A call whose stream was lost is made again if it ``repeats``: if it only reads.
    """

    async def call(
        request: Any,
        *,
        timeout: float,  # noqa: ASYNC109 - gRPC's own name and meaning
        metadata: Sequence[tuple[str, Any]],
        **rest: Any,
    ) -> Any:
        stream, message = relay.stream, serialize(request)
        if stream is None or rest or not stream.takes(message):
            return await send(request, timeout=timeout, metadata=metadata, **rest)
        until = monotonic() + timeout
        try:
            return deserialize(await stream.ask(method, message, timeout, metadata))
        except Lost:
            if not repeats:
                raise
        return await send(request, timeout=max(0.0, until - monotonic()), metadata=metadata)

    return call
