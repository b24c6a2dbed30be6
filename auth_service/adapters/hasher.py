"""bcrypt in threads of its own: a hash takes a quarter of a second, and the loop cannot wait."""

import asyncio
import base64
import hashlib
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

import bcrypt

from servicekit.errors import ResourceExhausted

THREADS = 2
WAITING = 32

T = TypeVar("T")

_SALT_BYTES = 16
_TO_BCRYPT = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
)


class BcryptHasher:
    """What the application's PasswordHasher promises. `cost` is the logarithm of the rounds.

    At most WAITING calls wait for one of THREADS threads; one more is refused as overloaded.
    """

    def __init__(self, cost: int) -> None:
        self._cost = cost
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="bcrypt")
        self._unfinished = 0
        # Well-formed, of the same cost, and the hash of no password that anybody will find.
        self._nobodys = b"$2b$%02d$" % cost + b"." * 53

    async def hash(self, password: str) -> str:
        """Returns a salted hash to store."""
        salt = bcrypt.gensalt(self._cost)
        hashed = await self._compute(lambda: bcrypt.hashpw(_shortened(password), salt))
        return hashed.decode()

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Tells whether the hash is this password's; None is compared with nobody's hash."""
        expected = self._nobodys if password_hash is None else password_hash.encode()
        return await self._compute(lambda: bcrypt.checkpw(_shortened(password), expected))

    async def digest(self, password: str, seed: str) -> str:
        """Returns the hash whose salt comes from the seed, so that the same two give the same."""
        salt = b"$2b$%02d$" % self._cost + _salt_from(seed)
        hashed = await self._compute(lambda: bcrypt.hashpw(_shortened(password), salt))
        return hashed.decode()

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


def _shortened(password: str) -> bytes:
    """Returns 44 bytes for any password: bcrypt reads no more than 72, and stops at a zero byte."""
    normal = unicodedata.normalize("NFC", password)  # keyboards differ in how they compose
    return base64.b64encode(hashlib.sha256(normal.encode()).digest())


def _salt_from(seed: str) -> bytes:
    salt = hashlib.blake2b(seed.encode(), digest_size=_SALT_BYTES).digest()
    return base64.b64encode(salt).rstrip(b"=").translate(_TO_BCRYPT)
