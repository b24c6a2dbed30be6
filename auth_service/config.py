"""Every setting of auth_service, each read from GPUAAS_AUTH_<NAME> or GPUAAS_AUTH_<NAME>_FILE."""

from collections.abc import Iterator
from datetime import timedelta
from typing import ClassVar

from pydantic import Field, SecretStr

from servicekit.config import Complaint, ServiceSettings, SettingsConfigDict, WriterHost
from servicekit.identity import AUDIENCE
from servicekit.production import weakness_of_secret
from servicekit.sealing import EXPECTED, KeySetting, key_bytes

PRODUCTION_BCRYPT_COST = 12


class Settings(ServiceSettings):
    """What auth_service can be told. Secrets have no defaults: without them, no such account."""

    model_config = SettingsConfigDict(env_prefix="GPUAAS_AUTH_")
    production_tls: ClassVar[tuple[str, ...]] = ("tls_certificate", "tls_key")  # It calls nobody.

    listen: str = Field(default="127.0.0.1:50051", description="host:port to serve gRPC on")
    database_url: str = Field(default="sqlite:///var/auth.db", description="SQLAlchemy URL")
    issuer: str = Field(default="gpuaas-auth", min_length=1, description="`iss` of access tokens")
    audience: str = Field(default=AUDIENCE, min_length=1, description="`aud` of access tokens")
    token_lifetime: timedelta = Field(
        default=timedelta(minutes=30),
        ge=timedelta(seconds=1),
        le=timedelta(hours=24),
        description="how long an access token is good, such as PT30M",
    )
    refresh_lifetime: timedelta = Field(
        default=timedelta(days=30),
        ge=timedelta(minutes=5),
        le=timedelta(days=366),
        description="how long a session goes on with refresh tokens, such as P30D",
    )
    api_key_lifetime: timedelta = Field(
        default=timedelta(days=365),
        ge=timedelta(hours=1),
        le=timedelta(days=3660),
        description="how long an API key is good at the most, such as P365D",
    )
    key_encryption_key: KeySetting = Field(
        default=SecretStr(""),
        description="base64 of 32 random bytes that encrypt signing keys at rest",
    )
    password_min_length: int = Field(
        default=12, ge=8, le=128, description="characters that a new password has at least"
    )
    bcrypt_cost: int = Field(
        default=PRODUCTION_BCRYPT_COST,
        ge=4,
        le=16,
        description="log2 of the rounds; below 12 for tests",
    )
    hashing: WriterHost = Field(
        default=WriterHost.PROCESS,
        description="where passwords are hashed: in processes of their own, or in threads",
    )
    guesses_per_account: int = Field(
        default=20, ge=2, le=10_000, description="failed logins for one account in an hour"
    )
    guesses_per_address: int = Field(
        default=200, ge=2, le=1_000_000, description="failed logins from one address in an hour"
    )
    guesses_overall: int = Field(
        default=5_000, ge=2, le=10_000_000, description="failed logins altogether in an hour"
    )
    registrations_per_address: int = Field(
        default=500, ge=2, le=1_000_000, description="registrations from one address in an hour"
    )
    registrations_overall: int = Field(
        default=5_000, ge=2, le=10_000_000, description="registrations altogether in an hour"
    )
    admin_username: str = Field(default="admin", description="name of the first admin")
    admin_password: SecretStr = Field(
        default=SecretStr(""),
        description="password of the first admin, used while there is no admin",
    )
    service_password: SecretStr = Field(
        default=SecretStr(""), description="password that the other services sign in with"
    )

    def unsafe(self) -> Iterator[Complaint]:
        """Yields what is not good enough for production."""
        yield from super().unsafe()
        if self.bcrypt_cost < PRODUCTION_BCRYPT_COST:
            yield "bcrypt_cost", f"expected {PRODUCTION_BCRYPT_COST} or more"
        for field in ("admin_password", "service_password"):
            secret = getattr(self, field).get_secret_value()
            weakness = weakness_of_secret(secret)
            # Without a password there is no first admin; services cannot do without theirs.
            if weakness and (secret or field == "service_password"):
                yield field, f"expected {weakness}"
        if not self.key_encryption_bytes:
            yield "key_encryption_key", f"expected {EXPECTED}"

    @property
    def key_encryption_bytes(self) -> bytes:
        """The key that encrypts signing keys at rest; empty for none."""
        return key_bytes(self.key_encryption_key)
