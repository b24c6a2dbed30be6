"""Every setting of the gateway, each read from GPUAAS_GATEWAY_<NAME> or its `..._FILE`."""

from pydantic import Field

from servicekit.config import ProcessSettings, SettingsConfigDict


class Settings(ProcessSettings):
    """What the gateway can be told: where to listen, whom to call, and whose pages may call."""

    model_config = SettingsConfigDict(env_prefix="GPUAAS_GATEWAY_")

    listen: str = Field(default="127.0.0.1:8000", description="host:port to serve HTTP on")
    auth_target: str = Field(
        default="127.0.0.1:50051", description="host:port where auth_service is called"
    )
    job_target: str = Field(
        default="127.0.0.1:50052", description="host:port where job_service is called"
    )
    scheduler_target: str = Field(
        default="127.0.0.1:50053", description="host:port where scheduler_service is called"
    )
    cors_origins: str = Field(
        default="",
        description="origins whose pages may call, with commas between, or *; empty: only our own",
    )

    @property
    def origins(self) -> list[str]:
        """The allowed origins, one by one."""
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]
