"""What a failure is, and that it survives the wire."""

from datetime import timedelta

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from servicekit.errors import (
    FAILURES,
    HTTP_STATUS,
    FailedPrecondition,
    Failure,
    InvalidArgument,
    Kind,
    Unavailable,
    Unknown,
    Violation,
    invalid,
)
from servicekit.statuses import (
    CODES,
    DETAILS_KEY,
    failure_from_rpc,
    failure_of,
    status_of,
)


class QuotaExceeded(FailedPrecondition):
    reason = "QUOTA_EXCEEDED"


def details(status: status_pb2.Status, kind: type[Message]) -> list[Message]:
    """Returns a status's details of one kind."""
    found = []
    for packed in status.details:
        message = kind()
        if packed.Unpack(message):
            found.append(message)
    return found


def rpc_error(failure: Failure) -> grpc.aio.AioRpcError:
    """Returns the failure as a client's library raises it."""
    trailing = grpc.aio.Metadata((DETAILS_KEY, status_of(failure).SerializeToString()))
    return grpc.aio.AioRpcError(
        CODES[failure.kind], grpc.aio.Metadata(), trailing, details=failure.message
    )


def test_every_kind_has_a_class_a_grpc_code_and_an_http_status() -> None:
    """No kind can be raised that one of the three tables does not know."""
    assert set(Kind) == set(FAILURES) == set(CODES) == set(HTTP_STATUS)
    unused = (grpc.StatusCode.OK, grpc.StatusCode.DATA_LOSS)
    assert {kind.value: kind.name for kind in Kind} == {
        code.value[0]: code.name for code in grpc.StatusCode if code not in unused
    }


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_comes_back_from_the_wire_as_it_went(kind: Kind) -> None:
    """Class, message, reason, facts, violations and the time to wait all arrive."""
    sent = FAILURES[kind](
        "no",
        reason="BECAUSE",
        metadata={"gpu": "A100"},
        violations=[Violation("spec.count", "expected 1 or more")],
        retry_after=timedelta(milliseconds=1500),
    )
    received = failure_from_rpc(rpc_error(sent))
    assert type(sent) is type(received)
    assert vars(sent) == vars(received)


def test_a_status_has_exactly_one_error_info_of_our_domain() -> None:
    """Programs find the reason in one place, whatever else is said."""
    infos = details(status_of(invalid("hours", "a positive number")), error_details_pb2.ErrorInfo)
    expected = error_details_pb2.ErrorInfo(
        reason="FIELD_INVALID", domain="gpuaas", metadata={"field": "hours"}
    )
    assert [expected] == infos


def test_details_are_there_only_when_true() -> None:
    """A failure without violations, delay or quota says nothing of them."""
    assert 1 == len(status_of(Unavailable("later")).details)


def test_a_quota_failure_names_whose_quota() -> None:
    """QUOTA_EXCEEDED is told in gRPC's own words too."""
    status = status_of(QuotaExceeded("4 hours left, 8 asked for", metadata={"subject": "ada"}))
    quota = error_details_pb2.QuotaFailure()
    quota.violations.add(subject="ada", description="4 hours left, 8 asked for")
    assert [quota] == details(status, error_details_pb2.QuotaFailure)


def test_one_wrong_field_is_named_with_what_was_expected() -> None:
    """`invalid` says the field in the message, in the facts and as a violation."""
    failure = invalid("spec.hours", "a number above 0")
    assert "spec.hours: expected a number above 0" == str(failure)
    assert (Violation("spec.hours", "expected a number above 0"),) == failure.violations


@given(
    st.text(max_size=5000),
    st.dictionaries(st.text(max_size=200), st.text(max_size=500), max_size=40),
    st.lists(st.builds(Violation, st.text(max_size=300), st.text(max_size=300)), max_size=40),
)
def test_no_status_is_larger_than_clients_accept(
    message: str, metadata: dict[str, str], violations: list[Violation]
) -> None:
    """Within 8 KB of metadata whatever a handler puts in, in base64 and percent-encoding."""
    failure = InvalidArgument(message, metadata=metadata, violations=violations)
    status = status_of(failure)
    assert status.ByteSize() * 4 / 3 + len(status.message.encode()) * 3 < 7500
    assert 1 == len(details(status, error_details_pb2.ErrorInfo))


def test_a_failure_without_details_keeps_kind_and_text() -> None:
    """Errors that gRPC itself makes are failures too."""
    error = grpc.aio.AioRpcError(
        grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), details="gone"
    )
    failure = failure_from_rpc(error)
    assert (Unavailable, "gone", "UNAVAILABLE") == (type(failure), str(failure), failure.reason)


def test_details_that_are_no_status_are_passed_over() -> None:
    """A peer's broken details do not become an error of their own."""
    error = grpc.aio.AioRpcError(
        grpc.StatusCode.NOT_FOUND,
        grpc.aio.Metadata(),
        grpc.aio.Metadata((DETAILS_KEY, b"\xff\xff")),
        details="no such job",
    )
    assert Kind.NOT_FOUND is failure_from_rpc(error).kind


def test_a_status_of_an_unheard_code_is_unknown() -> None:
    """A code of a later version does not crash the client."""
    assert Unknown is type(failure_of(status_pb2.Status(code=99, message="new")))
