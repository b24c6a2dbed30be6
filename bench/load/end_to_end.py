"""Jobs from their submit until their completion is seen: what a user waits for, not an answer."""

from __future__ import annotations

import asyncio
import time

from bench import messages
from bench.load import frames, http2
from bench.load.meter import Meter, Result
from bench.load.template import Template
from gpuaas.job.v1 import job_event_pb2, job_service_pb2

WATCH_OPENS_S = 30.0
LAST_ANSWERS_S = 30.0

COMPLETED = job_event_pb2.JobEvent.KIND_COMPLETED
OTHER_ENDS = {
    job_event_pb2.JobEvent.KIND_FAILED,
    job_event_pb2.JobEvent.KIND_REJECTED,
    job_event_pb2.JobEvent.KIND_CANCELLED,
}


async def run_jobs(
    address: str, token: str, request: bytes, *, in_flight: int, warm_up: float, measured: float
) -> Result:
    """Keeps `in_flight` jobs between their SubmitJob and their COMPLETED on WatchJobs."""
    watching = await http2.connect(address, http2.grpc_headers(address, messages.WATCH, token))
    submitting = await http2.connect(address, http2.grpc_headers(address, messages.SUBMIT, token))
    watch = Watch()
    ask = job_service_pb2.WatchJobsRequest()
    watching.call(frames.message(ask.SerializeToString()), watch)
    await asyncio.wait_for(watch.opened.wait(), WATCH_OPENS_S)
    meter = Meter(warm_up, measured)
    template = Template.of(frames.message(request))
    slots = [_Slot(submitting, watch, template, meter) for _ in range(in_flight)]
    for slot in slots:
        slot.start()
    async with asyncio.timeout(meter.length + LAST_ANSWERS_S):
        for slot in slots:
            await slot.done.wait()
    watch.close()
    watching.close()
    submitting.close()
    return meter.result()


class Watch:
    """The stream on which ends are seen; they may come before the submit's own answer."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self._waiting: dict[str, _Slot] = {}
        self._early: dict[str, str | None] = {}
        self._closing = False

    def expect(self, job_id: str, slot: _Slot) -> None:
        """Tells `slot` of the job's end, at once if it has been seen already."""
        if job_id in self._early:
            slot.finish(self._early.pop(job_id))
        else:
            self._waiting[job_id] = slot

    def close(self) -> None:
        """Expects the stream's end from now on."""
        self._closing = True

    def message(self, payload: bytes) -> None:
        """Takes a batch of events; the first with a token tells that the stream stands."""
        batch = job_service_pb2.WatchJobsResponse.FromString(payload)
        if batch.resume_token:  # the snapshot is over
            self.opened.set()
        for event in batch.events:
            if event.kind == COMPLETED:
                self._end(event.job.id, None)
            elif event.kind in OTHER_ENDS:
                self._end(event.job.id, f"{event.job.status} {event.job.failure.message}")

    def ended(self, status: str, text: str) -> None:
        """Fails every job that waits for this stream."""
        if self._closing:
            return
        waiting, self._waiting = self._waiting, {}
        for slot in waiting.values():
            slot.finish(f"the watch ended: {status} {text}")
        self.opened.set()

    def _end(self, job_id: str, failure: str | None) -> None:
        slot = self._waiting.pop(job_id, None)
        if slot is None:
            self._early[job_id] = failure
        else:
            slot.finish(failure)


class _Slot:
    """One job at a time."""

    def __init__(
        self, connection: http2.Connection, watch: Watch, template: Template, meter: Meter
    ) -> None:
        self.done = asyncio.Event()
        self._connection = connection
        self._watch = watch
        self._template = template
        self._meter = meter
        self._started = 0.0

    def start(self) -> None:
        """Submits the next job."""
        self._started = time.perf_counter()
        self._connection.call(self._template.fill(), self)

    def message(self, payload: bytes) -> None:
        """Takes the submit's answer and waits for the job's end."""
        job = job_service_pb2.SubmitJobResponse.FromString(payload).job
        self._watch.expect(job.id, self)

    def ended(self, status: str, text: str) -> None:
        """Fails if the submit did; its success was told by the message."""
        if status != "0":
            self.finish(f"{status} {text}")

    def finish(self, failure: str | None) -> None:
        """Counts the job and goes on with the next."""
        if self._meter.record(self._started, failure):
            self.start()
        else:
            self.done.set()
