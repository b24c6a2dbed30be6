"""Registering, and who somebody is."""

import asyncio

from auth_service.application import queries
from auth_service.application.attempts import Tried
from auth_service.application.commands.accounts import RegisterUser
from auth_service.domain.audit import Action
from auth_service.entrypoints import decoding, encoding
from auth_service.entrypoints.grpc_api.resources import Area, Context
from auth_service.entrypoints.origin import origin
from gpuaas.auth.v1 import auth_service_pb2 as pb
from servicekit.call import current_call


class Accounts(Area):
    """Register, GetCurrentUser, GetJwks; the contract in `protos` says what each promises."""

    async def Register(self, request: pb.RegisterRequest, context: Context) -> pb.RegisterResponse:
        """Registers a user."""
        on, wanted, from_where = self._on, decoding.registration(request, self._on.rules), origin()
        tried = Tried(Action.REGISTER, from_where)
        await on.attempts.charge(on.limits.registration(from_where.address), tried)
        password_hash, sealed = await asyncio.gather(
            on.hasher.hash(wanted.password), self._sealed(request)
        )
        command = RegisterUser(
            on.new_id(), wanted.username, wanted.email, password_hash, from_where, on.clock.now()
        )
        return await on.once(sealed, command, encoding.register_response, pb.RegisterResponse)

    async def GetCurrentUser(
        self, request: pb.GetCurrentUserRequest, context: Context
    ) -> pb.GetCurrentUserResponse:
        """Gets the caller."""
        user = await queries.current_user(self._on.directory, current_call().caller.subject)
        return encoding.current_user_response(user)

    async def GetJwks(self, request: pb.GetJwksRequest, context: Context) -> pb.GetJwksResponse:
        """Gets the keys that tokens are verified with."""
        return encoding.jwks_response(self._on.signer.jwks())

    async def _sealed(self, request: pb.RegisterRequest) -> pb.RegisterRequest:
        """Returns the request as its fingerprint may know it: a slow digest for a password.

        A fingerprint is kept with the request id. Were it a fast hash over the password, whoever
        read the database could guess the password through it, past the slow hash beside it.
        """
        sealed = pb.RegisterRequest()
        sealed.CopyFrom(request)
        if request.request_id:
            sealed.password = await self._on.hasher.digest(request.password, request.request_id)
        return sealed
