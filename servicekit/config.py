"""Settings from the environment: typed, with usable defaults, and complaints that help.

Every field is read from `<PREFIX><FIELD>`, or from the file that `<PREFIX><FIELD>_FILE` names,
which is how secrets are handed over. A wrong one ends the process with code 2 and a line each.
"""

import enum
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TypeAlias, TypeVar

from pydantic import Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource
from pydantic_settings import SettingsConfigDict as SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from servicekit import failpoints
from servicekit.production import weakness_of_database

EXIT_CODE = 2
FOR_ALL = "GPUAAS_ENV"
_FILE_SUFFIX = "_FILE"

S = TypeVar("S", bound=BaseSettings)

Complaint: TypeAlias = tuple[str, str]
"""A field, and what was expected of it."""


class ConfigurationError(Exception):
    """The process cannot start as it was told to; the message says what to change."""


class Environment(enum.StrEnum):
    """Where the process runs; production refuses whatever is only convenient."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class ProcessSettings(BaseSettings):
    """What every process has; a subclass gives the prefix, and a default for `listen`."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True, validate_default=True)

    production_tls: ClassVar[tuple[str, ...]] = ("tls_certificate", "tls_key", "tls_authority")
    """What production wants of TLS: a certificate and its key to serve, an authority to call."""

    environment: Environment = Field(
        default=Environment.DEVELOPMENT,
        description="development, or production with its strict rules; GPUAAS_ENV is for all",
    )
    listen: str = Field(description="host:port to serve on; port 0: any free one")
    metrics_listen: str = Field(
        default="", description="host:port to show Prometheus metrics on; empty: not at all"
    )
    log_level: str = Field(default="info", description="debug, info, warning or error")
    failpoints: str = Field(
        default="",
        description="faults to inject, name=crash|error|delay(ms)[*count]; none in production",
    )
    tls_certificate: Path | None = Field(
        default=None, description="PEM file of our certificate; without one we serve plaintext"
    )
    tls_key: Path | None = Field(default=None, description="PEM file of that certificate's key")
    tls_authority: Path | None = Field(
        default=None,
        description="PEM file of the authority that peers' certificates are checked against; "
        "without one we call in plaintext",
    )
    tls_require_clients: bool = Field(
        default=False, description="whether to let in only callers with a certificate (mutual TLS)"
    )
    plaintext: bool = Field(
        default=False,
        description="allows production without TLS between the processes: their network is private",
    )

    @field_validator("listen", "metrics_listen")
    @classmethod
    def _is_address(cls, text: str) -> str:
        if text:
            host_and_port(text)
        return text

    @field_validator("log_level")
    @classmethod
    def _is_level(cls, text: str) -> str:
        if text.lower() not in ("debug", "info", "warning", "error"):
            raise ValueError("expected debug, info, warning or error")
        return text.lower()

    @field_validator("failpoints")
    @classmethod
    def _are_failpoints(cls, text: str) -> str:
        failpoints.check(text)
        return text

    def wrong(self) -> Iterator[Complaint]:
        """Yields what cannot work together, anywhere."""
        if (self.tls_certificate is None) != (self.tls_key is None):
            field = "tls_key" if self.tls_key is None else "tls_certificate"
            yield field, "expected a file, as certificate and key go together"
        if self.tls_require_clients and (self.tls_certificate is None or not self.tls_authority):
            yield "tls_require_clients", "expected a certificate and an authority with it"

    def unsafe(self) -> Iterator[Complaint]:
        """Yields what is good enough at home and not in production; a subclass adds its own."""
        if self.failpoints:
            yield "failpoints", "expected none"
        if self.log_level == "debug":
            yield "log_level", "expected info or less"
        if not self.plaintext:
            opt_out = f"{variable_name(type(self), 'plaintext')}=true on a private network"
            for field in self.production_tls:
                if getattr(self, field) is None:
                    yield field, f"expected a file, or {opt_out},"

    @property
    def production(self) -> bool:
        """Whether the strict rules hold."""
        return self.environment is Environment.PRODUCTION

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Reads arguments, then variables, then the files that variables name; nothing else.

        Where the process runs may also be said once for all processes.
        """
        files = _NamedFiles(settings_cls)
        return init_settings, env_settings, files, _ForAll(settings_cls)


class WriterHost(enum.StrEnum):
    """Where a service's changes are committed."""

    PROCESS = "process"
    THREAD = "thread"


