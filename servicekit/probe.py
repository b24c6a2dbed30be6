"""Asks a process whether it is ready; for container health checks also a program.

`python -m servicekit.probe grpc HOST:PORT` asks a service by the gRPC health protocol,
`python -m servicekit.probe http HOST:PORT` the gateway by GET /readyz. Over TLS three files follow:
AUTHORITY CERTIFICATE KEY for gRPC, whose certificate is shown where one is demanded, and AUTHORITY
for HTTPS. Exit code 0 means ready, 1 not ready, 2 that the question was wrong.
"""

import http.client
import ssl
import sys
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2

from servicekit.config import ConfigurationError, exit_with, host_and_port
from servicekit.tls import PLAINTEXT, Tls

ATTEMPT_S = 1.0
OPTIONS = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]


def main(arguments: list[str]) -> int:
    """Asks what the arguments say and returns the exit code."""
    try:
        return 0 if _is_ready(arguments) else 1
    except (ValueError, ConfigurationError) as error:
        exit_with(ConfigurationError(str(error)))


def _is_ready(arguments: list[str]) -> bool:
    match arguments:
        case ["grpc", address]:
            return grpc_is_serving(address)
        case ["grpc", address, authority, certificate, key]:
            tls = Tls(Path(certificate), Path(key), Path(authority))
            return grpc_is_serving(address, tls)
        case ["http", address]:
            return http_is_ready(address)
        case ["http", address, authority]:
            return http_is_ready(address, Path(authority))
        case _:
            raise ConfigurationError(
                "usage: python -m servicekit.probe grpc HOST:PORT [AUTHORITY CERTIFICATE KEY]\n"
                "       python -m servicekit.probe http HOST:PORT [AUTHORITY]"
            )


def grpc_is_serving(address: str, tls: Tls = PLAINTEXT) -> bool:
    """Tells whether the server as a whole answers SERVING."""
    host_and_port(address)
    with _channel(address, tls.channel_credentials()) as channel:
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


def _channel(address: str, credentials: grpc.ChannelCredentials | None) -> grpc.Channel:
    if credentials is None:
        return grpc.insecure_channel(address, options=OPTIONS)
    return grpc.secure_channel(address, credentials, options=OPTIONS)


def http_is_ready(address: str, authority: Path | None = None) -> bool:
    """Tells whether GET /readyz answers 200, over HTTPS where an authority is given."""
    host, port = host_and_port(address)
    if authority is None:
        connection = http.client.HTTPConnection(host, port, timeout=ATTEMPT_S)
    else:
        context = ssl.create_default_context(cafile=authority)
        connection = http.client.HTTPSConnection(host, port, timeout=ATTEMPT_S, context=context)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
