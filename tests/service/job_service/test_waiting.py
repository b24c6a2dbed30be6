"""Why jobs wait, what their runs write, and how many streams a caller may have open."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from gpuaas.job.v1 import job_pb2
from gpuaas.job.v1 import job_service_pb2 as pb
from gpuaas.scheduler.v1 import scheduler_service_pb2
from job_service.entrypoints import waiting as entrypoint
from servicekit.clock import ManualClock, SystemClock
from servicekit.errors import Failure, Kind
from servicekit.wellknown import timestamp
from tests.service.job_service.conftest import AUTO, House, Open
from tests.service.job_service.test_runs import workload_of

Explanation = scheduler_service_pb2.Explanation


async def test_a_queued_job_says_what_the_scheduler_says(
    open_house: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reason, position and the window of its start; asked once a second, whoever looks."""
    monkeypatch.setattr(entrypoint, "PATIENCE_S", 30.0)
    async with open_house(ManualClock(datetime.now(UTC)), **AUTO) as house:
        await says_what_the_scheduler_says(house)


async def says_what_the_scheduler_says(house: House) -> None:
    """On a service whose clock stands still, so that all is asked within one second."""
    job = await house.submit()
    workload = await workload_of(house, job)
    now = timestamp(SystemClock().now())
    house.scheduler.explanations[workload.id] = Explanation(
        workload_id=workload.id,
        kind=Explanation.KIND_PRIORITY,
        message="3 go first",
        position=4,
        start_earliest=now,
        update_time=now,
    )
    waiting, *rest = [(await house.get(job.id)).waiting for _ in range(3)]
    assert [waiting] * 2 == rest
    assert job_pb2.WaitingReason.KIND_PRIORITY == waiting.kind
    assert ("3 go first", 4, now) == (waiting.message, waiting.position, waiting.start_earliest)
    assert not waiting.HasField("start_latest")
    [listed] = (await house.jobs.ListJobs(pb.ListJobsRequest(), **house.by("ada"))).jobs
    assert waiting == listed.waiting
    assert [[workload.id]] == house.scheduler.explained


async def test_without_the_scheduler_a_job_says_what_its_state_says(auto_house: House) -> None:
    """And is answered all the same."""
    house = auto_house
    job = await house.submit()
    await workload_of(house, job)
    await house.scheduler.down()
    assert job_pb2.WaitingReason.KIND_RESOURCES == (await house.get(job.id)).waiting.kind
    await house.scheduler.up()


async def output(house: House, job_id: str, by: str = "ada", **fields: Any) -> list[Any]:
    """Everything that a stream of output gives."""
    request = pb.StreamJobLogsRequest(job_id=job_id, **fields)
    return [message async for message in house.jobs.StreamJobLogs(request, **house.by(by))]


def texts(messages: list[Any]) -> list[str]:
    """The lines' texts."""
    return [line.text for message in messages for line in message.lines]


async def test_output_is_read_from_the_start_an_offset_the_end_or_a_token(
    auto_house: House,
) -> None:
    """A token goes on right after the line that it came with."""
    house = auto_house
    job = await house.submit()
    workload = await workload_of(house, job)
    house.scheduler.lines[workload.id] = ["a", "b", "c", "d"]
    whole = await output(house, job.id)
    assert list("abcd") == texts(whole)
    assert [1, 2, 3, 4] == [message.next_offset for message in whole]
    assert {workload.id} == {message.run_id for message in whole}
    assert ["c", "d"] == texts(await output(house, job.id, offset=2))
    assert ["d"] == texts(await output(house, job.id, tail_lines=1, run_id=workload.id))
    assert ["b", "c", "d"] == texts(await output(house, job.id, resume_token=whole[0].resume_token))


async def test_a_job_that_has_not_run_has_no_output(house: House) -> None:
    """Its stream ends at once; a stranger's, an unknown run and a foreign token are refused."""
    job, other = await house.submit(), await house.submit()
    assert [] == await output(house, job.id)
    refusals = [
        ({"by": "bob"}, Kind.NOT_FOUND, "JOB_NOT_FOUND"),
        ({"run_id": "nobody"}, Kind.NOT_FOUND, "RUN_NOT_FOUND"),
        ({"resume_token": "x"}, Kind.INVALID_ARGUMENT, "RESUME_TOKEN_INVALID"),
        ({"offset": -1}, Kind.INVALID_ARGUMENT, "FIELD_INVALID"),
        ({"offset": 1, "tail_lines": 1}, Kind.INVALID_ARGUMENT, "FIELD_INVALID"),
    ]
    for fields, kind, reason in refusals:
        with pytest.raises(Failure) as refused:
            await output(house, other.id, **fields)  # type: ignore[arg-type]
        assert (kind, reason) == (refused.value.kind, refused.value.reason)


async def test_a_caller_has_so_many_streams_open_and_no_more(open_house: Open) -> None:
    """Until one is closed; others have their own."""
    async with open_house(**AUTO, streams_per_caller=2) as house:
        streams = [house.watch("ada") for _ in range(2)]
        for stream in streams:
            await anext(stream)
        with pytest.raises(Failure) as refused:
            await anext(house.watch("ada"))
        assert (Kind.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHES") == (
            refused.value.kind,
            refused.value.reason,
        )
        bobs = house.watch("bob")
        await anext(bobs)
        streams[0].cancel()
        async with asyncio.timeout(20):
            while True:
                stream = house.watch("ada")
                try:
                    await anext(stream)
                    break
                except Failure:
                    continue
        for open_one in (streams[1], bobs, stream):
            open_one.cancel()
