"""The gateway's settings, each from `GPUAAS_GATEWAY_<NAME>` or the file that `..._FILE` names."""

from servicekit.config import ProcessSettings, SettingsConfigDict


class GatewaySettings(ProcessSettings):
    """Where to listen, whom to call, and which browsers and proxies to trust.

    `cors_origins` are origins separated by commas, or `*`; empty means that browsers may call
    from the gateway's own pages only. `trusted_proxies` are the addresses, separated by commas,
    whose X-Forwarded-For is believed; empty means nobody's.
    """

    model_config = SettingsConfigDict(env_prefix="GPUAAS_GATEWAY_")

    listen: str = "127.0.0.1:8000"
    job_target: str = "127.0.0.1:50052"
    scheduler_target: str = "127.0.0.1:50053"
    cors_origins: str = ""
    trusted_proxies: str = ""

    @property
    def origins(self) -> list[str]:
        """The allowed origins, one by one."""
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]
