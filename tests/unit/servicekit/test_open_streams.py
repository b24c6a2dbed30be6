"""What becomes of streams at their server's end: told once, ended, and forgotten."""

import asyncio
import gc
import weakref
from time import monotonic

import pytest

from servicekit.call import Call
from servicekit.clock import SystemClock
from servicekit.errors import Unavailable
from servicekit.interceptors.streams import OpenStreams

METHOD = "/a.B/Watch"


class EndsItself:
    """A stream that hears that it should end."""

    def leave(self) -> None:
        """Hears it."""


async def test_a_stream_that_ended_is_kept_by_nothing() -> None:
    """Not by the timer either that would have told it to end, an hour later."""
    streams = OpenStreams(SystemClock())
    ending = EndsItself()
    known = weakref.ref(ending)

    async def stream(it: EndsItself) -> None:
        with streams.ending_itself(it.leave):
            pass

    await streams.serve(Call(METHOD, deadline=monotonic() + 3600), stream(ending))
    del ending
    gc.collect()
    assert known() is None


async def test_a_stream_that_is_let_in_while_the_server_drains_ends_at_once() -> None:
    """Its caller resumes elsewhere, though it was admitted just before."""
    streams = OpenStreams(SystemClock())

    async def stream() -> None:
        await asyncio.Event().wait()

    streams.end_all()
    with pytest.raises(Unavailable, match="resume elsewhere"):
        await streams.serve(Call(METHOD, deadline=monotonic() + 30), stream())
