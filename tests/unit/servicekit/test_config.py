"""Settings come from variables or files, and a wrong one is named."""

import subprocess
import sys
from pathlib import Path

import pytest

from servicekit.config import (
    ConfigurationError,
    Environment,
    ServiceSettings,
    SettingsConfigDict,
    host_and_port,
    load,
)


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="DEMO_")

    listen: str = "127.0.0.1:7000"
    database_url: str = "sqlite:///var/demo.db"
    workers: int = 2
    ratio: float | None = None


def test_the_defaults_are_usable() -> None:
    """A bare machine needs no configuration."""
    settings = load(Settings)
    assert ("127.0.0.1:7000", 2, False) == (settings.listen, settings.workers, settings.production)


def test_variables_override_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """And are read as their field's type."""
    monkeypatch.setenv("DEMO_WORKERS", "5")
    monkeypatch.setenv("DEMO_ENVIRONMENT", "production")
    monkeypatch.setenv("DEMO_PLAINTEXT", "true")
    settings = load(Settings)
    assert (5, Environment.PRODUCTION, True) == (
        settings.workers, settings.environment, settings.production
    )  # fmt: skip


@pytest.mark.parametrize(("own", "production"), [("", True), ("development", False)])
def test_production_can_be_said_for_all_processes_at_once(
    monkeypatch: pytest.MonkeyPatch, own: str, production: bool
) -> None:
    """A process's own variable goes first; its strict rules are the same either way."""
    monkeypatch.setenv("GPUAAS_ENV", "production")
    monkeypatch.setenv("DEMO_ENVIRONMENT", own)
    monkeypatch.setenv("DEMO_PLAINTEXT", "true")
    assert production == load(Settings).production
    monkeypatch.setenv("DEMO_FAILPOINTS", "a.b=crash")
    if production:
        with pytest.raises(ConfigurationError, match="DEMO_FAILPOINTS: expected none"):
            load(Settings)


def test_a_misspelt_production_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be development where somebody meant production."""
    monkeypatch.setenv("GPUAAS_ENV", "prod")
    with pytest.raises(ConfigurationError, match="'development' or 'production'"):
        load(Settings)


@pytest.mark.parametrize(("given", "complaint"), [
    ({"TLS_CERTIFICATE": "a.pem"}, "DEMO_TLS_KEY: expected a file"),
    ({"TLS_KEY": "a.key"}, "DEMO_TLS_CERTIFICATE: expected a file"),
    ({"TLS_REQUIRE_CLIENTS": "true"}, "DEMO_TLS_REQUIRE_CLIENTS: expected a certificate and an"),
])  # fmt: skip
def test_half_of_tls_is_refused_everywhere(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], complaint: str
) -> None:
    """It would be plaintext where somebody meant to have none."""
    for name, value in given.items():
        monkeypatch.setenv(f"DEMO_{name}", value)
    with pytest.raises(ConfigurationError, match=complaint):
        load(Settings)


@pytest.mark.parametrize(("name", "text", "expected"), [
    ("DATABASE_URL", "postgresql://u:p@h/d", "postgresql://u:p@h/d"),
    ("WORKERS", "7", 7),
    ("RATIO", "0.5", 0.5),
])  # fmt: skip
def test_every_field_is_also_read_from_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, text: str, expected: object
) -> None:
    """The final line break that editors add is not part of the value."""
    file = tmp_path / "secret"
    file.write_text(text + "\n")
    monkeypatch.setenv(f"DEMO_{name}_FILE", str(file))
    assert expected == getattr(load(Settings), name.lower())


def test_an_empty_variable_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """As compose files write what is not set."""
    monkeypatch.setenv("DEMO_WORKERS", "")
    assert 2 == load(Settings).workers


def test_variable_and_file_together_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It would be unclear which one holds."""
    monkeypatch.setenv("DEMO_DATABASE_URL", "sqlite://")
    monkeypatch.setenv("DEMO_DATABASE_URL_FILE", str(tmp_path / "x"))
    with pytest.raises(ConfigurationError, match="DEMO_DATABASE_URL and DEMO_DATABASE_URL_FILE"):
        load(Settings)


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its variable."""
    monkeypatch.setenv("DEMO_DATABASE_URL_FILE", "/nowhere/at/all")
    with pytest.raises(
        ConfigurationError, match="DEMO_DATABASE_URL_FILE: cannot read /nowhere/at/all: No such"
    ):
        load(Settings)


@pytest.mark.parametrize(("name", "text", "expected"), [
    ("WORKERS", "many", "DEMO_WORKERS: input should be a valid integer"),
    ("LISTEN", "nowhere", "DEMO_LISTEN: expected host:port"),
    ("LISTEN", "h:70000", "DEMO_LISTEN: expected host:port"),
    ("ENVIRONMENT", "moon", "DEMO_ENVIRONMENT: input should be 'development' or 'production'"),
    ("LOG_LEVEL", "loud", "DEMO_LOG_LEVEL: expected debug, info, warning or error"),
    ("FAILPOINTS", "x=boom", "DEMO_FAILPOINTS: failpoint 'x=boom': expected name=crash"),
])  # fmt: skip
def test_a_wrong_value_is_named_with_what_was_expected(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, expected: str
) -> None:
    """The variable's name, not the field's, since that is what has to be changed."""
    monkeypatch.setenv(f"DEMO_{name}", text)
    with pytest.raises(ConfigurationError) as refusal:
        load(Settings)
    assert str(refusal.value).startswith(expected)


def test_all_wrong_values_are_told_at_once_and_none_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A secret in the wrong variable must not reach the log."""
    monkeypatch.setenv("DEMO_WORKERS", "hunter2")
    monkeypatch.setenv("DEMO_RATIO", "hunter2")
    with pytest.raises(ConfigurationError) as refusal:
        load(Settings)
    assert 2 == len(str(refusal.value).splitlines())
    assert "hunter2" not in str(refusal.value)


def test_a_process_with_a_wrong_setting_ends_with_code_2_and_no_traceback() -> None:
    """One line that says what to change."""
    program = (
        "from servicekit.config import *\n"
        "class S(ServiceSettings):\n"
        "    model_config = SettingsConfigDict(env_prefix='DEMO_')\n"
        "    listen: str = 'h:1'\n"
        "load_or_exit(S)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (2, "DEMO_DATABASE_URL: field required\n") == (ended.returncode, ended.stderr)


def test_addresses_may_be_ipv6() -> None:
    """In brackets, as in URLs."""
    assert ("::1", 50051) == host_and_port("[::1]:50051")
