"""Ten thousand guesses over a true server, from many addresses, on one account."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import grpc
import pytest

from auth_service.adapters.tables import AUDIT_EVENTS, TALLIES
from gpuaas.auth.v1 import auth_service_pb2 as pb
from servicekit.clock import ManualClock
from servicekit.statuses import failure_from_rpc
from tests.service.auth_service.conftest import (
    PASSWORD,
    SERVICE_PASSWORD,
    House,
    Metadata,
    Open,
    failure_of,
    stored,
)

ADDRESSES = 1_000
SPAN = timedelta(minutes=59)
MOST_LOOKS = 20


async def reason_of(house: House, request: pb.LoginRequest, metadata: Metadata) -> str:
    """Why a login is refused."""
    try:
        await house.stub.Login(request, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        return failure_from_rpc(error).reason
    return "none"


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("username", "guesses"), [("Ada", 10_000), ("nobody", 2_000)])
async def test_thousands_of_guesses_get_twenty_looks(
    open_house: Open, username: str, guesses: int
) -> None:
    """Within an hour, known user or not; the owner gets in on a known device, or after the wait."""
    seed, clock = 20260301, ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    random, reasons, addresses = Random(seed), Counter[str](), set()
    settings = {"service_password": SERVICE_PASSWORD, "token_lifetime": timedelta(hours=2)}
    async with open_house(clock, **settings) as house:
        await house.register()
        device = (await house.login()).device_token
        [(_, gateway)] = await house.a_service()
        for _ in range(guesses):
            clock.advance(SPAN / guesses)
            address = f"10.0.{random.randrange(4)}.{random.randrange(ADDRESSES // 4)}"
            addresses.add(address)
            request = pb.LoginRequest(username=username, password=f"guess {random.random()}")
            metadata = [("x-forwarder-authorization", gateway), ("x-client-address", address)]
            reasons[await reason_of(house, request, metadata)] += 1
        print(f"seed {seed}, {len(addresses)} addresses, answers {dict(reasons)}")

        assert guesses == reasons.total()
        assert {"CREDENTIALS_INVALID", "LOGIN_THROTTLED"} == set(reasons)
        assert reasons["CREDENTIALS_INVALID"] <= MOST_LOOKS
        assert len(addresses) > ADDRESSES / 2
        refused = [row for row in await stored(house, AUDIT_EVENTS) if row.outcome == "REFUSED"]
        told = Counter(row.reason for row in refused)
        assert reasons["CREDENTIALS_INVALID"] == told["CREDENTIALS_INVALID"]
        assert 1 == told["LOGIN_THROTTLED"], "once an hour for the account is enough"
        assert {row.address for row in refused} <= addresses
        assert len(await stored(house, TALLIES)) < 100, "what was turned away fills a table"

        owner = pb.LoginRequest(username="Ada", password=PASSWORD)
        if username == "Ada":
            throttled = await failure_of(house.stub.Login(owner))
            owner.device_token = device
            await house.stub.Login(owner)
            owner.device_token = ""
            assert throttled.retry_after is not None
            clock.advance(throttled.retry_after)
        await house.stub.Login(owner)
