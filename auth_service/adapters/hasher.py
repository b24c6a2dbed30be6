"""Slow hashes beside the event loop: one takes a quarter of a second, the loop cannot wait."""

import asyncio
import base64
import hashlib
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import bcrypt

from auth_service.adapters import hashes
from auth_service.adapters.hashing_process import WORK, HashingProcess
from auth_service.application.ports import NobodyLooked
from servicekit.errors import ResourceExhausted, Unavailable

THREADS = 2
WAITING = 64

_SALT_BYTES = 16
_TO_BCRYPT = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
)


class BcryptHasher:
    """What the application's PasswordHasher promises. `cost` is the logarithm of the rounds.

    At most WAITING calls wait for one of THREADS threads; one more is refused as overloaded. With
    `apart` each thread has a process that computes for it, and only waits.
    """

    def __init__(self, cost: int, *, apart: bool = False) -> None:
        self._cost = cost
        self._apart = apart
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="hashing")
        self._own = threading.local()
        self._processes: set[HashingProcess] = set()
        self._unfinished = 0
        # Well-formed, of the same cost, and the hash of no password that anybody will find.
        self._nobodys = f"$2b${cost:02}$" + "." * 53

    async def hash(self, password: str) -> str:
        """Returns a salted hash to store."""
        hashed: str = await self._compute("hash", password, bcrypt.gensalt(self._cost))
        return hashed

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Tells whether the hash is this password's; None is compared with nobody's hash."""
        expected = self._nobodys if password_hash is None else password_hash
        matches: bool = await self._compute("verify", password, expected)
        return matches

    async def digest(self, password: str, seed: str) -> str:
        """Returns the hash whose salt comes from the seed, so that the same two give the same."""
        salt = b"$2b$%02d$" % self._cost + _salt_from(seed)
        hashed: str = await self._compute("hash", password, salt)
        return hashed

    def is_outdated(self, password_hash: str) -> bool:
        """Tells whether it is of another form, or weaker than new ones."""
        return not password_hash.startswith("$2b$") or int(password_hash[4:6]) < self._cost

    def adopted(self, foreign: str) -> str:
        """Returns what to store for a hash that another system made; ValueError if it is none."""
        return hashes.adopted(foreign)

    async def seconds(self) -> float:
        """Measures how long one hash takes here."""
        started = time.perf_counter()
        await self.matches("", None)
        return time.perf_counter() - started

    def close(self) -> None:
        """Ends threads and processes; what waits is not done any more."""
        self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            process.close()

    async def _compute(self, name: str, *arguments: Any) -> Any:
        if self._unfinished >= THREADS + WAITING:
            raise ResourceExhausted(
                "too many passwords are being checked", retry_after=timedelta(seconds=2)
            )
        self._unfinished += 1
        future: Future[Any] = self._threads.submit(self._work, name, *arguments)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if future.cancel():
                raise NobodyLooked from None
            raise
        finally:
            self._unfinished -= 1

    def _work(self, name: str, *arguments: Any) -> Any:
        """Does it, in one of the threads."""
        if not self._apart:
            return WORK[name](*arguments)
        process = self._process()
        try:
            return process.do(name, *arguments)
        except (EOFError, OSError):
            self._processes.discard(process)
            process.close()
            del self._own.process
            raise Unavailable("a hash could not be computed; try again") from None

    def _process(self) -> HashingProcess:
        """Returns this thread's process; one that has ended is replaced."""
        if not hasattr(self._own, "process"):
            self._own.process = HashingProcess()
            self._processes.add(self._own.process)
        process: HashingProcess = self._own.process
        return process


def _salt_from(seed: str) -> bytes:
    salt = hashlib.blake2b(seed.encode(), digest_size=_SALT_BYTES).digest()
    return base64.b64encode(salt).rstrip(b"=").translate(_TO_BCRYPT)
