"""The auth service over gRPC: keys, revocations, and a token of this service's own."""

from collections.abc import AsyncGenerator
from datetime import UTC, timedelta

from gpuaas.auth.v1 import (
    auth_service_pb2,
    auth_service_pb2_grpc,
    token_service_pb2,
    token_service_pb2_grpc,
)
from servicekit.client import ServiceChannel
from servicekit.clock import Clock
from servicekit.errors import Unauthenticated
from servicekit.identity import Jwks, News, OwnToken, Revocation


class GrpcIdentity:
    """Speaks to auth_service; `token` gives a bearer token of this service's own account."""

    def __init__(self, channel: ServiceChannel, account: str, password: str, clock: Clock) -> None:
        self._auth = auth_service_pb2_grpc.AuthServiceStub(channel)
        self._tokens = token_service_pb2_grpc.TokenServiceStub(channel)
        self._account = account
        self._password = password
        self.token = OwnToken(self._log_in, clock)

    async def fetch_jwks(self) -> Jwks:
        """The public keys, as a JSON Web Key Set."""
        answer = await self._auth.GetJwks(auth_service_pb2.GetJwksRequest())
        return {
            "keys": [
                {field.name: value for field, value in key.ListFields()} for key in answer.keys
            ]
        }

    async def watch_revocations(self, resume_token: str) -> AsyncGenerator[News, None]:
        """Streams what is revoked, from a token or, without one, from the beginning."""
        request = token_service_pb2.WatchRevocationsRequest(resume_token=resume_token)
        own = (("authorization", f"Bearer {await self.token()}"),)
        stream = self._tokens.WatchRevocations(request, metadata=own)
        try:
            async for answer in stream:
                revocations = [_revocation(each) for each in answer.revocations]
                yield News(revocations, answer.resume_token, answer.bookmark)
        except Unauthenticated:
            self.token.refused()
            raise
        finally:
            stream.cancel()

    async def _log_in(self) -> tuple[str, timedelta]:
        request = auth_service_pb2.LoginRequest(username=self._account, password=self._password)
        answer = await self._auth.Login(request)
        return answer.access_token, timedelta(seconds=answer.expires_in)


def _revocation(revocation: token_service_pb2.Revocation) -> Revocation:
    return Revocation(
        revocation.user_id,
        revocation.session_id,
        revocation.generation,
        revocation.expire_time.ToDatetime(tzinfo=UTC),
        revocation.key_id,
    )
