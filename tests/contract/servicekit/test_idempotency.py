"""Idempotency by request id, on every database."""

import asyncio
from dataclasses import dataclass
from uuid import uuid4

import pytest
from google.protobuf.wrappers_pb2 import Int64Value, StringValue

from servicekit.call import Call, serving
from servicekit.clock import SystemClock
from servicekit.errors import FailedPrecondition, InvalidArgument
from servicekit.idempotency import Idempotent
from tests.contract.servicekit.conftest import Add, Service


@dataclass
class Request:
    """A request as the contract shapes them: a body and a request id."""

    request_id: str
    counter: str = "a"
    amount: int = 1

    def SerializeToString(self, *, deterministic: bool = True) -> bytes:
        """The body's bytes, by protobuf."""
        body = f"{self.request_id} {self.counter} {self.amount}"
        return StringValue(value=body).SerializeToString()

    @classmethod
    def FromString(cls, s: bytes) -> "Request":
        """Not needed of a request."""
        raise AssertionError(s)


async def _send(service: Service, request: Request, method: str = "Add") -> int:
    once = Idempotent(service.writer, SystemClock())
    with serving(Call(method)):
        answer = await once(
            request,
            Add(request.counter, request.amount),
            lambda value: Int64Value(value=value),
            Int64Value,
        )
    return int(answer.value)


async def test_a_repeat_gets_the_first_answer(service: Service) -> None:
    """Fifty at once with one id make one change and get one answer, later repeats as well."""
    request = Request(str(uuid4()))
    answers = await asyncio.gather(*(_send(service, request) for _ in range(50)))
    await _send(service, Request(str(uuid4())))

    assert answers == [1] * 50
    assert await _send(service, request) == 1
    assert await service.values() == {"a": 2}


async def test_the_same_id_with_another_body_is_refused(service: Service) -> None:
    """REQUEST_ID_REUSED names the field."""
    request_id = str(uuid4())
    await _send(service, Request(request_id))

    with pytest.raises(InvalidArgument) as refused:
        await _send(service, Request(request_id, amount=2))
    assert (refused.value.reason, refused.value.violations[0].field) == (
        "REQUEST_ID_REUSED",
        "request_id",
    )


async def test_an_id_belongs_to_its_method(service: Service) -> None:
    """The same id on another method is another request."""
    request = Request(str(uuid4()))

    assert [await _send(service, request, "Add"), await _send(service, request, "AddMore")] == [
        1,
        2,
    ]


async def test_a_refused_request_may_be_repeated(service: Service) -> None:
    """A refusal keeps no key: the repeat runs again and may succeed."""
    request = Request(str(uuid4()), amount=-1)
    with pytest.raises(FailedPrecondition):
        await _send(service, request)
    await _send(service, Request("", amount=5))

    assert await _send(service, request) == 4


@pytest.mark.parametrize("request_id", ["1", "not-a-uuid", "x" * 5000])
async def test_an_id_must_be_a_uuid(service: Service, request_id: str) -> None:
    """The error names the field."""
    with pytest.raises(InvalidArgument) as refused:
        await _send(service, Request(request_id))
    assert refused.value.violations[0].field == "request_id"
