"""An identity provider for tests: valid tokens, and the two RPCs by which services learn of them.

Services under test verify real signatures against a real server; only auth_service is not there.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gpuaas.auth.v1 import auth_service_pb2 as pb
from gpuaas.auth.v1 import auth_service_pb2_grpc, token_service_pb2, token_service_pb2_grpc
from servicekit.identity import ALGORITHM, AUDIENCE, TOKEN_TYPE, Jwks, Role
from servicekit.ids import new_id
from servicekit.server import SERVER_OPTIONS

ISSUER = "gpuaas-auth"
SERVICE_PASSWORD = "the password of services"
KEY_ID = "key of the tests"
LIFETIME = timedelta(minutes=30)
BOOKMARK_SECONDS = 1.0


class Identities:
    """Makes tokens with a key of its own, and serves that key's public half.

    The same name always has the same user id, so that a test may ask for its token again.
    """

    def __init__(self, issuer: str = ISSUER) -> None:
        self.issuer = issuer
        self.target = ""
        self._key = Ed25519PrivateKey.generate()
        self._ids: dict[str, str] = {}
        self._revoked = _Revocations()
        self._server = grpc.aio.server(options=SERVER_OPTIONS)

    async def __aenter__(self) -> Self:
        """Serves GetJwks, Login and WatchRevocations at `target`."""
        auth_service_pb2_grpc.add_AuthServiceServicer_to_server(_Api(self), self._server)
        token_service_pb2_grpc.add_TokenServiceServicer_to_server(self._revoked, self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        self.target = f"127.0.0.1:{port}"
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops serving."""
        await self._server.stop(grace=None)

    def user_id(self, username: str) -> str:
        """Returns the id of the user with this name."""
        return self._ids.setdefault(username, new_id())

    def token(self, username: str, role: Role = Role.USER, **claims: Any) -> str:
        """Returns a token that is good for half an hour; `claims` replace those of a good one."""
        now = datetime.now(UTC)
        good = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": self.user_id(username),
            "username": username,
            "role": role.value,
            "team": "default",
            "jti": new_id(),
            "iat": now,
            "exp": now + LIFETIME,
        }
        headers = {"typ": TOKEN_TYPE, "kid": KEY_ID}
        return jwt.encode(good | claims, self._key, algorithm=ALGORITHM, headers=headers)

    async def revoke(self, username: str, generation: int = 0) -> None:
        """Ends the user's tokens of earlier generations (0: all), and tells whoever watches."""
        await self._revoked.revoke(self.user_id(username), generation)

    def expired_token(self, username: str, role: Role = Role.USER) -> str:
        """Returns a token that was good until a minute ago."""
        now = datetime.now(UTC)
        return self.token(username, role, iat=now - LIFETIME, exp=now - timedelta(minutes=1))

    def metadata(self, username: str, role: Role = Role.USER) -> list[tuple[str, str]]:
        """Returns the metadata of a call by this user."""
        return [("authorization", f"Bearer {self.token(username, role)}")]

    def headers(self, username: str, role: Role = Role.USER) -> dict[str, str]:
        """Returns the HTTP headers of a request by this user."""
        return dict(self.metadata(username, role))

    def jwks(self) -> Jwks:
        """Returns the key set that the tokens are verified with."""
        public = jwt.algorithms.OKPAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [public | {"kid": KEY_ID, "use": "sig", "alg": ALGORITHM}]}

    async def fetch_jwks(self) -> Jwks:
        """Returns the same, as a Verifier asks for it."""
        return self.jwks()


class _Api(auth_service_pb2_grpc.AuthServiceServicer):
    """Signs in any name that comes with the services' password, as that service."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities

    async def GetJwks(self, request: pb.GetJwksRequest, context: Any) -> pb.GetJwksResponse:
        keys = self._identities.jwks()["keys"]
        return pb.GetJwksResponse(keys=[pb.JsonWebKey(**key) for key in keys])

    async def Login(self, request: pb.LoginRequest, context: Any) -> pb.LoginResponse:
        if request.password != SERVICE_PASSWORD:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "wrong password")
        token = self._identities.token(request.username, Role.SERVICE)
        seconds = int(LIFETIME.total_seconds())
        return pb.LoginResponse(access_token=token, token_type="bearer", expires_in=seconds)


class _Revocations(token_service_pb2_grpc.TokenServiceServicer):
    """A log of revocations; a resume token is the number of those that were told."""

    def __init__(self) -> None:
        self._log: list[token_service_pb2.Revocation] = []
        self._grown = asyncio.Condition()

    async def revoke(self, user_id: str, generation: int) -> None:
        revocation = token_service_pb2.Revocation(
            revision=len(self._log) + 1, user_id=user_id, generation=generation
        )
        revocation.expire_time.FromDatetime(datetime.now(UTC) + LIFETIME)
        async with self._grown:
            self._log.append(revocation)
            self._grown.notify_all()

    async def WatchRevocations(
        self, request: token_service_pb2.WatchRevocationsRequest, context: Any
    ) -> AsyncIterator[token_service_pb2.WatchRevocationsResponse]:
        told = int(request.resume_token or 0)
        while True:
            news, told = self._log[told:], len(self._log)
            response = token_service_pb2.WatchRevocationsResponse(
                revocations=news, resume_token=str(told), bookmark=not news
            )
            yield response
            if news:
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BOOKMARK_SECONDS), self._grown:
                    await self._grown.wait_for(lambda: len(self._log) > told)  # noqa: B023


@pytest.fixture
async def identities() -> AsyncIterator[Identities]:
    """An identity provider that answers at `identities.target`."""
    async with Identities() as provider:
        yield provider
