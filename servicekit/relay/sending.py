"""How a channel's calls choose their way: over the relay while there is one, else by themselves."""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from servicekit.errors import Unavailable
from servicekit.relay.keeping import Relay


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

    What ``repeats``, as it only reads, goes by itself when it fails as UNAVAILABLE, so that gRPC
    tries again as it does for every such call.
    """

    async def call(
        request: Any,
        *,
        timeout: float,  # noqa: ASYNC109 - gRPC's own name and meaning
        metadata: Sequence[tuple[str, Any]],
        **rest: Any,
    ) -> Any:
        stream = relay.stream
        if stream is None or rest:
            return await send(request, timeout=timeout, metadata=metadata, **rest)
        message = serialize(request)
        if not stream.takes(message, metadata):
            return await send(request, timeout=timeout, metadata=metadata)
        until = monotonic() + timeout
        try:
            return deserialize(await stream.ask(method, message, timeout, metadata))
        except Unavailable:
            if not repeats:
                raise
        return await send(request, timeout=max(0.0, until - monotonic()), metadata=metadata)

    return call
