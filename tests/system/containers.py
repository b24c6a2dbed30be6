"""Runs the services of docker-compose.yml as plain processes, each as its container would run.

A process gets exactly the command, environment and secrets that the file and the image give its
container, and nothing else of this machine: code and packages are those that the image has. What
must differ is mapped: folders, and each container's address to a port of 127.0.0.1.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from local.ports import LOOPBACK, free_port
from local.postgres import Postgres
from local.processes import ROOT, end, last_lines, spawn
from tests.deployment import Compose, copies, load_stages, variables

HEALTH_LIMIT_S = 180.0
PAUSE_S = 0.1
RUN_SECRETS = "/run/secrets/"
EVERYWHERE = ("0.0.0.0", LOOPBACK)


class Image:
    """The file system of deploy/Dockerfile's last stage, as far as it is ours."""

    def __init__(self, folder: Path) -> None:
        """Copies what the stage copies, and takes its packages from this environment."""
        stage = load_stages()[-1]
        self.app = folder / "app"
        self.packages = folder / "packages"
        self.entrypoint = re.findall(r'"([^"]+)"', stage.last("ENTRYPOINT"))
        self._variables = variables(stage)
        for copy in copies(stage):
            if copy.stage == "packages":
                continue
            root = Path("/build") if copy.stage else ROOT
            for source in copy.sources:
                origin = ROOT / Path(source).relative_to("/build") if copy.stage else root / source
                _copy(origin, self.app / copy.target)
        _link_packages(self.packages)

    def files(self) -> set[Path]:
        """Returns every file of ours."""
        return {path for path in self.app.rglob("*") if path.is_file()}

    def environment(self) -> dict[str, str]:
        """Returns the stage's environment."""
        path = self._variables["PYTHONPATH"].replace("/app", str(self.app))
        return self._variables | {"PYTHONPATH": f"{path}:{self.packages}"}


class Containers:
    """What `docker compose up` would run, without PostgreSQL, which is handed in."""

    def __init__(
        self, compose: Compose, image: Image, secrets: Path, folder: Path, postgres: Postgres
    ) -> None:
        """Prepares; `secrets` is the folder that deploy/make-secrets.sh made."""
        self._services: Mapping[str, Any] = compose["services"]
        self._image = image
        self._secrets = secrets
        self._folder = folder
        self._ports = {("postgres", 5432): postgres.port}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def port(self, service: str, port: int) -> int:
        """Returns where a container's port is found on this machine."""
        return self._ports.setdefault((service, port), free_port())

    def up(self, service: str) -> None:
        """Starts a service when all that it waits for has come about, starting those too."""
        if service in self._processes:
            return
        for other, wait in self._services[service].get("depends_on", {}).items():
            if other == "postgres":
                continue
            self.up(other)
            if wait["condition"] == "service_completed_successfully":
                self._await_success(other)
            else:
                self._await_health(other)
        self._processes[service] = self._spawn(service, self._services[service]["command"])

    def await_health(self, service: str) -> None:
        """Returns when the service's own health check passes."""
        self._await_health(service)

    def down(self) -> dict[str, int]:
        """Stops all, the last started first; returns the exit codes."""
        services = reversed(list(self._processes))
        return {service: end(self._processes[service], grace=15.0) for service in services}

    def environment(self, service: str) -> dict[str, str]:
        """Returns exactly what the container's processes have in their environment."""
        own = self._services[service].get("environment", {})
        mapped = {name: self.mapped(service, value) for name, value in own.items()}
        return self._image.environment() | mapped

    def mapped(self, service: str, text: str) -> str:
        """Returns a text of the container's with addresses and paths of this machine."""
        text = self.located(service, text)
        if RUN_SECRETS in text:
            return text.replace(RUN_SECRETS, f"{self._mounted(service)}/")
        return text

    def located(self, service: str, text: str) -> str:
        """Returns a text of the container's with addresses of this machine."""
        hosts = "|".join(re.escape(host) for host in (*EVERYWHERE, *self._services))

        def address(match: re.Match[str]) -> str:
            owner = service if match[1] in EVERYWHERE else match[1]
            return f"{LOOPBACK}:{self.port(owner, int(match[2]))}"

        return re.sub(rf"(?<![\w.-])({hosts}):(\d+)", address, text)

    def log(self, service: str) -> Path:
        """Returns the file with what the service wrote."""
        return self._folder / f"{service}.log"

    def _mounted(self, service: str) -> Path:
        """Returns a folder with the secrets that this service is given, and no others."""
        folder = self._folder / f"{service}.secrets"
        if not folder.exists():
            folder.mkdir()
            for name in self._services[service].get("secrets", []):
                (folder / name).write_text(
                    self.located(service, (self._secrets / name).read_text())
                )
        return folder

    def _spawn(self, service: str, command: list[str]) -> subprocess.Popen[bytes]:
        arguments = [self.mapped(service, argument) for argument in command]
        return self._run(service, [*self._image.entrypoint, *arguments], self.log(service))

    def _run(self, service: str, command: list[str], log: Path) -> subprocess.Popen[bytes]:
        assert "python" == command[0]
        # -S: no packages but those on PYTHONPATH, as in the image.
        program = ["env", "-C", str(self._image.app), sys.executable, "-S", *command[1:]]
        return spawn(program, log=log, environment=self.environment(service))

    def _await_success(self, service: str) -> None:
        code = self._processes[service].wait(timeout=HEALTH_LIMIT_S)
        assert 0 == code, f"{service}:\n{last_lines(self.log(service))}"

    def _await_health(self, service: str) -> None:
        kind, *command = self._services[service]["healthcheck"]["test"]
        assert "CMD" == kind
        check = [self.mapped(service, argument) for argument in command]
        deadline = monotonic() + HEALTH_LIMIT_S
        log = self._folder / f"{service}.health.log"
        while self._run(service, check, log).wait(timeout=HEALTH_LIMIT_S) != 0:
            said = last_lines(self.log(service))
            assert self._processes[service].poll() is None, f"{service} ended:\n{said}"
            assert monotonic() < deadline, f"{service} is not healthy:\n{said}"
            sleep(PAUSE_S)


def create_databases(
    compose: Compose, containers: Containers, postgres: Postgres, binaries: Path
) -> None:
    """Runs the script that PostgreSQL's container runs on a new cluster, against this one."""
    script = ROOT / "deploy" / "postgres" / "databases.sh"
    assert (
        "./deploy/postgres:/docker-entrypoint-initdb.d:ro"
        in (compose["services"]["postgres"]["volumes"])
    )
    given = {
        name: containers.mapped("postgres", value)
        for name, value in compose["services"]["postgres"]["environment"].items()
    }
    here = {
        "PATH": f"{binaries}:/usr/bin:/bin",
        "PGHOST": str(postgres.folder),
        "PGPORT": str(postgres.port),
        "POSTGRES_USER": "gpuaas",
    }
    subprocess.run([str(script)], env=given | here, check=True)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(source, target)


def _link_packages(folder: Path) -> None:
    """Fills a folder with the packages of requirements.lock, and no others of this environment."""
    folder.mkdir(parents=True)
    lock = (ROOT / "requirements.lock").read_text()
    for name, marker in re.findall(r"^([\w.-]+)==\S+( ;[^\\]*)?", lock, flags=re.MULTILINE):
        try:
            files = importlib.metadata.files(name) or []
        except importlib.metadata.PackageNotFoundError:
            assert marker, f"{name} is not installed"
            continue
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            link = folder / top
            if not link.exists():
                link.symlink_to(str(importlib.metadata.distribution(name).locate_file(top)))