class ServiceSettings(ProcessSettings):
    """What every service with a database has; a subclass gives a default for `database_url`."""

    database_url: str = Field(description="SQLAlchemy URL")
    writer: WriterHost = Field(
        default=WriterHost.PROCESS,
        description="where changes are committed: in a process of their own, or in a thread",
    )

    def unsafe(self) -> Iterator[Complaint]:
        """Yields what is not good enough for production."""
        yield from super().unsafe()
        weakness = weakness_of_database(self.database_url)
        if weakness:
            yield "database_url", f"expected {weakness}"


class _ForAll(EnvSettingsSource):
    """Reads `environment` from a variable without a process's prefix."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Returns the variable's text for that one field, and nothing for others."""
        text = os.environ.get(FOR_ALL) if field_name == "environment" else None
        return text or None, field_name, False


class _NamedFiles(EnvSettingsSource):
    """Reads a field from the file that the variable `<PREFIX><FIELD>_FILE` names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Returns the file's text without its final line break."""
        variable = variable_name(self.settings_cls, field_name)
        path = os.environ.get(variable + _FILE_SUFFIX)
        if not path:
            return None, field_name, False
        if os.environ.get(variable):
            raise ConfigurationError(
                f"{variable} and {variable}{_FILE_SUFFIX} are both set: expected one of them"
            )
        return _file_text(variable + _FILE_SUFFIX, path), field_name, False


def load(settings: type[S]) -> S:
    """Returns the settings, or raises ConfigurationError with one line for each wrong variable.

    In production what is unsafe is wrong, all of it.
    """
    try:
        loaded = settings()
    except ValidationError as error:
        raise ConfigurationError("\n".join(_complaints(settings, error))) from None
    except SettingsError as error:
        # pydantic-settings wraps what a source raises.
        raise (error.__cause__ or ConfigurationError(str(error))) from None
    unfit = list(_unfit(loaded)) if isinstance(loaded, ProcessSettings) else []
    if unfit:
        raise ConfigurationError("\n".join(unfit))
    return loaded


def load_or_exit(settings: type[S]) -> S:
    """Returns the settings, or ends the process with the complaints on stderr and code 2."""
    try:
        return load(settings)
    except ConfigurationError as error:
        exit_with(error)


def exit_with(error: ConfigurationError) -> NoReturn:
    """Ends the process: the message on stderr without a traceback, exit code 2."""
    sys.stderr.write(f"{error}\n")
    raise SystemExit(EXIT_CODE)


def variable_name(settings: type[BaseSettings], field: str) -> str:
    """Returns the environment variable that a field is read from."""
    return f"{settings.model_config.get('env_prefix', '')}{field}".upper()


def host_and_port(address: str) -> tuple[str, int]:
    """Splits "host:port"; ValueError says what was expected."""
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) < 65536):
        raise ValueError("expected host:port, such as 127.0.0.1:50051")
    return host.strip("[]"), int(port)


def _file_text(variable: str, path: str) -> str:
    try:
        return Path(path).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigurationError(f"{variable}: cannot read {path}: {reason}") from None


def _unfit(settings: ProcessSettings) -> Iterator[str]:
    """Names what is right by itself and wrong together, or in production."""
    for field, expected in settings.wrong():
        yield f"{variable_name(type(settings), field)}: {expected}"
    if settings.production:
        for field, expected in settings.unsafe():
            yield f"{variable_name(type(settings), field)}: {expected} in production"


def _complaints(settings: type[BaseSettings], error: ValidationError) -> Iterator[str]:
    """Names variable and expectation; never the value, which may be a secret."""
    for problem in error.errors(include_input=False, include_url=False):
        path = problem["loc"]
        expected = problem["msg"].removeprefix("Value error, ")
        name = variable_name(settings, str(path[0])) if path else settings.__name__
        yield f"{name}: {expected[:1].lower()}{expected[1:]}"
