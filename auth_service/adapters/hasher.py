"""Slow hashes in threads of their own: one takes a quarter of a second, the loop cannot wait."""

import asyncio
import base64
import hashlib
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

import bcrypt

from auth_service.adapters import hashes
from servicekit.errors import ResourceExhausted

THREADS = 2
WAITING = 64
NICENESS = 10
"""How far the threads stand back, as `nice` does: whoever asks for something quick goes first."""

T = TypeVar("T")

_SALT_BYTES = 16
_TO_BCRYPT = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
)


class BcryptHasher:
    """What the application's PasswordHasher promises. `cost` is the logarithm of the rounds.

    At most WAITING calls wait for one of THREADS threads; one more is refused as overloaded. bcrypt
    and PBKDF2 give up the interpreter's lock while they compute.
    """

    def __init__(self, cost: int) -> None:
        self._cost = cost
        self._threads = ThreadPoolExecutor(
            THREADS, thread_name_prefix="bcrypt", initializer=_stand_back
        )
        self._unfinished = 0
        # Well-formed, of the same cost, and the hash of no password that anybody will find.
        self._nobodys = f"$2b${cost:02}$" + "." * 53

    async def hash(self, password: str) -> str:
        """Returns a salted hash to store."""
        salt = bcrypt.gensalt(self._cost)
        hashed = await self._compute(lambda: bcrypt.hashpw(hashes.shortened(password), salt))
        return hashed.decode()

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Tells whether the hash is this password's; None is compared with nobody's hash."""
        expected = self._nobodys if password_hash is None else password_hash
        return await self._compute(lambda: hashes.verified(password, expected))

    async def digest(self, password: str, seed: str) -> str:
        """Returns the hash whose salt comes from the seed, so that the same two give the same."""
        salt = b"$2b$%02d$" % self._cost + _salt_from(seed)
        hashed = await self._compute(lambda: bcrypt.hashpw(hashes.shortened(password), salt))
        return hashed.decode()

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
        """Ends the threads; what waits is not done any more."""
        self._threads.shutdown(cancel_futures=True)

    async def _compute(self, work: Callable[[], T]) -> T:
        if self._unfinished >= THREADS + WAITING:
            raise ResourceExhausted(
                "too many passwords are being checked", retry_after=timedelta(seconds=2)
            )
        self._unfinished += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._unfinished -= 1


def _stand_back() -> None:
    """Lowers the priority of the calling thread; only Linux keeps one for each thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _salt_from(seed: str) -> bytes:
    salt = hashlib.blake2b(seed.encode(), digest_size=_SALT_BYTES).digest()
    return base64.b64encode(salt).rstrip(b"=").translate(_TO_BCRYPT)
