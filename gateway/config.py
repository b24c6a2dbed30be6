"""Every setting of the gateway, each read from GPUAAS_GATEWAY_<NAME> or its `..._FILE`."""

from pydantic import Field, ValidationInfo, field_validator

from servicekit.config import Environment, ProcessSettings, SettingsConfigDict


class Settings(ProcessSettings):
    """What the gateway can be told: where to listen, whom to call, and whom to trust."""

    model_config = SettingsConfigDict(env_prefix="GPUAAS_GATEWAY_")

    listen: str = Field(default="127.0.0.1:8000", description="host:port to serve HTTP on")
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
    trusted_proxies: str = Field(
        default="",
        description="addresses, with commas between, whose X-Forwarded-For is believed; or *",
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _are_named(cls, proxies: str, info: ValidationInfo) -> str:
        # Guesses are slowed down by address; whoever may claim any address is never slowed down.
        if proxies == "*" and info.data.get("environment") is Environment.PRODUCTION:
            raise ValueError("expected addresses in production, not *")
        return proxies

    @property
    def origins(self) -> list[str]:
        """The allowed origins, one by one."""
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]
