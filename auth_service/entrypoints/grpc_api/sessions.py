"""Signing in and out, and what is between."""

from google.protobuf.wrappers_pb2 import StringValue

from auth_service.application import queries
from auth_service.application.attempts import Tried
from auth_service.application.commands import sessions as commands
from auth_service.application.ports import Subject
from auth_service.application.signing_in import Attempt
from auth_service.domain import sessions
from auth_service.domain.audit import Action
from auth_service.domain.errors import RefreshTokenReused
from auth_service.domain.users import User
from auth_service.entrypoints import decoding, encoding
from auth_service.entrypoints.grpc_api.resources import Area, Context
from auth_service.entrypoints.origin import origin
from gpuaas.auth.v1 import auth_service_pb2 as pb
from servicekit.call import current_call


class Sessions(Area):
    """Login, RefreshToken, Logout, ChangePassword."""

    async def Login(self, request: pb.LoginRequest, context: Context) -> pb.LoginResponse:
        """Signs a user in."""
        given = decoding.credentials(request)
        attempt = Attempt(given.username, given.password, given.device_token, origin())
        signed_in = await self._on.sign_in(attempt)
        begun, now = signed_in.begun, self._on.clock.now()
        token = self._on.token(Subject(begun.user, begun.session_id, begun.user.role), now)
        return encoding.login_response(signed_in, token, now)

    async def RefreshToken(
        self, request: pb.RefreshTokenRequest, context: Context
    ) -> pb.RefreshTokenResponse:
        """Continues a session."""
        on, now = self._on, self._on.clock.now()
        command = commands.RefreshSession(
            sessions.parsed_refresh_token(request.refresh_token),
            on.random(sessions.SECRET_BYTES),
            on.signer.lifetime,
            origin(),
            now,
        )
        answer = await on.changes.execute(command)
        if isinstance(answer, RefreshTokenReused):
            await on.delivered()
            raise answer
        token = on.token(Subject(answer.user, answer.session_id, answer.user.role), now)
        return encoding.refresh_response(answer, token, now)

    async def Logout(self, request: pb.LogoutRequest, context: Context) -> pb.LogoutResponse:
        """Ends the caller's session, or all of them."""
        decoding.request_id(request)
        on, caller = self._on, current_call().caller
        command = commands.LogOut(
            caller.subject,
            caller.session_id,
            request.all_sessions,
            on.signer.lifetime,
            origin(),
            on.clock.now(),
        )
        answer = await on.once(request, command, encoding.logout_response, pb.LogoutResponse)
        await on.delivered()
        return answer

    async def ChangePassword(
        self, request: pb.ChangePasswordRequest, context: Context
    ) -> pb.ChangePasswordResponse:
        """Gives the caller another password and another session."""
        on, caller = self._on, current_call().caller
        wanted = decoding.new_password(request, on.rules, caller.username)
        user = await queries.current_user(on.directory, caller.subject)
        async with on.refusals_recorded(Action.CHANGE_PASSWORD, user.id):
            command = await self._change(request, user, wanted)
            remembered: StringValue = await on.once(
                await self._sealed_change(request), command, encoding.begun_session, StringValue
            )
        await on.delivered()
        if remembered.value != command.session.id:
            return pb.ChangePasswordResponse()  # A repeat: the tokens went out the first time.
        return await self._fresh_tokens(command)

    async def _change(
        self, request: pb.ChangePasswordRequest, user: User, wanted: str
    ) -> commands.ChangePassword:
        """Returns the command, which refuses if the current password did not match."""
        on, charges = self._on, self._on.limits.owner(user.id)
        tried = Tried(Action.CHANGE_PASSWORD, origin(), user.id)
        matches = await on.check.matches(
            request.current_password, user.password_hash, charges, tried
        )
        return commands.ChangePassword(
            user_id=user.id,
            matched_hash=user.password_hash if matches else "",
            password_hash=await on.hasher.hash(wanted),
            session=on.sign_in.new_session(),
            charges=charges,
            token_lifetime=on.signer.lifetime,
            origin=origin(),
            now=on.clock.now(),
        )

    async def _fresh_tokens(self, command: commands.ChangePassword) -> pb.ChangePasswordResponse:
        on, session = self._on, command.session
        user = await queries.current_user(on.directory, command.user_id)
        _, refresh_token = session.begin(user.id, command.now)
        expires_at, now = command.now + session.lifetime, on.clock.now()
        token = on.token(Subject(user, session.id, user.role), now)
        return encoding.password_response(refresh_token, expires_at, token, now)

    async def _sealed_change(self, request: pb.ChangePasswordRequest) -> pb.ChangePasswordRequest:
        """Returns the request as its fingerprint may know it: see Accounts._sealed."""
        sealed = pb.ChangePasswordRequest(request_id=request.request_id)
        if request.request_id:
            both = f"{request.current_password}\0{request.new_password}"
            sealed.new_password = await self._on.hasher.digest(both, request.request_id)
        return sealed
