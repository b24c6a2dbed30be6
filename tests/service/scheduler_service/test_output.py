"""The output of workloads over a true server."""

import asyncio
from typing import Any

import pytest

from gpuaas.scheduler.v1 import scheduler_service_pb2 as pb
from servicekit.errors import InvalidArgument, NotFound
from tests.service.scheduler_service.conftest import House, workload

Line = pb.WorkloadLogLine


async def lines(house: House, workload_id: str, **fields: Any) -> list[pb.WorkloadLogLine]:
    """Everything that a stream gives."""
    request = pb.StreamWorkloadLogsRequest(workload_id=workload_id, **fields)
    async with asyncio.timeout(20):
        parts = [part async for part in house.scheduler.StreamWorkloadLogs(request)]
    assert not parts or parts[-1].next_offset == max(
        (line.offset + 1 for part in parts for line in part.lines), default=parts[-1].next_offset
    )
    return [line for part in parts for line in part.lines]


async def test_output_is_followed_to_the_end_of_the_run(house: House) -> None:
    """It is the same afterwards, from the start, an offset, or the last lines on."""
    await house.enqueue(workload("a", 7.2))
    followed = await lines(house, "a", follow=True)
    assert list(range(22)) == [line.offset for line in followed]
    assert (Line.SOURCE_PLATFORM, Line.SOURCE_STDOUT) == (followed[0].source, followed[1].source)
    assert "step 20 of 20" == followed[20].text
    assert followed == await lines(house, "a")
    assert followed[5:] == await lines(house, "a", offset=5, follow=True)
    assert followed[-3:] == await lines(house, "a", tail_lines=3)
    assert [] == await lines(house, "a", offset=99)


async def test_what_makes_no_sense_is_refused(house: House) -> None:
    """An unknown workload, a place before the start, two places at once."""
    with pytest.raises(NotFound):
        await lines(house, "unknown")
    for fields in ({"offset": -1}, {"tail_lines": -1}, {"offset": 1, "tail_lines": 1}):
        with pytest.raises(InvalidArgument):
            await lines(house, "unknown", **fields)
