"""The keys that access tokens are verified with, asked of the authentication service."""

from typing import Any

from gpuaas.auth.v1 import auth_service_pb2 as pb
from gpuaas.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from servicekit.client import ServiceChannel
from servicekit.identity import FetchJwks, Jwks


def fetch_jwks_over(channel: ServiceChannel) -> FetchJwks:
    """Returns what fetches the key set over a channel to the authentication service."""
    stub: Any = AuthServiceStub(channel)

    async def fetch() -> Jwks:
        response: pb.GetJwksResponse = await stub.GetJwks(pb.GetJwksRequest())
        return {
            "keys": [
                {"kty": key.kty, "crv": key.crv, "x": key.x, "kid": key.kid}
                for key in response.keys
            ]
        }

    return fetch
