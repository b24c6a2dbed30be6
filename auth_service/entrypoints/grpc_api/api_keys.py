"""API keys of users and services."""

from auth_service.application import queries
from auth_service.application.commands.api_keys import CreateApiKey, KeyWish, RevokeApiKey
from auth_service.application.ports import ApiKeyQuery
from auth_service.domain.audit import Action
from auth_service.domain.credentials import KEY_LABEL_BYTES, SECRET_BYTES, api_key_text
from auth_service.domain.errors import RoleForbidden
from auth_service.domain.roles import Role
from auth_service.entrypoints import decoding, encoding
from auth_service.entrypoints.grpc_api.resources import Area, Context, caller_role
from auth_service.entrypoints.origin import origin
from gpuaas.auth.v1 import auth_service_pb2 as pb
from servicekit.call import current_call


class ApiKeys(Area):
    """CreateApiKey, ListApiKeys, RevokeApiKey."""

    async def CreateApiKey(
        self, request: pb.CreateApiKeyRequest, context: Context
    ) -> pb.CreateApiKeyResponse:
        """Creates a key and shows its secret."""
        on, wish = self._on, decoding.key_wish(request)
        secret = api_key_text(on.random(KEY_LABEL_BYTES), on.random(SECRET_BYTES))
        async with on.refusals_recorded(Action.CREATE_API_KEY, request.user_id[:64]):
            user_id = _whose(request.user_id)
            command = CreateApiKey(
                api_key_id=on.new_id(),
                user_id=user_id,
                wish=_within_the_token(wish, user_id),
                secret=secret,
                longest=on.api_key_lifetime,
                origin=origin(),
                now=on.clock.now(),
            )
            answer = await on.once(
                request, command, encoding.create_key_response, pb.CreateApiKeyResponse
            )
        if answer.api_key.id == command.api_key_id:
            answer.secret = secret  # What is remembered for a repeat does not have it.
        return answer

    async def ListApiKeys(
        self, request: pb.ListApiKeysRequest, context: Context
    ) -> pb.ListApiKeysResponse:
        """Lists keys without their secrets."""
        active_at = None if request.include_inactive else self._on.clock.now()
        query = ApiKeyQuery(_whose(request.user_id), active_at)
        size = decoding.page_size(request.page_size)
        page = await queries.list_api_keys(self._on.credentials, query, size, request.page_token)
        return encoding.list_keys_response(page)

    async def RevokeApiKey(
        self, request: pb.RevokeApiKeyRequest, context: Context
    ) -> pb.RevokeApiKeyResponse:
        """Revokes a key for good."""
        decoding.request_id(request)
        on, caller = self._on, current_call().caller
        command = RevokeApiKey(
            decoding.required(request.api_key_id, "api_key_id"),
            "" if caller_role() is Role.ADMIN else caller.subject,
            on.signer.lifetime,
            origin(),
            on.clock.now(),
        )
        answer = await on.once(
            request, command, encoding.revoke_key_response, pb.RevokeApiKeyResponse
        )
        await on.delivered()
        return answer


def _whose(user_id: str) -> str:
    """Returns whose keys are meant; RoleForbidden unless they are the caller's, or it is an admin.

    Nobody learns here whether a user exists.
    """
    caller = current_call().caller.subject
    wanted = decoding.text(user_id, "user_id", decoding.LONGEST_ID) or caller
    if wanted != caller and caller_role() is not Role.ADMIN:
        raise RoleForbidden("only admins handle other users' API keys")
    return wanted


def _within_the_token(wish: KeyWish, user_id: str) -> KeyWish:
    """Returns the wish with a role that the caller's token covers.

    A token with less than its user's role, as an API key gives it, makes no key with more.
    """
    mine = caller_role()
    role = wish.role or (mine if user_id == current_call().caller.subject else None)
    if role is not None and not mine.covers(role):
        raise RoleForbidden(f"the role {mine} cannot make a key with the role {role}")
    return KeyWish(wish.name, role, wish.expires_at)
