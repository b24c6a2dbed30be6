"""The settings of job_service."""

import pytest

from job_service.config import Settings
from servicekit.config import ConfigurationError, load


def test_production_wants_a_service_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one no job would ever reach the scheduler; at home it may come later."""
    monkeypatch.delenv("GPUAAS_JOB_SERVICE_PASSWORD", raising=False)
    monkeypatch.delenv("GPUAAS_JOB_SERVICE_PASSWORD_FILE", raising=False)
    assert "" == load(Settings).service_password.get_secret_value()

    monkeypatch.setenv("GPUAAS_JOB_ENVIRONMENT", "production")
    with pytest.raises(
        ConfigurationError, match="GPUAAS_JOB_SERVICE_PASSWORD: expected a password"
    ):
        load(Settings)

    monkeypatch.setenv("GPUAAS_JOB_SERVICE_PASSWORD", "geheim")
    assert load(Settings).production
