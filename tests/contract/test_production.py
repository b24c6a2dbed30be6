"""Production refuses to start with what is only convenient, and names all of it at once."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from local.env_example import settings_of
from local.layout import NAMES, PREFIX, WITH_DATABASE, Name
from local.processes import ROOT
from servicekit.config import ConfigurationError, load

SECRET = "kF3v9Zq1Lw7Xr5Tn2Bd8"
WEAK = "hunter2"
TLS = {"TLS_CERTIFICATE": "/c.pem", "TLS_KEY": "/c.key", "TLS_AUTHORITY": "/a.pem"}

SAFE: Mapping[Name, Mapping[str, str]] = {
    "auth_service": {
        "DATABASE_URL": f"postgresql+psycopg://auth:{SECRET}@db/auth",
        "SERVICE_PASSWORD": SECRET,
        "ADMIN_PASSWORD": SECRET,
        "KEY_ENCRYPTION_KEY": base64.b64encode(bytes(range(32))).decode(),
        **TLS,
    },
    "job_service": {
        "DATABASE_URL": f"postgresql+psycopg://job:{SECRET}@db/job",
        "SERVICE_PASSWORD": SECRET,
        "KEY_ENCRYPTION_KEY": base64.b64encode(bytes(range(32))).decode(),
        **TLS,
    },
    "scheduler_service": {
        "DATABASE_URL": "sqlite:////var/lib/gpuaas/scheduler.db",
        "SERVICE_PASSWORD": SECRET,
        **TLS,
    },
    "gateway": {
        "SERVICE_PASSWORD": SECRET,
        "HTTP_CERTIFICATE": "/h.pem",
        "HTTP_KEY": "/h.key",
        "TLS_AUTHORITY": "/a.pem",
    },
}

EVERYWHERE = {"FAILPOINTS": "x=crash", "LOG_LEVEL": "debug", "SERVICE_PASSWORD": WEAK}
PLAIN = {"TLS_CERTIFICATE": "", "TLS_KEY": ""}
UNSAFE: Mapping[Name, Mapping[str, str]] = {
    "auth_service": {
        **EVERYWHERE,
        **PLAIN,
        "DATABASE_URL": "sqlite://",
        "ADMIN_PASSWORD": "admin",
        "KEY_ENCRYPTION_KEY": "",
        "BCRYPT_COST": "11",
    },
    "job_service": {
        **EVERYWHERE,
        **PLAIN,
        "TLS_AUTHORITY": "",
        "DATABASE_URL": "postgresql+psycopg://job:job@db/job",
        "KEY_ENCRYPTION_KEY": "",
        "WEBHOOKS_ANYWHERE": "true",
    },
    "scheduler_service": {
        **EVERYWHERE,
        **PLAIN,
        "TLS_AUTHORITY": "",
        "DATABASE_URL": "sqlite:///:memory:",
    },
    "gateway": {
        **EVERYWHERE,
        "TLS_AUTHORITY": "",
        "HTTP_CERTIFICATE": "",
        "CORS_ORIGINS": "*",
        "TRUSTED_PROXIES": "0.0.0.0/0",
    },
}
"""For each process everything that production refuses, as somebody might have it at home."""

TOGETHER = {
    "TLS_CERTIFICATE": "TLS_KEY",
    "TLS_KEY": "TLS_CERTIFICATE",
    "HTTP_CERTIFICATE": "HTTP_KEY",
}
"""Files that come in pairs: the one alone is refused everywhere, so both are left out here."""

CASES = [(name, setting) for name in NAMES for setting in UNSAFE[name]]


def environment(name: Name, *unsafe: str) -> dict[str, str]:
    """Returns the variables of a safe process but for these settings."""
    settings = {"ENVIRONMENT": "production", **SAFE[name]}
    for setting in unsafe:
        settings[setting] = UNSAFE[name][setting]
        if setting in TOGETHER:
            settings[TOGETHER[setting]] = ""
    return {f"{PREFIX[name]}_{setting}": value for setting, value in settings.items()}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the settings of whoever runs the tests out of them."""
    for variable in [it for it in os.environ if it.startswith("GPUAAS_")]:
        monkeypatch.delenv(variable)


def complaints(
    monkeypatch: pytest.MonkeyPatch, name: Name, variables: Mapping[str, str]
) -> list[str]:
    """Loads a process's settings, and returns the lines by which they are refused."""
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    try:
        load(settings_of(name))
    except ConfigurationError as refusal:
        return str(refusal).splitlines()
    return []


@pytest.mark.parametrize("name", NAMES)
def test_safe_settings_are_accepted(monkeypatch: pytest.MonkeyPatch, name: Name) -> None:
    """Otherwise the tests below would show nothing."""
    assert [] == complaints(monkeypatch, name, environment(name))


@pytest.mark.parametrize(("name", "setting"), CASES, ids=lambda it: str(it))
def test_each_unsafe_setting_alone_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: Name, setting: str
) -> None:
    """By its variable's name, with what was expected and without the value."""
    refused = complaints(monkeypatch, name, environment(name, setting))
    named = [line.partition(":")[0] for line in refused]
    assert f"{PREFIX[name]}_{setting}" in named
    assert set(named) <= {f"{PREFIX[name]}_{it}" for it in (setting, TOGETHER.get(setting))}
    assert all(line.endswith("in production") for line in refused)
    assert WEAK not in "".join(refused)


@pytest.mark.parametrize("name", NAMES)
def test_at_home_all_of_it_is_accepted(monkeypatch: pytest.MonkeyPatch, name: Name) -> None:
    """What is convenient is refused in production only."""
    variables = environment(name, *UNSAFE[name]) | {f"{PREFIX[name]}_ENVIRONMENT": "development"}
    assert [] == complaints(monkeypatch, name, variables)


@pytest.mark.parametrize("name", NAMES)
def test_a_process_with_everything_unsafe_does_not_start_and_names_it_all(name: Name) -> None:
    """Code 2 and a line for each setting: nobody has to try again and again."""
    ended = subprocess.run(
        [sys.executable, "-m", name],
        cwd=ROOT,
        env=os.environ | environment(name, *UNSAFE[name]) | {"PYTHONPATH": str(ROOT / "gen")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    named = {line.partition(":")[0] for line in ended.stderr.splitlines()}
    assert 2 == ended.returncode, ended.stderr
    assert {f"{PREFIX[name]}_{setting}" for setting in UNSAFE[name]} == named
    assert WEAK not in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("name", NAMES)
def test_plaintext_has_to_be_asked_for(monkeypatch: pytest.MonkeyPatch, name: Name) -> None:
    """By a setting that says so, for a network that is private or a proxy that ends TLS."""
    bare = {setting: value for setting, value in SAFE[name].items() if "TLS" not in setting}
    variables = {f"{PREFIX[name]}_{setting}": value for setting, value in bare.items()}
    variables |= {f"{PREFIX[name]}_ENVIRONMENT": "production"}
    assert complaints(monkeypatch, name, variables)
    opted_out = variables | {f"{PREFIX[name]}_PLAINTEXT": "true"}
    assert [] == complaints(monkeypatch, name, opted_out)


def test_every_service_with_a_database_is_covered() -> None:
    """None is forgotten in the lists above."""
    assert all("DATABASE_URL" in UNSAFE[name] for name in WITH_DATABASE)
