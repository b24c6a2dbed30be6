import base64
from datetime import timedelta

import pytest

from auth_service.config import Settings
from servicekit.config import ConfigurationError, load

KEY = base64.b64encode(b"0123456789abcdef" * 2).decode()


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the settings of whoever runs the tests out of them."""
    for field in Settings.model_fields:
        monkeypatch.delenv(f"GPUAAS_AUTH_{field}".upper(), raising=False)
        monkeypatch.delenv(f"GPUAAS_AUTH_{field}_FILE".upper(), raising=False)


def test_one_machine_needs_no_settings() -> None:
    """The defaults are those of a single machine, with strict passwords and no made-up secrets."""
    settings = load(Settings)
    assert ("127.0.0.1:50051", "sqlite:///var/auth.db") == (settings.listen, settings.database_url)
    assert (12, 12) == (settings.bcrypt_cost, settings.password_min_length)
    assert timedelta(minutes=30) == settings.token_lifetime
    assert "" == settings.admin_password.get_secret_value()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GPUAAS_AUTH_BCRYPT_COST", "3"),
        ("GPUAAS_AUTH_PASSWORD_MIN_LENGTH", "7"),
        ("GPUAAS_AUTH_TOKEN_LIFETIME", "P2D"),
    ],
)
def test_unsafe_values_are_refused_everywhere(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The complaint names the variable."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=variable):
        load(Settings)


def test_production_wants_slow_hashes_and_a_service_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is convenient for tests does not start in production."""
    monkeypatch.setenv("GPUAAS_AUTH_ENVIRONMENT", "production")
    monkeypatch.setenv("GPUAAS_AUTH_BCRYPT_COST", "11")
    with pytest.raises(ConfigurationError) as refused:
        load(Settings)
    complaints = str(refused.value).splitlines()
    expected = {
        "GPUAAS_AUTH_BCRYPT_COST",
        "GPUAAS_AUTH_SERVICE_PASSWORD",
        "GPUAAS_AUTH_KEY_ENCRYPTION_KEY",
    }
    assert expected <= {complaint.partition(":")[0] for complaint in complaints}

    monkeypatch.setenv("GPUAAS_AUTH_BCRYPT_COST", "12")
    monkeypatch.setenv("GPUAAS_AUTH_SERVICE_PASSWORD", "geheim")
    monkeypatch.setenv("GPUAAS_AUTH_ADMIN_PASSWORD", "geheim")
    monkeypatch.setenv("GPUAAS_AUTH_KEY_ENCRYPTION_KEY", KEY)
    monkeypatch.setenv("GPUAAS_AUTH_PLAINTEXT", "true")
    with pytest.raises(ConfigurationError) as refused:
        load(Settings)
    expected = {"GPUAAS_AUTH_SERVICE_PASSWORD", "GPUAAS_AUTH_ADMIN_PASSWORD"}
    complaints = str(refused.value).splitlines()
    assert expected == {complaint.partition(":")[0] for complaint in complaints}

    monkeypatch.delenv("GPUAAS_AUTH_ADMIN_PASSWORD")
    monkeypatch.setenv("GPUAAS_AUTH_SERVICE_PASSWORD", "dGhpcyBpcyBub3QgcmFuZG9t")
    settings = load(Settings)
    assert settings.production
    assert b"0123456789abcdef0123456789abcdef" == settings.key_encryption_bytes


@pytest.mark.parametrize("key", ["c2hvcnQ=", "no base64 at all", KEY[:-4]])
def test_a_key_has_32_bytes(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The complaint says so, and does not repeat the key."""
    monkeypatch.setenv("GPUAAS_AUTH_KEY_ENCRYPTION_KEY", key)
    with pytest.raises(ConfigurationError, match="the base64 of 32 bytes") as refused:
        load(Settings)
    assert key not in str(refused.value)


def test_secrets_do_not_show_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever prints the settings prints no password."""
    monkeypatch.setenv("GPUAAS_AUTH_ADMIN_PASSWORD", "geheim")
    settings = load(Settings)
    assert "geheim" == settings.admin_password.get_secret_value()
    assert "geheim" not in f"{settings!r} {settings}"
