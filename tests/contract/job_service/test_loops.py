"""The loops to and from the scheduler, on both databases: nothing lost, nothing done twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from job_service.adapters.documents import actor_of, decode_event
from job_service.application.commands.offers import NoteOffers
from job_service.application.following import READER
from job_service.domain.offers import Offer, Offers, Places
from job_service.domain.reports import ReportKind
from job_service.domain.runs import FailureReason, RetryRule
from job_service.domain.spec import ResourceType
from job_service.domain.states import JobState
from job_service.entrypoints.loops import FORWARD, Catalogue, Follower, Forwarder
from servicekit.clock import SystemClock
from servicekit.errors import Unavailable
from servicekit.values import replace
from tests.contract.job_service.conftest import Store
from tests.fakes.job_service import FakeScheduler
from tests.fakes.jobs import (
    HOUR,
    PERIOD,
    approve_command,
    cancel_command,
    policy,
    report,
    submit_command,
)

AUTO = policy(hours=1000, auto_hours=1000)


def forwarder(store: Store, scheduler: FakeScheduler) -> Forwarder:
    """The outbox of a store."""
    assert store.storage is not None
    storage = store.storage
    return Forwarder(
        storage.log,
        storage.writer,
        scheduler,
        decode_event,
        actor_of,
        store.reader,
        AUTO,
        SystemClock(),
    )


def follower(store: Store, scheduler: FakeScheduler) -> Follower:
    """The inbox of a store."""
    assert store.storage is not None
    return Follower(store.storage.writer, scheduler, store.reader, RetryRule())


@asynccontextmanager
async def going(loop: Callable[[], Awaitable[None]]) -> AsyncIterator[asyncio.Task[None]]:
    """Runs a loop within the block."""
    task = asyncio.ensure_future(_run(loop))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Waits for a condition by asking the database again and again."""
    async with asyncio.timeout(20):
        while not await condition():
            pass


async def test_forwarding_goes_on_where_it_stopped(database_store: Store) -> None:
    """A run is handed over once if nothing fails, also across a restart of the loop."""
    store, scheduler = database_store, FakeScheduler()

    async def forwarded() -> bool:
        assert store.storage is not None
        log = store.storage.log
        return await store.reader.position(FORWARD) == log.token(log.head)

    for job_id in ("j1", "j2"):
        await store.run(submit_command(job_id, policy=AUTO))
        async with going(forwarder(store, scheduler).run):
            await until(forwarded)
    assert ["run of j1", "run of j2"] == [queued.run.id for queued in scheduler.enqueued]


async def test_a_failed_call_leaves_the_cursor_behind(database_store: Store) -> None:
    """So that it is made again."""

    class Away(FakeScheduler):
        async def enqueue(self, runs: object) -> list[object]:  # type: ignore[override]
            raise Unavailable("away")

    await database_store.run(submit_command(policy=AUTO))
    with pytest.raises(Unavailable):
        await forwarder(database_store, Away()).run()
    assert "" == await database_store.reader.position(FORWARD)


async def test_a_refused_run_ends_its_job(database_store: Store) -> None:
    """With the scheduler's words; the hours come back."""
    store = database_store
    refusal = report(ReportKind.REFUSED, message="no pool has that")
    scheduler = FakeScheduler(refuses={"run of j1": refusal})
    await store.run(submit_command(policy=AUTO))
    async with going(forwarder(store, scheduler).run):
        await until(lambda: _is(store, JobState.FAILED))
    failure = (await store.reader.job("j1")).failure
    assert failure is not None
    assert (FailureReason.UNSATISFIABLE, "no pool has that") == (failure.reason, failure.message)
    account = await store.reader.account("user:u1", PERIOD)
    assert account is not None
    assert 0 == account.reserved


async def test_cancelled_runs_are_stopped_and_other_jobs_are_not(database_store: Store) -> None:
    """A job that was never queued has no run to stop."""
    store, scheduler = database_store, FakeScheduler()
    await store.run(submit_command("j1"))
    await store.run(approve_command("j1"))
    await store.run(submit_command("j2"))
    await store.run(cancel_command("j2"))
    await store.run(cancel_command("j1"))

    async def cancelled() -> bool:
        return bool(await store.reader.position(FORWARD))

    async with going(forwarder(store, scheduler).run):
        await until(cancelled)
    assert ["run of j1"] == [queued.run.id for queued in scheduler.enqueued]
    assert ["run of j1"] == scheduler.cancelled


async def test_following_resumes_at_its_cursor_and_ignores_repeats(database_store: Store) -> None:
    """The same reports again after a restart: settled once, and the cursor is the last one."""
    store, scheduler = database_store, FakeScheduler()
    await store.run(submit_command(policy=AUTO))
    told = [report(ReportKind.STARTED), report(ReportKind.SUCCEEDED, used=HOUR // 2)]
    for position in ("p1", "p2"):
        scheduler.reports.put_nowait((told, position))
        async with going(follower(store, scheduler).run):
            await until(lambda at=position: _stands(store, at))  # type: ignore[misc]
    assert ["", "p1"] == scheduler.watched_from
    account = await store.reader.account("user:u1", PERIOD)
    assert account is not None
    assert (0, HOUR // 2, HOUR // 2) == (account.reserved, account.used, account.refunded_total)


async def test_the_catalogue_knows_what_the_pools_have(store: Store) -> None:
    """Nothing before the scheduler was asked; then it is noted for submits to come."""
    offer = Offer("training", "local", ResourceType.GPU, "A100", 2_500_000)
    places = Places(frozenset({"training", "cores"}), frozenset({"local"}))
    scheduler = FakeScheduler(Offers((offer,), places, "USD"))
    catalogue = Catalogue(scheduler, store.changes)  # type: ignore[arg-type]
    assert (Offers(), frozenset()) == (catalogue.known(), catalogue.gpu_types())
    async with going(catalogue.run):
        await until(lambda: _knows(catalogue, "A100"))
    assert scheduler.has == catalogue.known() == await store.do(lambda unit: unit.offers.get())
    dearer = replace(scheduler.has, offers=(replace(offer, hourly=3_000_000),))
    assert await store.run(NoteOffers(dearer))
    assert not await store.run(NoteOffers(dearer))
    assert dearer == await store.do(lambda unit: unit.offers.get())


async def test_the_key_of_quotes_is_the_same_for_all(store: Store) -> None:
    """For whoever signs, beside the writer, and for the writer, which verifies."""
    key = await store.reader.quote_key()
    assert 32 == len(key)
    assert key == await store.do(lambda unit: unit.quote_keys.get())


async def _run(loop: Callable[[], Awaitable[object]]) -> None:
    await loop()


async def _knows(catalogue: Catalogue, gpu_type: str) -> bool:
    await asyncio.sleep(0)
    return gpu_type in catalogue.gpu_types()


async def _is(store: Store, state: JobState) -> bool:
    return (await store.reader.job("j1")).state is state


async def _stands(store: Store, position: str) -> bool:
    return await store.reader.position(READER) == position
