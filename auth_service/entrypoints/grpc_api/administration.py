"""What admins do: users, their sessions, and the audit log."""

from auth_service.application import queries
from auth_service.application.commands.administration import RevokeSessions, UpdateUser
from auth_service.domain.audit import Action
from auth_service.entrypoints import decoding, encoding
from auth_service.entrypoints.grpc_api.resources import Area, Context
from auth_service.entrypoints.origin import origin
from gpuaas.auth.v1 import auth_service_pb2 as pb


class Administration(Area):
    """ListUsers, GetUser, UpdateUser, RevokeSessions, ListAuditEvents."""

    async def ListUsers(
        self, request: pb.ListUsersRequest, context: Context
    ) -> pb.ListUsersResponse:
        """Lists users by name."""
        query, size = decoding.user_query(request), decoding.page_size(request.page_size)
        page = await queries.list_users(self._on.directory, query, size, request.page_token)
        return encoding.list_users_response(page)

    async def GetUser(self, request: pb.GetUserRequest, context: Context) -> pb.GetUserResponse:
        """Gets one user."""
        user_id = decoding.required(request.user_id, "user_id")
        return encoding.get_user_response(await queries.get_user(self._on.directory, user_id))

    async def UpdateUser(
        self, request: pb.UpdateUserRequest, context: Context
    ) -> pb.UpdateUserResponse:
        """Changes a user."""
        on, user_id = self._on, decoding.required(request.user_id, "user_id")
        command = UpdateUser(
            user_id,
            decoding.user_changes(request),
            decoding.text(request.reason, "reason"),
            on.signer.lifetime,
            origin(),
            on.clock.now(),
        )
        async with on.refusals_recorded(Action.UPDATE_USER, user_id):
            answer = await on.once(
                request, command, encoding.update_user_response, pb.UpdateUserResponse
            )
        await on.delivered()
        return answer

    async def RevokeSessions(
        self, request: pb.RevokeSessionsRequest, context: Context
    ) -> pb.RevokeSessionsResponse:
        """Ends all sessions of a user."""
        decoding.request_id(request)
        on = self._on
        command = RevokeSessions(
            decoding.required(request.user_id, "user_id"),
            decoding.text(request.reason, "reason"),
            on.signer.lifetime,
            origin(),
            on.clock.now(),
        )
        answer = await on.once(
            request, command, encoding.revoke_sessions_response, pb.RevokeSessionsResponse
        )
        await on.delivered()
        return answer

    async def ListAuditEvents(
        self, request: pb.ListAuditEventsRequest, context: Context
    ) -> pb.ListAuditEventsResponse:
        """Lists what happened, newest first."""
        query, size = decoding.audit_query(request), decoding.page_size(request.page_size)
        page = await queries.list_audit_events(self._on.audit, query, size, request.page_token)
        return encoding.list_audit_response(page)
