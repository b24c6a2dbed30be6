"""When the writer hands groups over: at once if there is enough, one ahead of the one under way."""

import asyncio
from typing import Any, ClassVar

import pytest

from servicekit.commits import Defect, Outcome, Settled, Work
from servicekit.values import Value
from servicekit.writer import AHEAD, ENOUGH, Writer
from servicekit.writer_hosts import Deliver


class Put(Value, frozen=True):
    """A change that answers with its number."""

    name: ClassVar[str] = "put"
    number: int

    def run(self, unit: Any) -> int:
        """Answers."""
        return self.number


class PutMany(Put, frozen=True):
    """One that was gathered before."""

    is_batch: ClassVar[bool] = True


class Slow:
    """A host that settles a group when the test says so."""

    def __init__(self) -> None:
        self.groups: list[list[Work]] = []
        self.settled = 0
        self.refuses = False

    async def start(self, deliver: Deliver) -> None:
        self._deliver = deliver

    def settle(self, group: list[Work]) -> None:
        if self.refuses:
            raise Defect("a command cannot travel")
        self.groups.append(group)

    async def stop(self) -> None:
        pass

    def finish(self) -> None:
        """Commits the oldest group."""
        outcomes = [Outcome(work.command.run(None)) for work in self.groups[self.settled]]
        self.settled += 1
        self._deliver(Settled(outcomes, [], 0.0))

    @property
    def sizes(self) -> list[int]:
        """How many commands each group had."""
        return [len(group) for group in self.groups]


class Silent:
    """A log that nobody reads."""

    def publish(self, recorded: Any) -> None:
        pass


@pytest.fixture
async def host() -> Slow:
    """The host of the test's writer."""
    return Slow()


@pytest.fixture
async def writer(host: Slow) -> "Writer[Any]":
    """A writer over it."""
    writer: Writer[Any] = Writer(Silent(), host)  # type: ignore[arg-type]
    await writer.start()
    return writer


def put(writer: "Writer[Any]", *numbers: int) -> "list[asyncio.Task[int]]":
    """Has the writer execute commands at the same time."""
    return [asyncio.create_task(writer.execute(Put(number))) for number in numbers]


async def rounds() -> None:
    """Lets the loop turn, more often than the writer waits for it to be quiet."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_few_are_gathered_until_the_loop_is_quiet(host: Slow, writer: "Writer[Any]") -> None:
    """What comes in the same moment shares a commit."""
    tasks = put(writer, 1, 2, 3)
    await rounds()
    assert [3] == host.sizes
    host.finish()
    assert [1, 2, 3] == await asyncio.gather(*tasks)


async def test_one_group_waits_ahead_and_no_more(host: Slow, writer: "Writer[Any]") -> None:
    """So the host need not wait for this loop, and what waits longer shares one commit."""
    tasks = put(writer, 1)
    await rounds()
    tasks += put(writer, *range(2, 2 + 3 * ENOUGH))
    await rounds()
    assert AHEAD == len(host.groups)
    assert [1, ENOUGH] == host.sizes
    host.finish()
    assert [1, ENOUGH, 2 * ENOUGH] == host.sizes
    host.finish()
    host.finish()
    assert list(range(1, 2 + 3 * ENOUGH)) == await asyncio.gather(*tasks)


async def test_few_do_not_go_ahead(host: Slow, writer: "Writer[Any]") -> None:
    """They are not worth a commit of their own while others may still come."""
    tasks = put(writer, 1)
    await rounds()
    tasks += put(writer, 2, 3)
    await rounds()
    assert [1] == host.sizes
    host.finish()
    await rounds()
    assert [1, 2] == host.sizes
    host.finish()
    assert [1, 2, 3] == await asyncio.gather(*tasks)


async def test_a_batch_goes_at_once(host: Slow, writer: "Writer[Any]") -> None:
    """Ahead too: it was gathered before it came."""
    tasks = put(writer, 1)
    await rounds()
    tasks.append(asyncio.create_task(writer.execute(PutMany(2))))
    await asyncio.sleep(0)
    assert [1, 1] == host.sizes
    host.finish()
    host.finish()
    assert [1, 2] == await asyncio.gather(*tasks)


async def test_a_group_that_cannot_travel_fails_alone(host: Slow, writer: "Writer[Any]") -> None:
    """The one under way is answered, and later ones are committed."""
    kept = put(writer, 1)
    await rounds()
    host.refuses = True
    refused = put(writer, *range(100, 100 + ENOUGH))
    failures = await asyncio.gather(*refused, return_exceptions=True)
    assert {Defect} == {type(it) for it in failures}
    host.refuses = False
    kept += put(writer, 2)
    host.finish()
    await rounds()
    host.finish()
    assert [1, 2] == await asyncio.gather(*kept)


async def test_stopping_waits_for_all_groups(host: Slow, writer: "Writer[Any]") -> None:
    """None that was handed over goes unanswered."""
    tasks = put(writer, 1)
    await rounds()
    tasks += put(writer, *range(2, 2 + ENOUGH))
    await rounds()
    stopping = asyncio.create_task(writer.stop())
    await rounds()
    host.finish()
    await rounds()
    assert not stopping.done()
    host.finish()
    await stopping
    assert 1 + ENOUGH == len(await asyncio.gather(*tasks))
