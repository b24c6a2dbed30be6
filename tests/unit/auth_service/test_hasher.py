import asyncio
from collections.abc import Iterator

import bcrypt
import pytest

from auth_service.adapters.hasher import THREADS, WAITING, BcryptHasher
from auth_service.application.ports import NobodyLooked
from servicekit.errors import ResourceExhausted, Unavailable

COST = 4


@pytest.fixture(params=[False, True], ids=["threads", "processes"])
def hasher(request: pytest.FixtureRequest) -> Iterator[BcryptHasher]:
    """A hasher that is as fast as bcrypt gets, in this process or apart."""
    hasher = BcryptHasher(COST, apart=request.param)
    yield hasher
    hasher.close()


async def test_a_hash_is_its_passwords_and_no_others(hasher: BcryptHasher) -> None:
    """Equal passwords match, others do not, and two hashes of one password differ."""
    one, other = await hasher.hash("correct horse"), await hasher.hash("correct horse")
    assert one != other
    assert await hasher.matches("correct horse", one)
    assert not await hasher.matches("Correct horse", one)


async def test_every_byte_of_a_long_password_counts(hasher: BcryptHasher) -> None:
    """By itself bcrypt would read only 72 bytes, and stop at a zero byte."""
    stored = await hasher.hash("x" * 1000 + "a")
    assert not await hasher.matches("x" * 1000 + "b", stored)
    stored = await hasher.hash("a\x00b")
    assert not await hasher.matches("a\x00c", stored)


async def test_keyboards_may_compose_letters_differently(hasher: BcryptHasher) -> None:
    """One letter with its accent is the same password as letter and accent."""
    assert await hasher.matches("caf\u00e9 au lait", await hasher.hash("cafe\u0301 au lait"))


async def test_nobodys_hash_matches_nothing(hasher: BcryptHasher) -> None:
    """An unknown user has no password that would do."""
    assert not await hasher.matches("", None)
    assert not await hasher.matches("correct horse", None)


async def test_nobodys_hash_costs_as_much_as_somebodys(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown user's password is compared by the same function at the same cost."""
    hasher = BcryptHasher(COST)
    compared: list[bytes] = []

    def record(password: bytes, known: bytes) -> bool:
        compared.append(known)
        return False

    monkeypatch.setattr(bcrypt, "checkpw", record)
    stored = await hasher.hash("correct horse")
    await hasher.matches("correct horse", stored)
    await hasher.matches("correct horse", None)
    assert [b"$2b$04$", b"$2b$04$"] == [known[:7] for known in compared]
    assert [60, 60] == [len(known) for known in compared]
    hasher.close()


async def test_a_digest_depends_on_password_and_seed_alone(hasher: BcryptHasher) -> None:
    """The same two give the same digest, at the cost of a hash."""
    digest = await hasher.digest("correct horse", "seed")
    assert digest == await hasher.digest("correct horse", "seed")
    assert digest != await hasher.digest("correct horse", "other seed")
    assert digest != await hasher.digest("battery staple", "seed")
    assert digest.startswith("$2b$04$")


async def test_more_than_can_wait_is_refused(hasher: BcryptHasher) -> None:
    """Beyond the limit callers are told when to come back; afterwards everything works again."""
    limit = THREADS + WAITING
    calls = [asyncio.ensure_future(hasher.hash("x")) for _ in range(limit + 3)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, ResourceExhausted)]
    assert 3 == len(refused)
    assert {"OVERLOADED"} == {failure.reason for failure in refused}
    assert all(failure.retry_after for failure in refused)
    assert await hasher.hash("x")


async def test_who_goes_away_before_anybody_looked_is_told_so(hasher: BcryptHasher) -> None:
    """What waits is not computed then; what is under way is, and says nothing of the kind."""

    async def hash_of(password: str) -> str:
        try:
            return await hasher.hash(password)
        except NobodyLooked:
            return "nobody looked"

    calls = [asyncio.ensure_future(hash_of("x")) for _ in range(THREADS + 20)]
    await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    endings = await asyncio.gather(*calls, return_exceptions=True)
    assert "nobody looked" == endings[-1]
    looked = [ending for ending in endings if ending != "nobody looked"]
    assert all(isinstance(ending, asyncio.CancelledError) for ending in looked)
    assert await hasher.hash("x")


async def test_a_process_that_was_killed_is_replaced() -> None:
    """Whoever waited for it is asked to try again; the next one gets another process."""
    hasher = BcryptHasher(COST, apart=True)
    await asyncio.gather(*(hasher.hash("x") for _ in range(8)))
    for process in list(hasher._processes):
        process._process.kill()
        process._process.wait()
    endings = await asyncio.gather(*(hasher.hash("x") for _ in range(8)), return_exceptions=True)
    assert any(isinstance(it, Unavailable) for it in endings)
    assert all(isinstance(it, str | Unavailable) for it in endings)
    assert await hasher.matches("x", await hasher.hash("x"))
    hasher.close()


async def test_the_end_leaves_no_process() -> None:
    """All have ended by themselves, without an error."""
    hasher = BcryptHasher(COST, apart=True)
    await asyncio.gather(*(hasher.hash("x") for _ in range(4)))
    processes = [process._process for process in hasher._processes]
    hasher.close()
    assert {0} == {process.poll() for process in processes}
