"""StreamWorkloadLogs: the output of a workload as its backend gives it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from time import monotonic

from gpuaas.scheduler.v1 import scheduler_service_pb2 as pb
from scheduler_service.application import queries
from scheduler_service.application.ports import Backend, Reader
from scheduler_service.domain.output import OutputLine, Source
from servicekit.errors import invalid
from servicekit.eventlog import BOOKMARK
from servicekit.wellknown import write_time

LOOK_EVERY_S = 0.25
LINES = 1000
SIGN_OF_LIFE_S = BOOKMARK.total_seconds() / 2

_SOURCES = {it: pb.WorkloadLogLine.Source.Value(f"SOURCE_{it}") for it in Source}


async def output(
    reader: Reader, backend: Backend, workload_id: str, request: pb.StreamWorkloadLogsRequest
) -> AsyncIterator[pb.StreamWorkloadLogsResponse]:
    """Parts of the output from the place that is asked for; with follow to the workload's end.

    Raises:
        InvalidArgument: the place makes no sense.
        WorkloadNotFound: there is no such workload.
    """
    _check(request)
    after, said_at = -1, monotonic()
    while True:
        workload = await queries.get_workload(reader, workload_id)
        lines = await backend.output(workload)
        if after < 0:
            after = _start(request, len(lines))
        for start in range(after, len(lines), LINES):
            part = lines[start : start + LINES]
            after, said_at = part[-1].offset + 1, monotonic()
            yield _message(part, after)
        if not request.follow or workload.state.ended:
            return
        if monotonic() - said_at > SIGN_OF_LIFE_S:
            said_at = monotonic()
            yield _message([], after)
        await asyncio.sleep(LOOK_EVERY_S)


def _check(request: pb.StreamWorkloadLogsRequest) -> None:
    if request.offset < 0 or request.tail_lines < 0:
        raise invalid("offset, tail_lines", "0 or more")
    if request.offset and request.tail_lines:
        raise invalid("tail_lines", "this or offset, not both")


def _start(request: pb.StreamWorkloadLogsRequest, written: int) -> int:
    """The first line to send, of so many that there are."""
    return max(0, written - request.tail_lines) if request.tail_lines else request.offset


def _message(lines: Sequence[OutputLine], reached: int) -> pb.StreamWorkloadLogsResponse:
    message = pb.StreamWorkloadLogsResponse(next_offset=reached)
    for line in lines:
        written = message.lines.add(
            offset=line.offset, source=_SOURCES[line.source], text=line.text
        )
        write_time(written.time, line.at)
    return message
