"""What docker-compose.yml describes runs: every command, environment and secret of it, and a job.

Containers become processes, see containers.py; PostgreSQL's becomes the tests' own server.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from secrets import token_urlsafe

import httpx
import psycopg
import pytest
import sqlalchemy as sa

from local.postgres import Postgres, find_binaries
from local.processes import ROOT
from tests.deployment import load_compose
from tests.system.containers import Containers, Image, create_databases

PASSWORD = "tea leaves at noon"
SERVICES = ("auth", "job", "scheduler")
KINDS = ("service", "migration")


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The secrets of a new deployment."""
    folder = tmp_path / "secrets"
    script = ROOT / "deploy" / "make-secrets.sh"
    subprocess.run(["sh", str(script), str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A PostgreSQL cluster that is this test's own, since roles belong to a whole cluster."""
    with Postgres() as postgres:
        yield postgres


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """What the Dockerfile makes."""
    return Image(tmp_path / "image")


@pytest.fixture
def containers(
    tmp_path: Path, secrets: Path, server: Postgres, image: Image
) -> Iterator[Containers]:
    """The deployment, its databases made, nothing started; stopped at the end."""
    compose = load_compose()
    containers = Containers(compose, image, secrets, tmp_path, server)
    create_databases(compose, containers, server, find_binaries())
    yield containers
    containers.down()


@pytest.mark.timeout(1200)
def test_a_job_runs_in_the_deployment(containers: Containers, image: Image, secrets: Path) -> None:
    """All services start from the file alone, and take a job from registration to its end."""
    files = image.files()
    containers.up("gateway")
    containers.up("admin")
    containers.await_health("gateway")
    containers.await_health("admin")

    base = f"http://127.0.0.1:{containers.port('gateway', 8000)}"
    with httpx.Client(base_url=base, timeout=30) as client:
        states = run_a_job(client, (secrets / "admin_password").read_text())

    assert "COMPLETED" == states[-1]
    codes = containers.down()
    assert dict.fromkeys(codes, 0) == codes
    assert {"gateway", "admin", *(f"{it}-{kind}" for it in SERVICES for kind in KINDS)} == set(
        codes
    )
    assert files == image.files(), "a container writes into its read-only file system"
    assert [] == leaks(containers, secrets, codes)


def run_a_job(client: httpx.Client, admin_password: str) -> list[str]:
    """Registers, submits, approves as admin; returns the job's states up to its end."""
    account = {"username": "ada", "password": PASSWORD}
    answered(client.post("/api/v1/auth/register", json=account))
    user = log_in(client, "ada", PASSWORD)
    first = log_in(client, "admin", admin_password)
    change = {"current_password": admin_password, "new_password": token_urlsafe(16)}
    changed = client.post("/api/v1/users/me:changePassword", json=change, headers=first)
    admin = {"authorization": f"Bearer {answered(changed)['access_token']}"}
    wanted = {"command": "python train.py", "gpu_type": "A100", "estimated_hours": 0.01}
    job = answered(client.post("/api/v1/jobs", json=wanted, headers=user))
    assert "PENDING" == job["status"]
    answered(client.post(f"/api/v1/jobs/{job['id']}:approve", json={}, headers=admin))

    states = []
    watch = f"/api/v1/jobs:watch?job_ids={job['id']}"
    with client.stream("GET", watch, headers=user) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                states.append(json.loads(line.removeprefix("data:"))["job"]["status"])
            if states and states[-1] in ("COMPLETED", "FAILED"):
                break
    return states


def log_in(client: httpx.Client, username: str, password: str) -> dict[str, str]:
    """Returns the header that speaks for a user."""
    account = {"username": username, "password": password}
    answer = answered(client.post("/api/v1/auth/login", json=account))
    return {"authorization": f"Bearer {answer['access_token']}"}


def answered(response: httpx.Response) -> dict[str, str]:
    """Returns the answer; fails with its text when it is a refusal."""
    assert response.is_success, response.text
    answer: dict[str, str] = response.json()
    return answer


def leaks(containers: Containers, secrets: Path, services: dict[str, int]) -> list[str]:
    """Returns the services that wrote a secret into their log."""
    values = [path.read_text() for path in secrets.iterdir()]
    passwords = [value for value in values if "://" not in value]
    passwords += [sa.make_url(value).password or "" for value in values if "://" in value]
    logs = {service: containers.log(service).read_text() for service in services}
    return [name for name, log in logs.items() if any(password in log for password in passwords)]


def test_each_role_has_its_own_database_only(containers: Containers, secrets: Path) -> None:
    """A service's password opens that service's database, and neither another nor a common one."""
    own = {name: (secrets / f"{name}_database_url").read_text() for name in SERVICES}
    urls = {name: sa.make_url(containers.located("", url)) for name, url in own.items()}
    for name, url in urls.items():
        for database in (*SERVICES, "postgres", "template1"):
            if database == name:
                open_database(url)
            else:
                with pytest.raises(psycopg.OperationalError, match="permission denied"):
                    open_database(url.set(database=database))


def open_database(url: sa.URL) -> None:
    """Connects, and makes a table."""
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        connection.execute("CREATE TABLE mine (id int)")
