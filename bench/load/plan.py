"""What a load process is told to do, and how it is started and heard."""

from __future__ import annotations

import subprocess
import sys

import msgspec

from bench.load.meter import Result
from local.processes import ROOT


class GrpcLoad(msgspec.Struct, frozen=True, tag="grpc"):
    """Closed-loop calls of one unary method.

    Attributes:
        address: host:port of the server.
        method: "/package.Service/Rpc".
        token: bearer token; empty sends none.
        request: the serialized message, with the placeholder where a request id belongs.
        in_flight: calls under way at any time.
        warm_up: seconds before the window.
        measured: seconds of the window.
    """

    address: str
    method: str
    token: str
    request: bytes
    in_flight: int = 64
    warm_up: float = 1.0
    measured: float = 3.0


class RestLoad(msgspec.Struct, frozen=True, tag="rest"):
    """Closed-loop HTTP requests; `request` is a whole one, the rest as in GrpcLoad."""

    address: str
    request: bytes
    in_flight: int = 64
    warm_up: float = 1.0
    measured: float = 3.0


class EndToEndLoad(msgspec.Struct, frozen=True, tag="end_to_end"):
    """Jobs from SubmitJob to COMPLETED; `request` is a SubmitJobRequest, the rest as above."""

    address: str
    token: str
    request: bytes
    in_flight: int = 64
    warm_up: float = 2.0
    measured: float = 5.0


Load = GrpcLoad | RestLoad | EndToEndLoad


class LoadFailed(RuntimeError):
    """Calls failed, so that a rate would mean nothing; the message has the statuses."""


def run(load: Load) -> Result:
    """Runs the load in a process of its own, so that only its wire is shared with this one.

    Raises:
        LoadFailed: a call failed, or none succeeded.
    """
    process = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=msgspec.json.encode(load),
        capture_output=True,
        cwd=ROOT,
        check=False,
    )
    if process.returncode != 0:
        raise LoadFailed(process.stderr.decode(errors="replace"))
    result = msgspec.json.decode(process.stdout, type=Result)
    if result.failures or not result.calls:
        raise LoadFailed(f"{result.calls} calls succeeded, failed: {result.failures}")
    return result
