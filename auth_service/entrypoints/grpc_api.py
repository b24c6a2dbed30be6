"""AuthService over gRPC: decode, call, encode. What is not here answers UNIMPLEMENTED."""

import asyncio
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc

from auth_service.application import queries
from auth_service.application.commands import RecordLogin, RegisterUser
from auth_service.application.ports import Changes, Directory, PasswordHasher, TokenSigner
from auth_service.domain.passwords import PasswordRules
from auth_service.entrypoints import decoding, encoding
from gpuaas.auth.v1 import auth_service_pb2 as pb
from gpuaas.auth.v1.auth_service_pb2_grpc import AuthServiceServicer
from servicekit.call import current_call
from servicekit.clock import Clock
from servicekit.idempotency import Idempotent
from servicekit.ids import IdSource

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


@dataclass(frozen=True, eq=False)
class AuthApi(AuthServiceServicer):
    """Serves AuthService; the contract in `protos` says what each method promises."""

    changes: Changes
    once: Idempotent[Any]
    directory: Directory
    hasher: PasswordHasher
    signer: TokenSigner
    rules: PasswordRules
    clock: Clock
    new_id: IdSource

    async def Register(self, request: pb.RegisterRequest, context: Context) -> pb.RegisterResponse:
        """Registers a user."""
        wanted = decoding.registration(request, self.rules)
        password_hash, sealed = await asyncio.gather(
            self.hasher.hash(wanted.password), self._sealed(request)
        )
        command = RegisterUser(
            self.new_id(), wanted.username, wanted.email, password_hash, self.clock.now()
        )
        return await self.once(sealed, command, encoding.register_response, pb.RegisterResponse)

    async def Login(self, request: pb.LoginRequest, context: Context) -> pb.LoginResponse:
        """Signs a user in."""
        given = decoding.credentials(request)
        user = await queries.authenticate(
            self.directory, self.hasher, given.username, given.password
        )
        now = self.clock.now()
        user = await self.changes.execute(RecordLogin(user.id, now))
        return encoding.login_response(user, self.signer.sign(user, self.new_id(), now))

    async def GetCurrentUser(
        self, request: pb.GetCurrentUserRequest, context: Context
    ) -> pb.GetCurrentUserResponse:
        """Gets the caller."""
        user = await queries.current_user(self.directory, current_call().caller.subject)
        return encoding.current_user_response(user)

    async def GetJwks(self, request: pb.GetJwksRequest, context: Context) -> pb.GetJwksResponse:
        """Gets the keys that tokens are verified with."""
        return encoding.jwks_response(self.signer.jwks())

    async def _sealed(self, request: pb.RegisterRequest) -> pb.RegisterRequest:
        """Returns the request as its fingerprint may know it: a slow digest for a password.

        A fingerprint is kept with the request id. Were it a fast hash over the password, whoever
        read the database could guess the password through it, past the slow hash beside it.
        """
        sealed = pb.RegisterRequest()
        sealed.CopyFrom(request)
        if request.request_id:
            sealed.password = await self.hasher.digest(request.password, request.request_id)
        return sealed
