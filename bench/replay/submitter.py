"""Submits a job until it is acknowledged, however often the way there breaks."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

import httpx

from bench.accounts import Account, log_in
from bench.replay.trace import TraceJob

ATTEMPT_S = 10.0
GIVE_UP_S = 90.0
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0


class Refused(RuntimeError):
    """A submit was refused for good; the message has the answer."""


class Submitter:
    """Submits jobs over REST. `retries` counts the attempts that had to be repeated."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.retries = 0
        self._client = client

    async def submit(self, account: Account, job: TraceJob) -> str:
        """Returns the job's id once its submit was acknowledged.

        Every attempt carries the same Idempotency-Key: an earlier one may have been stored.

        Raises:
            Refused: the answer was a refusal, or there was none for GIVE_UP_S seconds.
        """
        key = str(uuid.uuid4())
        body = {"spec": spec(job)}
        pause, deadline = FIRST_PAUSE_S, time.monotonic() + GIVE_UP_S
        while time.monotonic() < deadline:
            job_id = await self._attempt(account, key, body)
            if job_id:
                return job_id
            self.retries += 1
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
        raise Refused(f"{job.name} was not answered for {GIVE_UP_S:.0f} s")

    async def _attempt(self, account: Account, key: str, body: dict[str, Any]) -> str:
        """Returns the id, or "" where another attempt may succeed."""
        headers = {**account.headers, "Idempotency-Key": key}
        try:
            answer = await self._client.post(
                "/api/v1/jobs", json=body, headers=headers, timeout=ATTEMPT_S
            )
        except httpx.TransportError:
            return ""
        if answer.is_success:
            return str(answer.json()["id"])
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            await asyncio.to_thread(log_in, str(self._client.base_url), account)
        elif not may_pass(answer.status_code):
            raise Refused(f"{answer.status_code}: {answer.text}")
        return ""


def may_pass(status: int) -> bool:
    """Tells whether a status speaks of the moment and not of the request."""
    passing = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.REQUEST_TIMEOUT)
    return status >= httpx.codes.INTERNAL_SERVER_ERROR or status in passing


def spec(job: TraceJob) -> dict[str, Any]:
    """Returns a trace's job as users write it."""
    return {
        "name": job.name,
        "command": "python train.py",
        "resources": {"count": job.gpus, "nodes": job.nodes},
        "estimated_duration": f"{job.estimate_s:.3f}s",
        "simulation": {"duration": f"{job.duration_s:.3f}s"},
        "labels": {"trace": job.name, "cluster": job.cluster},
    }
