"""TokenService: tokens for programs, and the news of tokens that no longer count."""

from collections.abc import AsyncIterator

from auth_service.application.attempts import Tried
from auth_service.application.commands.api_keys import CreateTicket, NoteKeyUse, RedeemTicket
from auth_service.application.ports import Subject
from auth_service.domain import tickets
from auth_service.domain.api_keys import ApiKey
from auth_service.domain.audit import Action
from auth_service.domain.credentials import SECRET_BYTES, hashed, ticket_text
from auth_service.domain.errors import ApiKeyInvalid
from auth_service.domain.tickets import Ticket
from auth_service.entrypoints import decoding, encoding
from auth_service.entrypoints.grpc_api.resources import Area, Context, Resources, caller_role
from auth_service.entrypoints.origin import origin
from auth_service.entrypoints.revocations import RevocationFeed
from gpuaas.auth.v1 import token_service_pb2 as pb
from gpuaas.auth.v1.token_service_pb2_grpc import TokenServiceServicer
from servicekit.call import current_call
from servicekit.wellknown import timestamp


class TokenApi(Area, TokenServiceServicer):
    """Serves TokenService; the contract in `protos` says what each method promises."""

    def __init__(self, resources: Resources, feed: RevocationFeed) -> None:
        super().__init__(resources)
        self._feed = feed

    async def ExchangeApiKey(
        self, request: pb.ExchangeApiKeyRequest, context: Context
    ) -> pb.ExchangeApiKeyResponse:
        """Gives an access token for an API key."""
        on, now = self._on, self._on.clock.now()
        secret = decoding.text(request.api_key, "api_key")
        key = await on.credentials.api_key(hashed(secret))
        try:
            subject = await self._subject(key)
            if key and key.use_is_worth_noting(now):
                await on.changes.execute(NoteKeyUse(key.id, origin(), now))
        except ApiKeyInvalid:
            await self._record_failure(key)
            raise
        return encoding.exchange_response(subject.user, on.token(subject, now))

    async def CreateStreamTicket(
        self, request: pb.CreateStreamTicketRequest, context: Context
    ) -> pb.CreateStreamTicketResponse:
        """Creates a ticket that stands for the caller's token."""
        on, caller, now = self._on, current_call().caller, self._on.clock.now()
        text = ticket_text(on.random(SECRET_BYTES))
        ticket = Ticket(
            hash=hashed(text),
            user_id=caller.subject,
            session_id=caller.session_id,
            generation=caller.generation,
            role=caller_role(),
            expires_at=now + tickets.LIFETIME,
            token_expires_at=caller.expires_at,
        )
        await on.changes.execute(CreateTicket(ticket))
        return pb.CreateStreamTicketResponse(ticket=text, expire_time=timestamp(ticket.expires_at))

    async def RedeemStreamTicket(
        self, request: pb.RedeemStreamTicketRequest, context: Context
    ) -> pb.RedeemStreamTicketResponse:
        """Gives a token for a ticket, once."""
        on, now = self._on, self._on.clock.now()
        ticket_hash = hashed(decoding.text(request.ticket, "ticket"))
        subject, until = await on.changes.execute(RedeemTicket(ticket_hash, now))
        token = on.token(subject, now, until)
        return pb.RedeemStreamTicketResponse(
            access_token=token.text, expires_in=int(token.lifetime.total_seconds())
        )

    async def WatchRevocations(
        self, request: pb.WatchRevocationsRequest, context: Context
    ) -> AsyncIterator[pb.WatchRevocationsResponse]:
        """Streams revocations."""
        async for message in self._feed.messages(request.resume_token):
            yield message

    async def _subject(self, key: ApiKey | None) -> Subject:
        """Returns for whom a key gets tokens now; ApiKeyInvalid if for nobody."""
        if key is None:
            raise ApiKeyInvalid
        user = key.checked_user(await self._on.directory.get(key.user_id), self._on.clock.now())
        return Subject(user, key.id, key.role)

    async def _record_failure(self, key: ApiKey | None) -> None:
        """Counts a wrong key against its address; LoginThrottled where there are too many."""
        on, from_where = self._on, origin()
        tried = Tried(Action.EXCHANGE_API_KEY, from_where, key.id if key else "")
        await on.attempts.charge(on.limits.anywhere(from_where.address), tried)
        await on.attempts.record(tried, ApiKeyInvalid.reason)
