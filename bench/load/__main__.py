"""`python -m bench.load`: reads a plan from standard input and writes the result."""

from __future__ import annotations

import gc
import sys

import msgspec
import uvloop

from bench.load.closed_loop import call_grpc, call_rest
from bench.load.end_to_end import run_jobs
from bench.load.http2 import grpc_headers
from bench.load.meter import Result
from bench.load.plan import EndToEndLoad, GrpcLoad, Load


async def perform(load: Load) -> Result:
    """Runs a load in this process."""
    if isinstance(load, GrpcLoad):
        return await call_grpc(
            load.address,
            grpc_headers(load.address, load.method, load.token),
            load.request,
            in_flight=load.in_flight,
            warm_up=load.warm_up,
            measured=load.measured,
        )
    if isinstance(load, EndToEndLoad):
        return await run_jobs(
            load.address,
            load.token,
            load.request,
            in_flight=load.in_flight,
            warm_up=load.warm_up,
            measured=load.measured,
        )
    return await call_rest(
        load.address,
        load.request,
        in_flight=load.in_flight,
        warm_up=load.warm_up,
        measured=load.measured,
    )


def main() -> None:
    """Reads, runs, writes."""
    load = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    gc.disable()  # nothing here makes cycles, and pauses would look like the server's
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(perform(load))))


if __name__ == "__main__":
    main()
