"""Loops begin again after a failure, and say why without repeating themselves."""

import asyncio

import pytest

from servicekit import loops
from servicekit.errors import Unavailable
from servicekit.loops import looping
from tests.unit.servicekit.captured_log import captured_log


async def told(*reasons: str) -> list[str]:
    """The reasons that are in the log after a loop has failed for these, one after the other."""
    left, over = list(reasons), asyncio.Event()

    async def work() -> None:
        if not left:
            over.set()
            await asyncio.Event().wait()
        raise Unavailable(left.pop(0))

    with captured_log() as log:
        async with looping({"relay": work}):
            await asyncio.wait_for(over.wait(), 30)
        return [line["reason"] for line in log.lines()]


async def test_why_a_loop_fails_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is something else: whoever reads the log has understood."""
    monkeypatch.setattr(loops, "FIRST_PAUSE", 0.0)
    reasons = await told("no relay", "no relay", "no relay", "away", "away", "no relay")
    assert ["no relay", "away", "no relay"] == reasons


async def test_it_is_said_again_after_the_work_has_gone_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For a while that is long enough; here any is."""
    monkeypatch.setattr(loops, "FIRST_PAUSE", 0.0)
    monkeypatch.setattr(loops, "LONGEST_PAUSE", -1.0)
    assert ["away", "away"] == await told("away", "away")
