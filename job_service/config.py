"""Every setting of job_service, each read from GPUAAS_JOB_<NAME> or GPUAAS_JOB_<NAME>_FILE."""

import enum
from collections.abc import Iterator
from datetime import timedelta

from pydantic import Field, SecretStr

from servicekit.config import Complaint, ServiceSettings, SettingsConfigDict
from servicekit.identity import AUDIENCE
from servicekit.identity.following import GRACE
from servicekit.production import weakness_of_secret
from servicekit.sealing import EXPECTED, KeySetting, key_bytes


class Overrun(enum.StrEnum):
    """What happens to a run that reaches its estimate and has no maximum of its own."""

    STOP = "stop"
    FINISH = "finish"


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
    key_encryption_key: KeySetting = Field(
        default=SecretStr(""),
        description="base64 of 32 random bytes that encrypt secrets of webhooks at rest",
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
    two_approvers_gpu_hours: float = Field(
        default=0.0,
        ge=0,
        le=1e9,
        description="GPU jobs of more GPU-hours need two admins, none their owner; 0: none does",
    )
    approval_patience_hours: float = Field(
        default=168.0, gt=0, le=1e6, description="hours after which an undecided request fails"
    )
    quote_minutes: float = Field(
        default=10.0, gt=0, le=1_440, description="minutes for which a quote can be redeemed"
    )
    webhooks_per_user: int = Field(
        default=10, ge=0, le=1000, description="webhooks that a user may have"
    )
    webhooks_anywhere: bool = Field(
        default=False,
        description="whether webhooks may use plain HTTP and private addresses; not in production",
    )
    keep_jobs_days: float = Field(
        default=90.0, gt=0, le=36_500, description="days until a finished job is archived"
    )
    keep_events_days: float = Field(
        default=30.0, gt=0, le=36_500, description="days until events and dead letters are deleted"
    )
    overrun: Overrun = Field(
        default=Overrun.STOP,
        description="runs without a maximum runtime: stop at the estimate, or finish and be billed",
    )
    longest_overrun_hours: float = Field(
        default=168.0, gt=0, le=8_784, description="hours after which such a run is stopped too"
    )
    auto_start: bool = Field(default=True, description="whether an approved job is queued at once")
    platform_retries: int = Field(
        default=3,
        ge=0,
        le=10,
        description="further runs after failures of the platform, for jobs without a rule",
    )
    retry_backoff_seconds: float = Field(
        default=10.0, ge=0, le=3600, description="pause before the first of them; it doubles"
    )
    streams_per_caller: int = Field(
        default=1000, ge=1, description="watches and log streams that a caller may have open"
    )

    def unsafe(self) -> Iterator[Complaint]:
        """Yields what is not good enough for production."""
        yield from super().unsafe()
        weakness = weakness_of_secret(self.service_password.get_secret_value())
        if weakness:
            yield "service_password", f"expected {weakness}"
        if not self.key_encryption_bytes:
            yield "key_encryption_key", f"expected {EXPECTED}"
        if self.webhooks_anywhere:
            yield "webhooks_anywhere", "expected false: users could call internal addresses"

    @property
    def key_encryption_bytes(self) -> bytes:
        """The key that encrypts secrets of webhooks at rest; empty for none."""
        return key_bytes(self.key_encryption_key)
