"""Who makes the current call, and answers that hold just a job."""

from functools import partial
from typing import Any, TypeAlias

import grpc

from job_service.application.commands.acting import Caller
from job_service.domain.job import Job, Owner
from job_service.entrypoints.encoding.jobs import job_message
from servicekit.call import current_call
from servicekit.identity import Role

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


def caller() -> Caller:
    """Who makes the current call."""
    identity = current_call().caller
    return Caller(identity.subject, identity.username, identity.role is Role.ADMIN)


def owner() -> Owner:
    """The caller as the owner of a new job."""
    identity = current_call().caller
    return Owner(identity.subject, identity.username, identity.team)


def role() -> str:
    """The caller's role, as approval rules name it."""
    return current_call().caller.role.value.upper()


def answer(response: Any) -> Any:
    """An encoder of answers that hold just a job; unlike a lambda it can travel to the writer."""
    return partial(_job_answer, response)


def _job_answer(response: Any, job: Job) -> Any:
    return response(job=job_message(job))
