"""The arrival of a call: its ids, its deadline, who makes it, and whether they may."""

from time import monotonic
from typing import Any, TypeAlias, cast

import grpc

from servicekit.call import Call, Forwarded, enter_call
from servicekit.errors import Failure, PermissionDenied, Unavailable
from servicekit.identity import Identity, Role, Verifier, bearer_token
from servicekit.ids import usable_request_id, usable_traceparent
from servicekit.interceptors.access import PUBLIC, AccessTable, is_admitted, refusal
from servicekit.interceptors.report import CallReports, MethodReport

CLIENT_ADDRESS = "x-client-address"
FORWARDER = "x-forwarder-authorization"

AMBIGUOUS = ""

_BEARER = "Bearer "

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Admission:
    """Knows the access table and the verifier; makes the gate of each method."""

    def __init__(
        self, access: AccessTable, verifier: Verifier | None, reports: CallReports
    ) -> None:
        self._access = access
        self._verifier = verifier
        self._reports = reports

    def gate(self, method: str, *, quiet: bool) -> "Gate":
        """Returns the gate of one "/package.Service/Method"."""
        allowed = self._access.get(method, frozenset())
        return Gate(method, allowed, self._verifier, self._reports.method(method, quiet=quiet))


class Gate:
    """Lets the calls of one method in, or raises why not."""

    def __init__(
        self,
        method: str,
        allowed: frozenset[str],
        verifier: Verifier | None,
        report: MethodReport,
    ) -> None:
        self.method = method
        self.report = report
        self._allowed = allowed
        self._public = PUBLIC in allowed
        self._verifier = verifier

    def arrive(self, context: Context, cap: float) -> tuple[Call, float | None]:
        """Returns the call with at most `cap` seconds to live, and its caller if known already.

        The second is `cap` where it has to be enforced here, since the caller's own deadline is
        later or absent; gRPC itself cancels the handler at the caller's.
        """
        authorization = request_id = traceparent = address = forwarder = None
        metadata = cast("tuple[tuple[str, str], ...]", context.invocation_metadata() or ())
        for key, value in metadata:
            if key == "authorization":
                # Of two nobody could say which one a proxy before us has looked at.
                authorization = value if authorization is None else AMBIGUOUS
            elif key == "x-request-id":
                request_id = value
            elif key == "traceparent":
                traceparent = value
            elif key == CLIENT_ADDRESS:
                address = value
            elif key == FORWARDER:
                forwarder = value
        request_id = usable_request_id(request_id)
        remaining: float | None = context.time_remaining()
        limit = cap if remaining is None or remaining > cap else None
        call = Call(
            self.method,
            None if self._public else self._known(authorization),
            request_id,
            usable_traceparent(traceparent),
            monotonic() + (cap if limit is not None else cast("float", remaining)),
            authorization,
            context.peer(),
            Forwarded(address, forwarder) if address and forwarder else None,
        )
        enter_call(call)
        return call, limit

    def admits(self, call: Call) -> bool:
        """Tells whether nothing is left to check; that is the usual case, and costs nothing."""
        if call.forwarded is not None:
            return False
        identity = call.identity
        return self._public or (identity is not None and is_admitted(identity, self._allowed))

    async def admit(self, call: Call) -> Call:
        """Returns the call with its verified caller.

        Raises:
            Unauthenticated: no token, or one that is not valid.
            PermissionDenied: this caller may not call this method, or nobody may.
            Unavailable: the token cannot be verified now.
        """
        if not self._allowed:
            raise PermissionDenied(f"{call.method} is open to nobody")
        if call.forwarded is not None:
            call = call._replace(client=await self._client(call.forwarded), forwarded=None)
            enter_call(call)
        if self._public:
            return call
        identity = call.identity or await self._identify(call.authorization)
        identified = call._replace(identity=identity)
        enter_call(identified)
        if not is_admitted(identity, self._allowed):
            raise refusal(identity, self._allowed, call.method)
        return identified

    async def _client(self, forwarded: Forwarded) -> str:
        """Returns the address that was forwarded if a service of ours did it, else nothing.

        Anybody can send the header; without a service's token beside it, it says nothing.
        """
        try:
            forwarder = await self._identify(forwarded.authorization)
        except Failure:
            return ""
        return forwarded.address if forwarder.role is Role.SERVICE else ""

    def _known(self, authorization: str | None) -> Identity | None:
        """Returns the caller if the token was verified before; on a public method none is read."""
        if authorization is None or self._verifier is None:
            return None
        if not authorization.startswith(_BEARER):
            return None
        return self._verifier.cached(authorization[len(_BEARER) :])

    async def _identify(self, authorization: str | None) -> Identity:
        token = bearer_token(authorization)
        if self._verifier is None:
            raise Unavailable("tokens cannot be verified here")
        return await self._verifier.verify(token)
