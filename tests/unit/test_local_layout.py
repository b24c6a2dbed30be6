"""Addresses, databases and environments of a system, and the secrets it keeps."""

import stat
from pathlib import Path

import pytest

from local.layout import NAMES, WITH_DATABASE, settle
from local.ports import join_address, split_address
from local.secrets import load_or_make

LISTEN = {name: f"127.0.0.1:{21000 + i}" for i, name in enumerate(NAMES)}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the caller's own settings away."""
    for name in ("AUTH_LISTEN", "GATEWAY_LISTEN", "JOB_DATABASE_URL", "AUTH_ADMIN_PASSWORD"):
        monkeypatch.delenv(f"GPUAAS_{name}", raising=False)


def test_defaults_need_no_settings(tmp_path: Path) -> None:
    """A bare start listens on the documented ports and keeps SQLite files in its folder."""
    layout = settle(tmp_path)

    assert "127.0.0.1:8000" == layout.listen["gateway"]
    assert "127.0.0.1:50051" == layout.listen["auth_service"]
    assert f"sqlite:///{tmp_path}/job.db" == layout.databases["job_service"]
    assert set(WITH_DATABASE) == set(layout.databases)


def test_settings_come_before_defaults_and_arguments_before_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearest word counts."""
    monkeypatch.setenv("GPUAAS_GATEWAY_LISTEN", "127.0.0.1:8001")
    monkeypatch.setenv("GPUAAS_AUTH_LISTEN", "127.0.0.1:8002")
    monkeypatch.setenv("GPUAAS_JOB_DATABASE_URL", "postgresql+psycopg://job@db/job")

    layout = settle(tmp_path, listen={"auth_service": "127.0.0.1:8003"})

    assert "127.0.0.1:8001" == layout.listen["gateway"]
    assert "127.0.0.1:8003" == layout.listen["auth_service"]
    assert "postgresql+psycopg://job@db/job" == layout.databases["job_service"]


def test_callers_are_told_where_the_called_listen(tmp_path: Path) -> None:
    """Targets are the others' addresses, also where those are not the defaults."""
    layout = settle(tmp_path, listen=LISTEN)
    secrets = load_or_make(tmp_path / "secrets")

    gateway = layout.environment("gateway", secrets)
    assert LISTEN["auth_service"] == gateway["GPUAAS_GATEWAY_AUTH_TARGET"]
    assert LISTEN["job_service"] == gateway["GPUAAS_GATEWAY_JOB_TARGET"]
    assert LISTEN["scheduler_service"] == gateway["GPUAAS_GATEWAY_SCHEDULER_TARGET"]
    job = layout.environment("job_service", secrets)
    assert LISTEN["auth_service"] == job["GPUAAS_JOB_AUTH_TARGET"]
    assert LISTEN["scheduler_service"] == job["GPUAAS_JOB_SCHEDULER_TARGET"]
    scheduler = layout.environment("scheduler_service", secrets)
    assert LISTEN["auth_service"] == scheduler["GPUAAS_SCHEDULER_AUTH_TARGET"]


def test_only_those_who_need_a_secret_are_told_its_file(tmp_path: Path) -> None:
    """The administrator's password is auth_service's alone; all sign in there as services."""
    layout = settle(tmp_path, listen=LISTEN)
    secrets = load_or_make(tmp_path / "secrets")

    knowing = {
        name: {variable for variable in layout.environment(name, secrets) if "PASSWORD" in variable}
        for name in NAMES
    }

    expected = {
        "auth_service": {
            "GPUAAS_AUTH_ADMIN_PASSWORD_FILE",
            "GPUAAS_AUTH_SERVICE_PASSWORD_FILE",
        },
        "job_service": {"GPUAAS_JOB_SERVICE_PASSWORD_FILE"},
        "scheduler_service": {"GPUAAS_SCHEDULER_SERVICE_PASSWORD_FILE"},
        "gateway": {"GPUAAS_GATEWAY_SERVICE_PASSWORD_FILE"},
    }
    assert expected == knowing


def test_a_secret_given_outright_replaces_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Services refuse to be told a secret twice."""
    monkeypatch.setenv("GPUAAS_AUTH_ADMIN_PASSWORD", "given outright")
    layout = settle(tmp_path, listen=LISTEN)

    environment = layout.environment("auth_service", load_or_make(tmp_path / "secrets"))

    assert "given outright" == environment["GPUAAS_AUTH_ADMIN_PASSWORD"]
    assert "GPUAAS_AUTH_ADMIN_PASSWORD_FILE" not in environment


def test_extra_settings_reach_their_process_only(tmp_path: Path) -> None:
    """What a test sets for one process, the others do not see."""
    extra = {"job_service": {"GPUAAS_JOB_FAILPOINTS": "job.submit=crash"}}
    layout = settle(tmp_path, listen=LISTEN, extra=extra)  # type: ignore[arg-type]
    secrets = load_or_make(tmp_path / "secrets")

    seeing = [n for n in NAMES if "GPUAAS_JOB_FAILPOINTS" in layout.environment(n, secrets)]

    assert ["job_service"] == seeing


def test_secrets_are_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    """A second start reads what the first made; nobody else can."""
    folder = tmp_path / "secrets"
    first = load_or_make(folder)
    passwords = [first.admin_password.read_text(), first.service_password.read_text()]

    second = load_or_make(folder)

    assert (True, False) == (first.is_new, second.is_new)
    assert passwords == [second.admin_password.read_text(), second.service_password.read_text()]
    assert 2 == len(set(passwords))
    assert 0o700 == stat.S_IMODE(folder.stat().st_mode)
    for file in (first.admin_password, first.service_password):
        assert 0o600 == stat.S_IMODE(file.stat().st_mode)
        assert 12 <= len(file.read_text())


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "[::1]:8000", "localhost:0"])
def test_addresses_split_and_join(address: str) -> None:
    """Splitting loses nothing."""
    assert address == join_address(*split_address(address))


@pytest.mark.parametrize("address", ["8000", "localhost", ":8000", "localhost:http"])
def test_half_an_address_is_refused(address: str) -> None:
    """The message repeats what was given."""
    with pytest.raises(ValueError, match="is not host:port"):
        split_address(address)
