"""Asks a process whether it is ready; for container health checks also a program.

`python -m servicekit.probe grpc HOST:PORT` asks a service by the gRPC health protocol,
`python -m servicekit.probe http HOST:PORT` the gateway by GET /readyz. Exit code 0 means ready,
1 not ready, 2 that the question was wrong.
"""

import http.client
import sys

import grpc
from grpc_health.v1 import health_pb2

from servicekit.config import ConfigurationError, exit_with, host_and_port

ATTEMPT_S = 1.0
OPTIONS = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]


def main(arguments: list[str]) -> int:
    """Asks what the arguments say and returns the exit code."""
    match arguments:
        case ["grpc", address]:
            is_ready = grpc_is_serving
        case ["http", address]:
            is_ready = http_is_ready
        case _:
            exit_with(ConfigurationError("usage: python -m servicekit.probe grpc|http HOST:PORT"))
    try:
        return 0 if is_ready(address) else 1
    except ValueError as error:
        exit_with(ConfigurationError(str(error)))


def grpc_is_serving(address: str) -> bool:
    """Tells whether the server as a whole answers SERVING."""
    host_and_port(address)
    with grpc.insecure_channel(address, options=OPTIONS) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = check(health_pb2.HealthCheckRequest(service=""), timeout=ATTEMPT_S)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def http_is_ready(address: str) -> bool:
    """Tells whether GET /readyz answers 200."""
    host, port = host_and_port(address)
    connection = http.client.HTTPConnection(host, port, timeout=ATTEMPT_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
