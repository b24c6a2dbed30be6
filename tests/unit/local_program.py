"""Stands in for a service or the gateway where a test is about processes only.

Usage: local_program.py NAME [migrate]. Reads its address from the setting that the real one reads,
answers as ready, and misbehaves as MISBEHAVIOUR says: exit, migrate, stubborn.
"""

import http.server
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from local.layout import PREFIX, Name
from local.ports import split_address


class Ready(http.server.BaseHTTPRequestHandler):
    """Answers every GET with 200."""

    def do_GET(self) -> None:
        """Answers with an empty body."""
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()


def serve_http(address: str) -> http.server.HTTPServer:
    """Serves the gateway's part in the background."""
    server = http.server.ThreadingHTTPServer(split_address(address), Ready)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def serve_grpc(address: str) -> grpc.Server:
    """Serves the health protocol."""
    server = grpc.server(ThreadPoolExecutor(2))
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    server.add_insecure_port(address)
    server.start()
    return server


def main(name: Name, *arguments: str) -> int:
    """Migrates or serves, until SIGTERM."""
    misbehaviour = os.environ.get("MISBEHAVIOUR")
    print(name, *arguments, "pid", os.getpid(), flush=True)
    if "migrate" in arguments:
        return 1 if misbehaviour == "migrate" else 0
    if misbehaviour == "exit":
        print("no such database", file=sys.stderr)
        return 3
    ending = threading.Event()

    def on_term(number: int, frame: FrameType | None) -> None:
        if misbehaviour != "stubborn":
            ending.set()

    signal.signal(signal.SIGTERM, on_term)
    address = os.environ[f"{PREFIX[name]}_LISTEN"]
    serving = serve_http(address) if name == "gateway" else serve_grpc(address)
    ending.wait()
    print(name, "ends", type(serving).__name__, flush=True)
    return 0


if __name__ == "__main__":
    chosen: Name = sys.argv[1]  # type: ignore[assignment]  # the supervisor passes its own names
    sys.exit(main(chosen, *sys.argv[2:]))
