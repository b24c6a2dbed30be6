"""Every setting of auth_service, each read from GPUAAS_AUTH_<NAME> or GPUAAS_AUTH_<NAME>_FILE."""

from datetime import timedelta

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from servicekit.config import Environment, ServiceSettings, SettingsConfigDict
from servicekit.identity import AUDIENCE

PRODUCTION_BCRYPT_COST = 12


class Settings(ServiceSettings):
    """What auth_service can be told. Secrets have no defaults: without them, no such account."""

    model_config = SettingsConfigDict(env_prefix="GPUAAS_AUTH_")

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
    password_min_length: int = Field(
        default=12, ge=8, le=128, description="characters that a new password has at least"
    )
    bcrypt_cost: int = Field(
        default=PRODUCTION_BCRYPT_COST,
        ge=4,
        le=16,
        description="log2 of the rounds; below 12 for tests",
    )
    admin_username: str = Field(default="admin", description="name of the first admin")
    admin_password: SecretStr = Field(
        default=SecretStr(""),
        description="password of the first admin, used while there is no admin",
    )
    service_password: SecretStr = Field(
        default=SecretStr(""), description="password that the other services sign in with"
    )

    @field_validator("bcrypt_cost")
    @classmethod
    def _is_slow_enough(cls, cost: int, info: ValidationInfo) -> int:
        if _in_production(info) and cost < PRODUCTION_BCRYPT_COST:
            raise ValueError(f"expected {PRODUCTION_BCRYPT_COST} or more in production")
        return cost

    @field_validator("service_password")
    @classmethod
    def _is_given(cls, password: SecretStr, info: ValidationInfo) -> SecretStr:
        if _in_production(info) and not password.get_secret_value():
            raise ValueError("expected a password in production, for the services to sign in with")
        return password


def _in_production(info: ValidationInfo) -> bool:
    return info.data.get("environment") is Environment.PRODUCTION
