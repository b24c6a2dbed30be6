"""The gateway's settings."""

import pytest

from gateway.config import Settings
from servicekit.config import load


def test_origins_are_told_apart_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spaces and empty entries are nobody's origin."""
    monkeypatch.setenv("GPUAAS_GATEWAY_CORS_ORIGINS", "https://a.example, https://b.example,")
    assert ["https://a.example", "https://b.example"] == load(Settings).origins
