"""Everything that carries a secret, sent in every way that goes wrong, with all logging on.

What the processes have written is searched for each secret that was used and for their forms. That
no log of the whole run holds any is checked when the run ends; see canary.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.administrator import settle_admin
from local.layout import ANY_PORTS, NAMES, PREFIX, Name
from local.processes import ROOT
from local.supervisor import System
from tests.canary import leaks, own_secrets

PASSWORD = "canary in the coal mine"
FORM = {"content-type": "application/x-www-form-urlencoded"}
NOISY: Mapping[Name, Mapping[str, str]] = {
    name: {f"{PREFIX[name]}_LOG_LEVEL": "debug"} for name in NAMES
}
LOUD: Mapping[Name, Mapping[str, str]] = {
    **NOISY,
    "auth_service": {**NOISY["auth_service"], "GPUAAS_AUTH_BCRYPT_COST": "4"},
}
LEAST_CALLS = {"auth_service": 30, "gateway": 100}
"""Calls in the logs: without them nothing would have been tried."""


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """A system that logs all it can."""
    with System(tmp_path / "var", listen=ANY_PORTS, extra=LOUD) as system:
        yield system


@pytest.fixture
def client(system: System) -> Iterator[httpx.Client]:
    """A client of its gateway."""
    with httpx.Client(base_url=system.url, timeout=60) as client:
        yield client


def use_everything(client: httpx.Client, username: str) -> list[str]:
    """Registers, logs in and uses every kind of credential rightly; returns all secrets seen."""
    account = {"username": username, "password": PASSWORD}
    client.post("/api/v1/auth/register", json=account)
    session = client.post("/api/v1/auth/login", json=account).json()
    headers = {"authorization": f"Bearer {session['access_token']}"}
    key = client.post("/api/v1/api-keys", json={"name": "script"}, headers=headers).json()
    ticket = client.post("/api/v1/auth/tickets", json={}, headers=headers).json()["ticket"]
    with client.stream("GET", f"/api/v1/jobs:watch?ticket={ticket}") as stream:
        assert stream.is_success
    bearing = {"authorization": f"Bearer {key['secret']}"}
    assert client.get("/api/v1/jobs", headers=bearing).is_success
    refresh = {"refresh_token": session["refresh_token"]}
    fresh = client.post("/api/v1/auth/refresh", json=refresh).json()
    client.post("/api/v1/auth/refresh", json=refresh)  # again: the session ends
    again = client.post("/api/v1/auth/login", json=account).json()
    headers = {"authorization": f"Bearer {again['access_token']}"}
    change = {"current_password": PASSWORD, "new_password": f"{PASSWORD}, twice"}
    changed = client.post("/api/v1/users/me:changePassword", json=change, headers=headers).json()
    client.post("/api/v1/auth/logout", json={}, headers=headers)
    sessions = [session, fresh, again, changed]
    names = ("access_token", "refresh_token", "device_token")
    return [
        *(it[name] for it in sessions for name in names if it.get(name)), key["secret"], ticket,
    ]  # fmt: skip


def misuse_everything(client: httpx.Client, secrets: list[str]) -> None:
    """Sends each secret where it does not belong, and in requests that cannot be read."""
    for secret in (PASSWORD, *secrets):
        for path in ("/api/v1/auth/login", "/auth/jwt/login", "/api/v1/auth/register"):
            swapped: dict[str, Any] = {"username": secret, "password": 7}
            client.post(path, json=swapped)
            client.post(path, json={"username": "ada", "password": {"deep": secret}})
            client.post(path, json={secret: "unknown field", "password": secret})
            client.post(path, content=f'{{"password": "{secret}", broken')
            client.post(path, content=f"username=ada&password={secret}&x=1", headers=FORM)
            client.post(f"{path}?password={secret}", json={})
        client.post("/api/v1/auth/token", json={"api_key": secret})
        client.post("/api/v1/auth/refresh", json={"refresh_token": secret})
        client.get(f"/api/v1/jobs/{secret}")
        client.get(f"/api/v1/jobs:watch?ticket={secret}&access_token={secret}")
        for scheme in ("Bearer", "Basic", "Token"):
            client.get("/api/v1/jobs", headers={"authorization": f"{scheme} {secret}"})
            client.get("/", headers={"cookie": f"session={secret}", "x-api-key": secret})


def test_no_secret_is_in_any_log(system: System, client: httpx.Client) -> None:
    """Not even at the level debug."""
    settle_admin(system)
    secrets = use_everything(client, "canary")
    misuse_everything(client, secrets)
    assert len(secrets) > 10
    system.stop()

    for name in NAMES:
        text = system.layout.log(name).read_text()
        known = [*secrets, f"{PASSWORD}, twice", *own_secrets(system.layout.log(name))]
        served = text.count('"event":"rpc"') + text.count('"event":"http"')
        assert served >= LEAST_CALLS.get(name, 0)
        assert [] == [str(leak) for leak in leaks(text, known)], name


@pytest.mark.parametrize("name", ["auth_service", "job_service", "scheduler_service"])
def test_a_database_out_of_reach_is_named_without_its_password(name: str) -> None:
    """A wrong URL is a usual mistake, and the log the usual place to show it."""
    password = "kF3v9Zq1Lw7Xr5Tn2Bd8"
    url = f"postgresql+psycopg://someone:{password}@127.0.0.1:1/nowhere"
    settings = {f"{PREFIX[name]}_DATABASE_URL": url, "PYTHONPATH": str(ROOT / "gen")}  # type: ignore[index]
    for verb in ([], ["migrate"]):
        ended = subprocess.run(
            [sys.executable, "-m", name, *verb],
            cwd=ROOT,
            env=os.environ | settings,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert 0 != ended.returncode
        assert password not in ended.stderr + ended.stdout
