"""Every setting of scheduler_service, read from GPUAAS_SCHEDULER_<NAME> or ..._<NAME>_FILE."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from pydantic import Field, SecretStr

from servicekit.config import Complaint, ServiceSettings, SettingsConfigDict, WriterHost
from servicekit.identity import AUDIENCE
from servicekit.identity.following import GRACE
from servicekit.production import weakness_of_secret

PACKAGED_INVENTORY = Path(__file__).with_name("inventory.toml")


class Settings(ServiceSettings):
    """What scheduler_service can be told; the defaults run it on one machine."""

    model_config = SettingsConfigDict(env_prefix="GPUAAS_SCHEDULER_")

    listen: str = Field("127.0.0.1:50053", description="host:port to serve gRPC on")
    database_url: str = Field("sqlite:///var/scheduler.db", description="SQLAlchemy URL")
    writer: WriterHost = Field(
        WriterHost.THREAD,
        description="where changes are committed: in a process of their own, or in a thread",
    )
    auth_target: str = Field(
        "127.0.0.1:50051", description="host:port where auth_service is called"
    )
    issuer: str = Field("gpuaas-auth", min_length=1, description="`iss` of access tokens")
    audience: str = Field(AUDIENCE, min_length=1, description="`aud` of access tokens")
    service_account: str = Field(
        "scheduler-service", description="name to sign in with at auth_service"
    )
    service_password: SecretStr = Field(SecretStr(""), description="password of that account")
    revocation_grace: timedelta = Field(
        GRACE,
        ge=timedelta(0),
        le=timedelta(hours=1),
        description="how long callers are let in while auth_service cannot be heard, such as PT2M",
    )
    inventory: Path = Field(PACKAGED_INVENTORY, description="TOML file of pools, nodes and prices")
    policy: Path | None = Field(
        None, description="TOML file of policies; without one every pool has the default policy"
    )
    decision_log: Path | None = Field(
        None, description="directory for logs of every decision; without one none is kept"
    )
    decision_log_bytes: int = Field(
        64_000_000, ge=1_000_000, description="size at which a new log is begun; 20 are kept"
    )
    simulation_speed: float = Field(
        60.0, gt=0, le=1e9, description="virtual seconds that pass in one real second"
    )
    simulation_seed: str = Field("0", description="what simulated chance is drawn from")
    simulation_failure_rate: float = Field(
        0.0, ge=0, le=1, description="part of simulated runs that the platform fails"
    )

    def unsafe(self) -> Iterator[Complaint]:
        """Yields what is not good enough for production."""
        yield from super().unsafe()
        weakness = weakness_of_secret(self.service_password.get_secret_value())
        if weakness:
            yield "service_password", f"expected {weakness}"
