"""Time, identifiers and the call being served."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.call import Call, call_or_none, current_call, enter_call, serving
from servicekit.clock import ManualClock, SystemClock, from_micros, to_micros
from servicekit.errors import InvalidArgument, Unauthenticated
from servicekit.ids import (
    checked_uuid,
    child_traceparent,
    new_id,
    usable_request_id,
    usable_traceparent,
)

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_become_microseconds_and_back_exactly(moment: datetime) -> None:
    """No rounding, before 1970 and after."""
    assert moment == from_micros(to_micros(moment))


def test_a_manual_clock_moves_only_when_told_and_only_forward() -> None:
    """Both its times move together."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    clock.advance(timedelta(seconds=90))
    assert datetime(2026, 1, 1, 0, 1, 30, tzinfo=UTC) == clock.now()
    assert 90.0 == clock.monotonic()
    with pytest.raises(ValueError, match="forward"):
        clock.advance(timedelta(seconds=-1))


def test_the_system_clock_is_aware() -> None:
    """A time without a zone would compare wrongly."""
    assert UTC is SystemClock().now().tzinfo


def test_new_ids_are_sorted_uuids() -> None:
    """Version 7: rows of one table lie in the order of their making."""
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(set(ids))
    assert 7 == UUID(ids[0]).version


def test_a_uuid_is_made_canonical_or_refused_by_name() -> None:
    """Two spellings of one id are one id."""
    spelled = "{12345678-1234-5678-1234-567812345678}".upper()
    assert "12345678-1234-5678-1234-567812345678" == checked_uuid("job_id", spelled)
    with pytest.raises(InvalidArgument, match="job_id: expected a UUID"):
        checked_uuid("job_id", "42")


@pytest.mark.parametrize("text", [None, "", "a b", "x" * 129, 'a"b', "é", "a\nb"])
def test_an_unusable_request_id_is_replaced(text: str | None) -> None:
    """What could break a log line or an echo is not taken over."""
    assert 7 == UUID(usable_request_id(text)).version


def test_a_usable_request_id_is_kept() -> None:
    """The caller finds its own id in our logs."""
    assert "web-42:a/b" == usable_request_id("web-42:a/b")


def test_a_child_stays_in_its_parents_trace() -> None:
    """Same trace and flags, another span."""
    child = child_traceparent(PARENT)
    assert (PARENT[:36], PARENT[52:]) == (child[:36], child[52:])
    assert PARENT != child


@pytest.mark.parametrize(
    "text", [None, "", "nonsense", PARENT.upper(), f"00-{'0' * 32}-{'1' * 16}-01"]
)
def test_without_a_usable_parent_a_new_trace_begins(text: str | None) -> None:
    """And it has the form of one."""
    for made in (child_traceparent(text), usable_traceparent(text)):
        assert made == usable_traceparent(made)
        assert made != text


def test_outside_of_a_call_there_is_none() -> None:
    """Code that needs one says so instead of guessing."""
    assert call_or_none() is None
    with pytest.raises(RuntimeError, match="no call"):
        current_call()


def test_a_call_is_there_within_its_block() -> None:
    """And gone after it, also after an error."""
    call = Call("/a.B/C", request_id="r-1")
    with contextlib.suppress(KeyError), serving(call):
        assert call is current_call()
        raise KeyError
    assert call_or_none() is None


async def test_calls_of_neighbouring_tasks_do_not_mix() -> None:
    """Each task sees the call it entered, however they interleave."""
    turns = [asyncio.Event() for _ in range(3)]

    async def serve(number: int) -> str:
        enter_call(Call("/a.B/C", request_id=str(number)))
        turns[number].set()
        await asyncio.gather(*(turn.wait() for turn in turns))
        return current_call().request_id

    assert ["0", "1", "2"] == await asyncio.gather(*map(serve, range(3)))


def test_a_call_without_identity_has_no_caller() -> None:
    """Asking for one is the caller's mistake: TOKEN_MISSING."""
    with pytest.raises(Unauthenticated) as refusal:
        Call("/a.B/C").caller  # noqa: B018
    assert "TOKEN_MISSING" == refusal.value.reason
