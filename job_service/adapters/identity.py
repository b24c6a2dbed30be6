"""The auth service over gRPC: the keys that verify tokens, and a token of this service's own."""

import asyncio
from datetime import timedelta

import grpc

from gpuaas.auth.v1 import auth_service_pb2, auth_service_pb2_grpc
from servicekit.clock import Clock
from servicekit.identity import Jwks


class GrpcIdentity:
    """Speaks to auth_service; its own token is renewed when half of its time is over."""

    def __init__(
        self, channel: grpc.aio.Channel, account: str, password: str, clock: Clock
    ) -> None:
        self._auth = auth_service_pb2_grpc.AuthServiceStub(channel)
        self._account = account
        self._password = password
        self._clock = clock
        self._token = ""
        self._renew_at = clock.now()
        self._renewing = asyncio.Lock()

    async def fetch_jwks(self) -> Jwks:
        """The public keys, as a JSON Web Key Set."""
        answer = await self._auth.GetJwks(auth_service_pb2.GetJwksRequest())
        return {
            "keys": [
                {field.name: value for field, value in key.ListFields()} for key in answer.keys
            ]
        }

    async def token(self) -> str:
        """A bearer token of this service's account that is good for a while."""
        async with self._renewing:
            if self._clock.now() >= self._renew_at:
                await self._log_in()
        return self._token

    async def _log_in(self) -> None:
        request = auth_service_pb2.LoginRequest(username=self._account, password=self._password)
        answer = await self._auth.Login(request)
        self._token = answer.access_token
        self._renew_at = self._clock.now() + timedelta(seconds=answer.expires_in) / 2
