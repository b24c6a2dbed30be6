"""Replays a trace against a running system."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import httpx

from bench.accounts import Account, log_in, register
from bench.replay.books import read_books, read_jobs
from bench.replay.faults import Faults
from bench.replay.outcome import Outcome, compare
from bench.replay.submitter import Submitter
from bench.replay.trace import TraceJob
from bench.replay.watcher import FINAL, Watcher
from local.administrator import settle_admin
from local.layout import Name
from local.supervisor import System

SUBMITS_IN_FLIGHT = 32
QUIET_S = 3.0
LAST_EVENTS_S = 30.0
STREAMS_OPEN_S = 30.0


@dataclass(slots=True)
class Replay:
    """One replay of `jobs` at `speed`; `on_progress` hears how many were submitted and ended.

    Attributes:
        kill: processes to kill and start again, one after the other.
        patience_s: how long nothing may happen, beyond the longest job, before it is over.
        acknowledged: job id by job name.
        retries: attempts to submit that had to be repeated.
        resumed: streams that were cut and resumed.
        killed: processes that were killed, in order.
        seconds: how long it took.
    """

    system: System
    jobs: Sequence[TraceJob]
    speed: float
    kill: Sequence[Name] = ()
    patience_s: float = 60.0
    on_progress: Callable[[int, int], None] = lambda submitted, ended: None
    acknowledged: dict[str, str] = field(default_factory=dict)
    retries: int = 0
    resumed: int = 0
    killed: list[str] = field(default_factory=list)
    seconds: float = 0.0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _watchers: list[Watcher] = field(default_factory=list)
    _gone: set[str] = field(default_factory=set)

    async def run(self) -> Outcome:
        """Registers the users, submits and watches everything, and reads the books.

        Raises:
            Refused: a submit was refused for good.
            OutOfOrder: a stream broke its promise.
        """
        started = time.monotonic()
        users = await self._register()
        async with self._client() as client, self._watching(users.values()):
            admin = Account("admin", await asyncio.to_thread(settle_admin, self.system))
            await asyncio.to_thread(log_in, self.system.url, admin)
            await self._submit_all(client, users)
            await self._until_ended(client, admin)
            books = await read_books(client, admin, list(users.values()))
            await self._until_seen({job["id"] for job in books.jobs if job["status"] in FINAL})
            self.resumed = sum(watcher.resumed for watcher in self._watchers)
        self.seconds = time.monotonic() - started
        return compare(len(self.jobs), self.acknowledged, self._seen, books, self.speed)

    def _client(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=SUBMITS_IN_FLIGHT)
        return httpx.AsyncClient(base_url=self.system.url, limits=limits, timeout=30.0)

    async def _register(self) -> dict[str, Account]:
        clusters = sorted({job.cluster for job in self.jobs})
        names = [f"vc-{cluster}" for cluster in clusters]
        accounts = await asyncio.gather(
            *(asyncio.to_thread(register, self.system.url, name) for name in names)
        )
        return dict(zip(clusters, accounts, strict=True))

    @contextlib.asynccontextmanager
    async def _watching(self, accounts: Iterable[Account]) -> AsyncIterator[None]:
        """Opens a stream for each user; its failure is the replay's."""
        async with asyncio.TaskGroup() as streams:
            self._watchers += [
                Watcher(self.system.url, account, self._changed.set) for account in accounts
            ]
            tasks = [streams.create_task(watcher.run()) for watcher in self._watchers]
            async with asyncio.timeout(STREAMS_OPEN_S):
                for watcher in self._watchers:
                    await watcher.opened.wait()
            yield
            for task in tasks:
                task.cancel()

    async def _submit_all(self, client: httpx.AsyncClient, users: dict[str, Account]) -> None:
        """Submits each job when its time has come; late ones follow as fast as they can."""
        submitter = Submitter(client)
        faults = Faults(self.system, len(self.jobs), self.kill)
        slots = asyncio.Semaphore(SUBMITS_IN_FLIGHT)
        begun = time.monotonic()

        async def submit(job: TraceJob) -> None:
            try:
                job_id = await submitter.submit(users[job.cluster], job)
            finally:
                slots.release()
            self.acknowledged[job.name] = job_id
            self._report()
            await faults.acknowledged(len(self.acknowledged))

        async with asyncio.TaskGroup() as submits:
            for job in self.jobs:
                await asyncio.sleep(begun + job.submit_s / self.speed - time.monotonic())
                await slots.acquire()
                submits.create_task(submit(job))
        await faults.repaired()
        self.killed += faults.killed
        self.retries = submitter.retries

    async def _until_ended(self, client: httpx.AsyncClient, admin: Account) -> None:
        """Waits until every acknowledged job has ended or turned out not to exist.

        The streams tell; in a quiet moment the list of jobs is asked: a lost job says nothing.
        """
        longest = max((job.duration_s for job in self.jobs), default=0.0)
        patience = longest / self.speed + self.patience_s
        quiet_since, events = time.monotonic(), -1
        while not self._is_over():
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), QUIET_S)
            except TimeoutError:
                await self._look_up(client, admin)
            self._report()
            if events != (events := sum(watcher.events for watcher in self._watchers)):
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since > patience:
                return

    def _is_over(self) -> bool:
        ended = sum(len(watcher.ends) for watcher in self._watchers)
        if ended + len(self._gone) < len(self.acknowledged):  # spares the sets at every event
            return False
        return self._seen.keys() | self._gone >= set(self.acknowledged.values())

    async def _look_up(self, client: httpx.AsyncClient, admin: Account) -> None:
        """Finds jobs that the streams have nothing more to tell about."""
        known = {job["id"]: job["status"] for job in await read_jobs(client, admin)}
        self._gone = {
            job_id
            for job_id in self.acknowledged.values()
            if known.get(job_id) in FINAL or job_id not in known
        }

    async def _until_seen(self, ended: set[str]) -> None:
        """Gives the streams a last moment for what the books already tell."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_EVENTS_S):
                while not self._seen.keys() >= ended:
                    self._changed.clear()
                    await self._changed.wait()

    @property
    def _seen(self) -> dict[str, str]:
        return {job: state for watcher in self._watchers for job, state in watcher.ends.items()}

    def _report(self) -> None:
        ended = sum(len(watcher.ends) for watcher in self._watchers)
        self.on_progress(len(self.acknowledged), ended)
