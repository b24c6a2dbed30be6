"""Whether news has left: an answer that ends a session waits for those who have to know."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from auth_service.entrypoints import revocations
from auth_service.entrypoints.revocations import RevocationFeed
from servicekit.clock import ManualClock
from tests.fakes.auth_service import FakeStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Log:
    """An event log that says nothing; `head` is moved by the test."""

    head = 0

    def token(self, after: int) -> str:
        return str(after)

    async def follow(self, after: int, **rest: Any) -> AsyncIterator[list[Any]]:
        while True:
            yield [Unimportant(self.head)]


class Unimportant:
    """An event that revokes nothing."""

    kind = "user.registered"

    def __init__(self, revision: int) -> None:
        self.revision = revision


@pytest.fixture
def log() -> Log:
    """A log at its beginning."""
    return Log()


@pytest.fixture
def feed(log: Log) -> RevocationFeed:
    """A feed over it."""
    nothing: Any = None
    anything: Any = log
    return RevocationFeed(anything, FakeStore(), nothing, ManualClock(NOW))


async def test_an_answer_waits_for_a_watcher_who_was_not_sent_the_news(
    feed: RevocationFeed, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent is what a watcher has taken the next message after."""
    monkeypatch.setattr(revocations, "DELIVERY", timedelta(hours=1))
    watcher, other = feed.messages(""), feed.messages("")
    for stream in (watcher, other):
        await anext(stream)
    log.head = 5
    delivered = asyncio.ensure_future(feed.delivered())
    for stream in (watcher, other, other):
        await anext(stream)
        assert not delivered.done()
    assert "5" == (await anext(watcher)).resume_token
    await delivered


async def test_who_leaves_is_waited_for_no_longer(
    feed: RevocationFeed, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And without watchers there is nothing to wait for."""
    monkeypatch.setattr(revocations, "DELIVERY", timedelta(hours=1))
    watcher: Any = feed.messages("")
    await anext(watcher)
    log.head = 5
    delivered = asyncio.ensure_future(feed.delivered())
    await anext(watcher)
    assert not delivered.done()
    await watcher.aclose()
    await delivered
    await feed.delivered()


async def test_a_watcher_who_takes_nothing_is_not_waited_for_without_end(
    feed: RevocationFeed, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that hangs must not keep users from logging out."""
    monkeypatch.setattr(revocations, "DELIVERY", timedelta())
    await anext(feed.messages(""))
    log.head = 5
    await feed.delivered()
