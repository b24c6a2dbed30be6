"""Which process serves the RPCs of which package."""

from collections.abc import Mapping

from local.layout import Name

SERVERS: Mapping[str, Name] = {
    "gpuaas.auth.v1": "auth_service",
    "gpuaas.job.v1": "job_service",
    "gpuaas.scheduler.v1": "scheduler_service",
    "gpuaas.api.v1": "job_service",  # What every server has.
}
