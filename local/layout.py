"""Which processes make a system, where each listens, and what each is told by its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from local.certificates import Certificates
from local.ports import LOOPBACK, free_port, join_address, split_address
from local.secrets import Secrets

Name = Literal["auth_service", "job_service", "scheduler_service", "gateway"]

NAMES: tuple[Name, ...] = get_args(Name)
"""In the order of starting; stopping goes the other way."""

WITH_DATABASE: tuple[Name, ...] = ("auth_service", "job_service", "scheduler_service")

PREFIX: Mapping[Name, str] = {
    "auth_service": "GPUAAS_AUTH",
    "job_service": "GPUAAS_JOB",
    "scheduler_service": "GPUAAS_SCHEDULER",
    "gateway": "GPUAAS_GATEWAY",
}

DEFAULT_LISTEN: Mapping[Name, str] = {
    "auth_service": f"{LOOPBACK}:50051",
    "job_service": f"{LOOPBACK}:50052",
    "scheduler_service": f"{LOOPBACK}:50053",
    "gateway": f"{LOOPBACK}:8000",
}

ANY_PORTS: Mapping[Name, str] = dict.fromkeys(NAMES, f"{LOOPBACK}:0")
"""Listen addresses for a system that must not meet another one: a free port each."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything about a system that is settled before its first process starts.

    Attributes:
        data: folder of databases, logs and secrets.
        listen: address of each process, its port known.
        databases: SQLAlchemy URL of each service's database.
        extra: environment of a process beyond what the layout itself gives it.
        certificates: what the processes prove themselves with; None: plaintext.
    """

    data: Path
    listen: Mapping[Name, str]
    databases: Mapping[Name, str]
    extra: Mapping[Name, Mapping[str, str]]
    certificates: Certificates | None = None

    @property
    def logs(self) -> Path:
        """Folder with one log file for each process."""
        return self.data / "logs"

    def log(self, name: Name) -> Path:
        """Returns the log file of a process."""
        return self.logs / f"{name}.log"

    def environment(self, name: Name, secrets: Secrets) -> dict[str, str]:
        """Returns the whole environment of a process: this one's, its own settings, the extras."""
        given = {**os.environ, "PYTHONUNBUFFERED": "1", **self.extra.get(name, {})}
        settings = {
            variable: value
            for variable, value in self._settings(name, secrets).items()
            # A secret set outright stands in the place of the file, never beside it.
            if not (variable.endswith("_FILE") and given.get(variable.removesuffix("_FILE")))
        }
        return {**given, **settings, **self.extra.get(name, {})}

    def _settings(self, name: Name, secrets: Secrets) -> dict[str, str]:
        prefix = PREFIX[name]
        settings = {f"{prefix}_LISTEN": self.listen[name]}
        if name in WITH_DATABASE:
            settings[f"{prefix}_DATABASE_URL"] = self.databases[name]
        for target, setting in TARGETS[name].items():
            settings[f"{prefix}_{setting}"] = self.listen[target]
        settings[f"{prefix}_SERVICE_PASSWORD_FILE"] = str(secrets.service_password)
        if name == "auth_service":
            settings[f"{prefix}_ADMIN_PASSWORD_FILE"] = str(secrets.admin_password)
            settings[f"{prefix}_KEY_ENCRYPTION_KEY_FILE"] = str(secrets.key_encryption_key)
        if name == "job_service":
            settings[f"{prefix}_KEY_ENCRYPTION_KEY_FILE"] = str(secrets.job_key_encryption_key)
        if self.certificates is not None:
            settings |= _tls(prefix, name, self.certificates)
        return settings


def _tls(prefix: str, name: Name, certificates: Certificates) -> dict[str, str]:
    """Returns what makes a process speak TLS, and let in only who shows a certificate too."""
    files = certificates.files(name)
    settings = {
        f"{prefix}_TLS_CERTIFICATE": str(files.certificate),
        f"{prefix}_TLS_KEY": str(files.key),
        f"{prefix}_TLS_AUTHORITY": str(certificates.authority),
        f"{prefix}_TLS_REQUIRE_CLIENTS": "true",
    }
    if name == "gateway":
        settings[f"{prefix}_HTTP_CERTIFICATE"] = str(files.certificate)
        settings[f"{prefix}_HTTP_KEY"] = str(files.key)
    return settings


TARGETS: Mapping[Name, Mapping[Name, str]] = {
    "auth_service": {},
    "job_service": {"auth_service": "AUTH_TARGET", "scheduler_service": "SCHEDULER_TARGET"},
    "scheduler_service": {"auth_service": "AUTH_TARGET"},
    "gateway": {
        "auth_service": "AUTH_TARGET",
        "job_service": "JOB_TARGET",
        "scheduler_service": "SCHEDULER_TARGET",
    },
}
"""Whom each process calls, and the setting that tells it where."""


def settle(
    data: Path,
    *,
    listen: Mapping[Name, str] | None = None,
    databases: Mapping[Name, str] | None = None,
    extra: Mapping[Name, Mapping[str, str]] | None = None,
    certificates: Certificates | None = None,
) -> Layout:
    """Fills in what is not given: from GPUAAS_..._LISTEN and _DATABASE_URL, then from defaults.

    Port 0 becomes a free port at once, because other processes must be told of it. The default
    databases are SQLite files in `data`.
    """
    data = data.resolve()
    return Layout(
        data=data,
        listen={name: settle_port(_listen(name, listen or {})) for name in NAMES},
        databases={name: _database(name, data, databases or {}) for name in WITH_DATABASE},
        extra=extra or {},
        certificates=certificates,
    )


def _listen(name: Name, given: Mapping[Name, str]) -> str:
    return given.get(name) or os.environ.get(f"{PREFIX[name]}_LISTEN") or DEFAULT_LISTEN[name]


def _database(name: Name, data: Path, given: Mapping[Name, str]) -> str:
    file = f"sqlite:///{data / name.removesuffix('_service')}.db"
    return given.get(name) or os.environ.get(f"{PREFIX[name]}_DATABASE_URL") or file


def settle_port(address: str) -> str:
    """Replaces port 0 by a free one."""
    host, port = split_address(address)
    return join_address(host, port or free_port(host))
