"""The gateway's settings."""

import pytest

from gateway.config import Settings
from servicekit.config import ConfigurationError, load


def test_origins_are_told_apart_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spaces and empty entries are nobody's origin."""
    monkeypatch.setenv("GPUAAS_GATEWAY_CORS_ORIGINS", "https://a.example, https://b.example,")
    assert ["https://a.example", "https://b.example"] == load(Settings).origins


def test_production_does_not_believe_every_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody could then claim any address, and guess passwords at full speed."""
    monkeypatch.setenv("GPUAAS_GATEWAY_TRUSTED_PROXIES", "*")
    assert "*" == load(Settings).trusted_proxies

    monkeypatch.setenv("GPUAAS_GATEWAY_ENVIRONMENT", "production")
    with pytest.raises(ConfigurationError, match="GPUAAS_GATEWAY_TRUSTED_PROXIES"):
        load(Settings)
