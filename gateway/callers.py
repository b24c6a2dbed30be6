"""For whom the gateway calls: bearer tokens as they come, API keys and tickets made tokens of.

The gateway verifies nothing: the services do. What it does in its own name, with an account of its
own, is to redeem tickets and to tell auth_service whose address a request comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from gateway.addresses import Network, client_address
from gateway.api_keys import ApiKeyTokens, api_key_of
from gateway.exchange import Exchange
from gpuaas.auth.v1 import (
    auth_service_pb2,
    auth_service_pb2_grpc,
    token_service_pb2,
    token_service_pb2_grpc,
)
from servicekit.call import current_call, enter_call
from servicekit.client import ServiceChannel
from servicekit.clock import Clock
from servicekit.errors import Failure, Unauthenticated, Unavailable, invalid
from servicekit.identity import OwnToken
from servicekit.interceptors import CLIENT_ADDRESS, FORWARDER

if TYPE_CHECKING:
    from gpuaas.auth.v1.token_service_pb2_grpc import TokenServiceAsyncStub

TICKET = "ticket"

Metadata = Sequence[tuple[str, str | bytes]]


class Callers:
    """Knows auth_service, the gateway's own account there, and which proxies to believe.

    Attributes:
        own: the token of that account.
    """

    def __init__(
        self,
        auth: ServiceChannel,
        account: str,
        password: str,
        trusted_proxies: list[Network],
        clock: Clock,
    ) -> None:
        self._auth: Any = auth_service_pb2_grpc.AuthServiceStub(auth)
        self._tokens: TokenServiceAsyncStub = token_service_pb2_grpc.TokenServiceStub(auth)
        self._account = account
        self._password = password
        self._trusted = trusted_proxies
        self.own = OwnToken(self._log_in, clock)
        self._keys = ApiKeyTokens(self._exchange_key, clock)

    async def introduce(self, exchange: Exchange, *, to_auth: bool) -> Metadata | None:
        """Makes the current call its caller's; returns metadata to send besides, if any.

        Raises:
            Unauthenticated: API_KEY_INVALID.
            ResourceExhausted: LOGIN_THROTTLED, too many keys were tried.
        """
        key = api_key_of(exchange.headers)
        forwarded = await self._forwarded(exchange) if to_auth or key else None
        if key is not None:
            token = await self._keys.token(key, forwarded)
            enter_call(current_call()._replace(authorization=f"Bearer {token}"))
        return forwarded if to_auth else None

    def forget(self, exchange: Exchange) -> bool:
        """Drops the token that stands for the request's API key; tells whether there was one."""
        key = api_key_of(exchange.headers)
        return key is not None and self._keys.forget(key)

    async def redeem(self, exchange: Exchange, ticket: str) -> None:
        """Makes the current call that of whoever made the ticket, which works once.

        Raises:
            InvalidArgument: there is an Authorization header too.
            Unauthenticated: TICKET_INVALID.
            Unavailable: the gateway cannot sign in, so it cannot redeem anything.
        """
        if b"authorization" in exchange.headers:
            raise invalid(TICKET, "none beside an Authorization header")
        request = token_service_pb2.RedeemStreamTicketRequest(ticket=ticket)
        try:
            own = (("authorization", f"Bearer {await self.own()}"),)
            answer = await self._tokens.RedeemStreamTicket(request, metadata=own)
        except Unauthenticated as failure:
            if failure.reason == "TICKET_INVALID":
                raise
            self.own.refused()
            raise Unavailable("tickets cannot be redeemed now") from failure
        enter_call(current_call()._replace(authorization=f"Bearer {answer.access_token}"))

    async def _forwarded(self, exchange: Exchange) -> Metadata | None:
        """Returns what tells auth_service the client's address.

        Without an account, or while nobody can sign in, auth_service sees the gateway's own
        address, as with any client; a login must not fail for that.
        """
        client = exchange.scope.get("client")
        if not self._password or not client:
            return None
        try:
            own = await self.own()
        except Failure:
            return None
        address = client_address(client[0], exchange.scope["headers"], self._trusted)
        return ((CLIENT_ADDRESS, address), (FORWARDER, f"Bearer {own}"))

    async def _log_in(self) -> tuple[str, timedelta]:
        request = auth_service_pb2.LoginRequest(username=self._account, password=self._password)
        answer = await self._auth.Login(request)
        return answer.access_token, timedelta(seconds=answer.expires_in)

    async def _exchange_key(self, key: str, metadata: Metadata | None) -> tuple[str, timedelta]:
        request = token_service_pb2.ExchangeApiKeyRequest(api_key=key)
        answer = await self._tokens.ExchangeApiKey(request, metadata=metadata)
        return answer.access_token, timedelta(seconds=answer.expires_in)


def take_ticket(query: bytes) -> tuple[str | None, bytes]:
    """Returns the ticket and the query without it; text that is no query stays as it is."""
    if b"ticket=" not in query:
        return None, query
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    tickets = [value for name, value in pairs if name == TICKET]
    if not tickets:
        return None, query
    if len(tickets) > 1:
        raise invalid(TICKET, "one value, not several")
    rest = [(name, value) for name, value in pairs if name != TICKET]
    return tickets[0], urlencode(rest, encoding="latin-1").encode()
