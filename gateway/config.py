"""Every setting of the gateway, each read from GPUAAS_GATEWAY_<NAME> or its `..._FILE`."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr, field_validator

from gateway.addresses import Network, networks_of
from servicekit.config import Complaint, ProcessSettings, SettingsConfigDict
from servicekit.production import weakness_of_secret


class Settings(ProcessSettings):
    """What the gateway can be told: where to listen, whom to call, and whose pages may call."""

    model_config = SettingsConfigDict(env_prefix="GPUAAS_GATEWAY_")
    production_tls: ClassVar[tuple[str, ...]] = ("tls_authority",)

    listen: str = Field(default="127.0.0.1:8000", description="host:port to serve HTTP on")
    http_certificate: Path | None = Field(
        default=None, description="PEM file of the certificate for HTTPS; without one HTTP"
    )
    http_key: Path | None = Field(default=None, description="PEM file of that certificate's key")
    http_plaintext: bool = Field(
        default=False,
        description="allows production without HTTPS here: a proxy in front of it ends TLS",
    )
    trusted_proxies: str = Field(
        default="",
        description="addresses or networks, with commas, whose X-Forwarded-For is believed",
    )
    auth_target: str = Field(
        default="127.0.0.1:50051", description="host:port where auth_service is called"
    )
    job_target: str = Field(
        default="127.0.0.1:50052", description="host:port where job_service is called"
    )
    scheduler_target: str = Field(
        default="127.0.0.1:50053", description="host:port where scheduler_service is called"
    )
    service_account: str = Field(
        default="gateway", description="name to sign in with at auth_service"
    )
    service_password: SecretStr = Field(
        default=SecretStr(""), description="password of that account"
    )
    cors_origins: str = Field(
        default="",
        description="origins whose pages may call, with commas between, or *; empty: only our own",
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        networks_of(text)
        return text

    @property
    def origins(self) -> list[str]:
        """The allowed origins, one by one."""
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]

    @property
    def proxies(self) -> list[Network]:
        """The networks of the trusted proxies."""
        return networks_of(self.trusted_proxies)

    def wrong(self) -> Iterator[Complaint]:
        """Yields what cannot work together."""
        yield from super().wrong()
        if (self.http_certificate is None) != (self.http_key is None):
            field = "http_key" if self.http_key is None else "http_certificate"
            yield field, "expected a file, as certificate and key go together"

    def unsafe(self) -> Iterator[Complaint]:
        """Yields what is not good enough for production."""
        yield from super().unsafe()
        if self.http_certificate is None and not self.http_plaintext:
            yield (
                "http_certificate",
                "expected a file, or GPUAAS_GATEWAY_HTTP_PLAINTEXT=true behind a proxy with TLS,",
            )
        weakness = weakness_of_secret(self.service_password.get_secret_value())
        if weakness:
            yield "service_password", f"expected {weakness}"
        if "*" in self.origins:
            yield "cors_origins", "expected origins by name, not everybody's,"
        if any(network.prefixlen == 0 for network in self.proxies):
            yield "trusted_proxies", "expected the proxies' own addresses, not everybody's,"
