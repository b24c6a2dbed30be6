"""Forwards TCP connections: `python -m deploy.forward HOST:PORT=HOST:PORT ...`.

Compose publishes no port of a service by itself. With its profile `admin` this process stands
beside them and gives their gRPC ports to the host's own loopback address, for as long as it runs.
"""

import asyncio
import signal
import sys
from functools import partial

from servicekit.config import ConfigurationError, exit_with, host_and_port

CHUNK_BYTES = 65_536
CONNECT_S = 5.0


def main(arguments: list[str]) -> None:
    """Forwards from each left address to the right one until SIGTERM or SIGINT."""
    try:
        asyncio.run(forward_all([argument.partition("=")[::2] for argument in arguments]))
    except (OSError, ValueError) as error:
        usage = "usage: python -m deploy.forward HOST:PORT=HOST:PORT ..."
        exit_with(ConfigurationError(f"{error}\n{usage}"))


async def forward_all(routes: list[tuple[str, str]]) -> None:
    """Listens on the first address of each route, and connects to the second for each caller.

    Raises:
        ValueError: an address is not host:port.
        OSError: an address cannot be listened on.
    """
    loop = asyncio.get_running_loop()
    signalled = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled.set)
    for listen, target in routes:
        join = partial(forward, target=host_and_port(target))
        await asyncio.start_server(join, *host_and_port(listen))
    await signalled.wait()


async def forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: tuple[str, int]
) -> None:
    """Joins one caller with the target until either hangs up."""
    try:
        connecting = asyncio.open_connection(*target)
        far_reader, far_writer = await asyncio.wait_for(connecting, CONNECT_S)
    except (OSError, TimeoutError):
        writer.close()
        return
    await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))


async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Copies bytes one way, not faster than they are taken, and hangs up at the end."""
    try:
        while data := await source.read(CHUNK_BYTES):
            sink.write(data)
            await sink.drain()
    except ConnectionError:
        pass  # the other direction ends for the same reason
    finally:
        sink.close()


if __name__ == "__main__":
    main(sys.argv[1:])
