"""Every setting of job_service, each read from GPUAAS_JOB_<NAME> or GPUAAS_JOB_<NAME>_FILE."""

from collections.abc import Iterator
from datetime import timedelta

from pydantic import Field, SecretStr

from servicekit.config import Complaint, ServiceSettings, SettingsConfigDict
from servicekit.identity import AUDIENCE
from servicekit.identity.following import GRACE
from servicekit.production import weakness_of_secret


class Settings(ServiceSettings):
    """What job_service can be told."""

    model_config = SettingsConfigDict(env_prefix="GPUAAS_JOB_")

    listen: str = Field(default="127.0.0.1:50052", description="host:port to serve gRPC on")
    database_url: str = Field(default="sqlite:///var/job.db", description="SQLAlchemy URL")
    auth_target: str = Field(
        default="127.0.0.1:50051", description="host:port where auth_service is called"
    )
    scheduler_target: str = Field(
        default="127.0.0.1:50053", description="host:port of scheduler_service"
    )
    issuer: str = Field(default="gpuaas-auth", min_length=1, description="`iss` of access tokens")
    audience: str = Field(default=AUDIENCE, min_length=1, description="`aud` of access tokens")
    service_account: str = Field(
        default="job-service", description="name to sign in with at auth_service"
    )
    service_password: SecretStr = Field(
        default=SecretStr(""), description="password of that account"
    )
    revocation_grace: timedelta = Field(
        default=GRACE,
        ge=timedelta(0),
        le=timedelta(hours=1),
        description="how long callers are let in while auth_service cannot be heard, such as PT2M",
    )
    default_quota_gpu_hours: float = Field(
        default=10.0, ge=0, le=1e9, description="GPU-hours that every user has each month"
    )
    auto_approve_gpu_hours: float = Field(
        default=0.0,
        ge=0,
        le=1e9,
        description="GPU jobs of up to so many GPU-hours need no admin, all others do; 0: all do",
    )
    auto_start: bool = Field(default=True, description="whether an approved job is queued at once")

    def unsafe(self) -> Iterator[Complaint]:
        """Yields what is not good enough for production."""
        yield from super().unsafe()
        weakness = weakness_of_secret(self.service_password.get_secret_value())
        if weakness:
            yield "service_password", f"expected {weakness}"
