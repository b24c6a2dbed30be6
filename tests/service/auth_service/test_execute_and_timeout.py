"""Changes of identity that are made while the caller is told that time ran out."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import grpc
import pytest

from auth_service.adapters.tables import METADATA, TALLIES
from auth_service.bootstrap.serving import AUTH_SERVICE, TOKEN_SERVICE
from gpuaas.auth.v1 import auth_service_pb2 as pb
from servicekit.statuses import failure_from_rpc
from tests.service.auth_service.conftest import PASSWORD, House, Metadata, bearer
from tests.timeouts import made_once, path_of, rows, writes

MUTATING = writes((AUTH_SERVICE, TOKEN_SERVICE))
EXCUSED = {
    "Login": "begins another session, which nobody knows the tokens of and which expires",
    "RefreshToken": "works once: a second use is what a thief would make, and ends the session",
    "ExchangeApiKey": "makes a token, which is stored nowhere",
    "CreateStreamTicket": "makes another ticket, which expires within half a minute",
    "RedeemStreamTicket": "works once: a ticket opens one stream",
}
"""What has no request id, and why a repeat does no harm."""


@dataclass
class Act:
    """What a call is about: Ada, by whose token it is made, and the id of a key of hers."""

    by: Metadata
    user_id: str = ""
    key_id: str = ""


async def nobody(house: House) -> Act:
    """A call without a token."""
    return Act([])


async def ada(house: House) -> Act:
    """A call by Ada, who has an API key."""
    user = (await house.register()).user
    by = bearer((await house.login()).access_token)
    key = await house.stub.CreateApiKey(pb.CreateApiKeyRequest(name="first"), metadata=by)
    return Act(by, user.id, key.api_key.id)


async def admin(house: House) -> Act:
    """A call about Ada by the admin."""
    about = await ada(house)
    return Act(await house.minding(), about.user_id, about.key_id)


REQUESTS: dict[str, tuple[str, Callable[[House], Awaitable[Act]], Callable[[Act], Any]]] = {
    "Register": (
        "user.register",
        nobody,
        lambda _: pb.RegisterRequest(username="Ada", password=PASSWORD),
    ),
    "Logout": ("session.log_out", ada, lambda _: pb.LogoutRequest()),
    "ChangePassword": (
        "user.change_password",
        ada,
        lambda _: pb.ChangePasswordRequest(current_password=PASSWORD, new_password=f"{PASSWORD} 2"),
    ),
    "CreateApiKey": ("api_key.create", ada, lambda _: pb.CreateApiKeyRequest(name="second")),
    "RevokeApiKey": (
        "api_key.revoke",
        ada,
        lambda act: pb.RevokeApiKeyRequest(api_key_id=act.key_id),
    ),
    "UpdateUser": (
        "user.update",
        admin,
        lambda act: pb.UpdateUserRequest(user_id=act.user_id, disabled=True),
    ),
    "RevokeSessions": (
        "user.revoke_sessions",
        admin,
        lambda act: pb.RevokeSessionsRequest(user_id=act.user_id),
    ),
}
# Whoever tries a password is counted also when nothing comes of it.
TABLES = [table for table in METADATA.sorted_tables if table is not TALLIES]


def test_every_mutating_method_is_tried_or_excused() -> None:
    """Whoever adds one finds out here; what is tried carries a request id, what is excused not."""
    assert set(MUTATING) == REQUESTS.keys() | EXCUSED.keys()
    for name, method in MUTATING.items():
        assert (name in REQUESTS) == ("request_id" in method.input_type.fields_by_name), name


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_change_that_looked_timed_out_is_made_once(house: House, name: str) -> None:
    """The repeat gets the first answer, or finds the session ended that it was made in."""
    command, needs, make = REQUESTS[name]
    act = await needs(house)
    request = make(act)
    request.request_id = str(uuid4())
    await made_once(
        lambda: _call(house, name, request, act.by),
        command,
        lambda: rows(house.service.database, TABLES),
    )


async def _call(house: House, name: str, request: Any, by: Metadata) -> bytes:
    call: Any = house.channel.unary_unary(
        path_of(MUTATING[name]),
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=bytes,
    )
    try:
        answer: bytes = await call(request, timeout=30.0, metadata=by)
    except grpc.aio.AioRpcError as refused:
        raise failure_from_rpc(refused) from None
    return answer
