"""Changes that are made while the caller is told that time ran out.

Every method of the contract that may change something is tried, as the descriptors list them: the
change commits, the caller's deadline passes, and the caller repeats the request with its id. The
repeat gets the first answer, and nothing is there twice.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from gpuaas.job.v1 import (
    approval_rule_pb2,
    approval_service_pb2,
    job_pb2,
    quota_service_pb2,
    webhook_service_pb2,
)
from gpuaas.job.v1 import job_service_pb2 as pb
from job_service.bootstrap import SERVICES
from tests.service.job_service.conftest import AUTO, House, Open
from tests.service.job_service.scheduler import started
from tests.service.job_service.test_runs import workload_of
from tests.timeouts import made_once, path_of, writes

MUTATING = writes(SERVICES)
NOBODY_THERE = "http://127.0.0.1:9/hook"
ONE = approval_rule_pb2.ApprovalRule(
    name="all", decision=approval_rule_pb2.ApprovalRule.DECISION_ASK_ONE
)


async def pending(house: House) -> str:
    """A job that waits for approval."""
    spec = job_pb2.JobSpec(resources={"resource_type": "RESOURCE_TYPE_CPU"})  # type: ignore[arg-type]
    return (await house.submit(spec=spec)).id


async def ended(house: House) -> str:
    """A job that was cancelled."""
    job = await house.submit()
    await house.cancel(job.id)
    return job.id


async def running(house: House) -> str:
    """A job that runs."""
    job = await house.submit()
    await house.scheduler.tell(started(await workload_of(house, job)))
    await house.until(job.id, job_pb2.JOB_STATE_RUNNING)
    return job.id


async def approved(house: House) -> str:
    """A job that waits to be started."""
    return (await house.submit()).id


async def webhook(house: House) -> str:
    """A webhook that nobody answers."""
    request = webhook_service_pb2.CreateWebhookRequest(url=NOBODY_THERE)
    return (await house.webhooks.CreateWebhook(request, **house.by("ada"))).webhook.id


async def dead_letter(house: House) -> str:
    """Ids of a webhook and of a dead letter that it has, with a slash between them."""
    webhook_id = await webhook(house)
    await house.submit()
    request = webhook_service_pb2.ListDeadLettersRequest(webhook_id=webhook_id)
    async with asyncio.timeout(20):
        while not (
            letters := await house.webhooks.ListDeadLetters(request, **house.by("ada"))
        ).dead_letters:
            pass
    return f"{webhook_id}/{letters.dead_letters[0].id}"


REQUESTS: dict[str, Callable[[str], Any]] = {
    "SubmitJob": lambda _: pb.SubmitJobRequest(command="x"),
    "BatchSubmitJobs": lambda _: pb.BatchSubmitJobsRequest(
        specs=[job_pb2.JobSpec(command="x"), job_pb2.JobSpec(command="y", array_size=2)]
    ),
    "CancelJob": lambda job_id: pb.CancelJobRequest(job_id=job_id),
    "CancelJobs": lambda job_id: pb.CancelJobsRequest(job_ids=[job_id]),
    "RetryJob": lambda job_id: pb.RetryJobRequest(job_id=job_id),
    "ApproveJob": lambda job_id: pb.ApproveJobRequest(job_id=job_id),
    "RejectJob": lambda job_id: pb.RejectJobRequest(job_id=job_id, reason="no"),
    "StartJob": lambda job_id: pb.StartJobRequest(job_id=job_id),
    "UpdateJobStatus": lambda job_id: pb.UpdateJobStatusRequest(job_id=job_id, status="completed"),
    "SetQuota": lambda _: quota_service_pb2.SetQuotaRequest(
        owner_id="u", limit_gpu_hours=7, reason="x"
    ),
    "GrantHours": lambda _: quota_service_pb2.GrantHoursRequest(
        owner_id="u", amount_gpu_hours=7, reason="x"
    ),
    "SetApprovalRules": lambda _: approval_service_pb2.SetApprovalRulesRequest(rules=[ONE]),
    "CreateWebhook": lambda _: webhook_service_pb2.CreateWebhookRequest(url=NOBODY_THERE),
    "DeleteWebhook": lambda webhook_id: webhook_service_pb2.DeleteWebhookRequest(
        webhook_id=webhook_id
    ),
    "RedeliverDeadLetter": lambda ids: webhook_service_pb2.RedeliverDeadLetterRequest(
        webhook_id=ids.partition("/")[0], dead_letter_id=ids.partition("/")[2]
    ),
}
NEEDS: dict[str, Callable[[House], Awaitable[str]]] = {
    "RetryJob": ended,
    "UpdateJobStatus": running,
    "CancelJob": pending,
    "CancelJobs": running,
    "ApproveJob": pending,
    "RejectJob": pending,
    "StartJob": approved,
    "DeleteWebhook": webhook,
    "RedeliverDeadLetter": dead_letter,
}
COMMANDS = {
    "CancelJob": "job.cancel",
    "CancelJobs": "job.cancel",
    "ApproveJob": "job.approve",
    "RejectJob": "job.reject",
    "StartJob": "job.start",
    "UpdateJobStatus": "job.name_state",
    "SetQuota": "quota.set",
    "GrantHours": "quota.grant",
    "SetApprovalRules": "approval.set",
    "CreateWebhook": "webhook.create",
    "DeleteWebhook": "webhook.delete",
    "RedeliverDeadLetter": "webhook.redeliver",
}
EVENTS = {
    "SubmitJob": 3,
    "BatchSubmitJobs": 9,
    "CancelJob": 1,
    "CancelJobs": 1,
    "RetryJob": 3,
    "ApproveJob": 2,
    "RejectJob": 1,
    "StartJob": 1,
    "UpdateJobStatus": 1,
}


def test_every_mutating_method_is_tried() -> None:
    """Whoever adds one finds out here; each carries a request id."""
    assert set(MUTATING) == set(REQUESTS)
    for method in MUTATING.values():
        assert "request_id" in method.input_type.fields_by_name, method.name


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_change_that_looked_timed_out_is_made_once(
    open_house: Open, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on disk while its answer is held up; the caller gives up, and repeats the request."""
    monkeypatch.setattr("job_service.domain.webhook.GIVE_UP_AFTER", timedelta())
    settings = {**AUTO, "webhooks_anywhere": True, "auto_start": name != "StartJob"}
    async with open_house(**settings) as house:
        needs = NEEDS.get(name)
        request = REQUESTS[name](await needs(house) if needs else "")
        request.request_id = str(uuid4())
        before = await house.stored()
        command = COMMANDS.get(name, "job.submit")
        answers = await made_once(lambda: _call(house, name, request), command, house.stored)
        assert 2 == len(answers)
        assert before["events"] + EVENTS.get(name, 0) == (await house.stored())["events"]


async def _call(house: House, name: str, request: Any) -> bytes:
    """Calls a method as an admin; the answer comes as bytes."""
    call = house.channel.unary_unary(
        path_of(MUTATING[name]),
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=bytes,
    )
    answer: bytes = await call(request, timeout=30.0, **house.by("root"))
    return answer
