"""What becomes of calls and streams when their caller's session ends, and who may say who calls."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from servicekit.call import current_call
from servicekit.clock import SystemClock
from servicekit.errors import Failure
from servicekit.identity import OwnToken, Revocation
from tests.service.servicekit.echo import EchoRequest, EchoResponse

OpenHouse = Callable[..., Any]


async def endless(request: Any, context: Any) -> AsyncIterator[Any]:
    """Answers once, then never again."""
    yield EchoResponse(count=1)
    await asyncio.Event().wait()


async def tell_address(request: Any, context: Any) -> Any:
    """Answers with the address that the call comes from."""
    return EchoResponse(text=current_call().address)


async def reason(awaitable: Any) -> str:
    """Returns the reason of the failure that was raised."""
    with pytest.raises(Failure) as raised:
        await asyncio.wait_for(awaitable, 30)
    return raised.value.reason


def ended(subject: str, session_id: str = "") -> Revocation:
    """Returns the end of a session, or of all of a user's sessions."""
    expires_at = datetime.now(UTC) + timedelta(minutes=30)
    return Revocation(subject, session_id, 0, expires_at)


async def test_a_token_is_refused_from_the_moment_of_its_revocation(open_house: OpenHouse) -> None:
    """Also one that was verified before; another session of the same user goes on."""
    house = await open_house()
    stub = house.stub(anonymous=True)
    one, other = house.bearer(sid="session-1"), house.bearer(sid="session-2")
    for metadata in (one, other):
        await stub.Say(EchoRequest(text="hi"), metadata=metadata)
    house.revocations.add([ended("user-1", "session-1")])
    assert "TOKEN_REVOKED" == await reason(stub.Say(EchoRequest(), metadata=one))
    assert "hi" == (await stub.Say(EchoRequest(text="hi"), metadata=other)).text


async def test_open_streams_end_with_their_session(open_house: OpenHouse) -> None:
    """UNAUTHENTICATED TOKEN_REVOKED at once; a stream of somebody else stays open."""
    house = await open_house(Watch=endless)
    stub = house.stub(anonymous=True)
    adas = stub.Watch(EchoRequest(), metadata=house.bearer(sub="user-1"))
    bobs = stub.Watch(EchoRequest(), metadata=house.bearer(sub="user-2"))
    for stream in (adas, bobs):
        assert 1 == (await anext(stream)).count
    house.revocations.add([ended("user-1")])
    assert "TOKEN_REVOKED" == await reason(anext(adas))
    waiting = asyncio.ensure_future(anext(bobs))
    done, _ = await asyncio.wait({waiting}, timeout=0.1)
    assert set() == done
    bobs.cancel()


async def test_streams_end_when_it_is_not_known_any_more_who_may_read(
    open_house: OpenHouse,
) -> None:
    """UNAVAILABLE: their readers come again, and are let in once it is known again."""
    house = await open_house(Watch=endless)
    stream = house.stub().Watch(EchoRequest())
    assert 1 == (await anext(stream)).count
    house.revocations.close()
    assert "UNAVAILABLE" == await reason(anext(stream))


async def test_before_a_password_change_only_what_the_contract_opens_answers(
    open_house: OpenHouse,
) -> None:
    """`Change` has the option, `Say` has not; whatever is public stays so."""
    house = await open_house()
    stub = house.stub(anonymous=True)
    metadata = house.bearer(password_change_required=True)
    assert "hi" == (await stub.Change(EchoRequest(text="hi"), metadata=metadata)).text
    assert "hi" == (await stub.Greet(EchoRequest(text="hi"), metadata=metadata)).text
    assert "PASSWORD_CHANGE_REQUIRED" == await reason(stub.Say(EchoRequest(), metadata=metadata))


async def test_a_service_whose_session_was_ended_signs_in_again(open_house: OpenHouse) -> None:
    """One call is refused, the next one works: nobody has to restart the service."""
    house = await open_house()
    generation = 0

    async def log_in() -> tuple[str, timedelta]:
        nonlocal generation
        generation += 1
        claims = house.issuer.claims(sub="service-1", gen=generation)
        return house.issuer.token(claims), timedelta(minutes=30)

    token = OwnToken(log_in, SystemClock(), interval=timedelta(0))
    stub = house.stub(token=token, on_refused=token.refused)
    await stub.Say(EchoRequest())
    expires_at = datetime.now(UTC) + timedelta(minutes=30)
    house.revocations.add([Revocation("service-1", "", 2, expires_at)])
    assert "TOKEN_REVOKED" == await reason(stub.Say(EchoRequest()))
    assert "hi" == (await stub.Say(EchoRequest(text="hi"))).text


@pytest.mark.parametrize(("forwarder", "address", "expected"), [
    ("service", "203.0.113.7", "203.0.113.7"),
    ("service", "2001:DB8::7", "2001:db8::7"),
    ("service", "::ffff:203.0.113.7", "203.0.113.7"),
    ("service", "no address", "127.0.0.1"),
    ("user", "203.0.113.7", "127.0.0.1"),
    ("admin", "203.0.113.7", "127.0.0.1"),
    ("nonsense", "203.0.113.7", "127.0.0.1"),
    (None, "203.0.113.7", "127.0.0.1"),
])  # fmt: skip
@pytest.mark.parametrize("method", ["Greet", "Say"])
async def test_only_a_service_may_say_for_whom_it_calls(
    open_house: OpenHouse, method: str, forwarder: str | None, address: str, expected: str
) -> None:
    """From everybody else the header says nothing, and the connection's own address counts."""
    house = await open_house(Greet=tell_address, Say=tell_address)
    metadata = [*house.bearer(), ("x-client-address", address)]
    if forwarder == "nonsense":
        metadata.append(("x-forwarder-authorization", "Bearer nonsense"))
    elif forwarder is not None:
        (_, header), *_ = house.bearer(role=forwarder)
        metadata.append(("x-forwarder-authorization", header))
    call = getattr(house.stub(anonymous=True), method)
    for _ in range(2):
        assert expected == (await call(EchoRequest(), metadata=metadata)).text


async def test_a_forwarder_admits_nobody(open_house: OpenHouse) -> None:
    """Its token stands for the address alone, not for the caller."""
    house = await open_house()
    (_, header), *_ = house.bearer(role="admin")
    metadata = [("x-client-address", "203.0.113.7"), ("x-forwarder-authorization", header)]
    stub = house.stub(anonymous=True)
    assert "TOKEN_MISSING" == await reason(stub.Say(EchoRequest(), metadata=metadata))
