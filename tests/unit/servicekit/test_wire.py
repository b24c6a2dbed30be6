"""Messages joined from encoded parts are the messages that protobuf would have made."""

from hypothesis import given
from hypothesis import strategies as st

from gpuaas.job.v1.job_event_pb2 import JobEvent
from gpuaas.job.v1.job_service_pb2 import WatchJobsResponse
from servicekit.wire import element

EVENTS = WatchJobsResponse.EVENTS_FIELD_NUMBER


@given(st.lists(st.text(max_size=20_000), max_size=3), st.text(max_size=20))
def test_joined_elements_are_read_as_the_field(actors: list[str], token: str) -> None:
    """Whatever their lengths, from nothing to several bytes of length."""
    events = [JobEvent(actor=actor) for actor in actors]
    tail = WatchJobsResponse(resume_token=token).SerializeToString()

    joined = b"".join(element(EVENTS, event.SerializeToString()) for event in events) + tail

    assert WatchJobsResponse(events=events, resume_token=token).SerializeToString() == joined


def test_a_field_with_a_great_number_has_a_longer_key() -> None:
    """Key 16 << 3 | 2 takes two bytes."""
    assert b"\x82\x01\x01x" == element(16, b"x")
