"""Asks a process whether it is ready: services by the gRPC health protocol, the gateway by HTTP."""

from __future__ import annotations

import http.client

import grpc
from grpc_health.v1 import health_pb2

from local.ports import split_address

ATTEMPT_S = 1.0


def grpc_is_serving(address: str) -> bool:
    """Tells whether the server as a whole answers SERVING."""
    with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
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
    host, port = split_address(address)
    connection = http.client.HTTPConnection(host, port, timeout=ATTEMPT_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
