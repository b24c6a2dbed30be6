"""docker-compose.yml is valid, and hands out no more than it must; so does the image."""

import json
import stat
import subprocess
from collections.abc import Mapping
from fnmatch import fnmatch
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from local.env_example import settings_of
from local.layout import NAMES
from local.processes import ROOT
from servicekit.config import variable_name
from tests.deployment import Compose, copies, load_compose, load_stages

COMPOSE = load_compose()
SERVICES: Mapping[str, Any] = COMPOSE["services"]
OURS = {name: it for name, it in SERVICES.items() if it["image"].startswith("gpuaas:")}


def complaints(compose: Compose) -> list[str]:
    """Returns what the compose specification's own schema finds wrong."""
    vendored = resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    schema = json.loads((vendored / "compose-spec.json").read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(compose)]


def test_the_file_keeps_to_the_specification() -> None:
    """Every key and every value is one that compose knows."""
    assert [] == complaints(COMPOSE)


@pytest.mark.parametrize(
    ("key", "value"),
    [("healthchek", {}), ("restart", 3), ("cap_drop", "ALL"), ("depends_on", {"x": {}})],
)
def test_the_specification_finds_mistakes(key: str, value: object) -> None:
    """A misspelt key or a value of the wrong type would not get past the test above."""
    broken = COMPOSE | {"services": {"gateway": SERVICES["gateway"] | {key: value}}}

    assert [] != complaints(broken)


@pytest.mark.parametrize("name", SERVICES)
def test_whatever_is_referred_to_exists(name: str) -> None:
    """Networks, volumes, secrets and other services are declared, files are there."""
    service = SERVICES[name]
    volumes = [volume.partition(":")[0] for volume in service.get("volumes", [])]

    assert set(service.get("networks", [])) <= set(COMPOSE["networks"])
    assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    assert all(it in COMPOSE["volumes"] or (ROOT / it).exists() for it in volumes)
    assert "build" not in service or (ROOT / service["build"]["dockerfile"]).exists()


@pytest.mark.parametrize("name", SERVICES)
def test_containers_are_hardened(name: str) -> None:
    """No root, no capabilities, no new privileges, nothing writable but what is named."""
    service = SERVICES[name]

    assert service["user"].partition(":")[0] not in ("", "0", "root")
    assert service["read_only"] is True
    assert ["ALL"] == service["cap_drop"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert ["no-new-privileges:true"] == service["security_opt"]


def test_only_the_gateway_is_published() -> None:
    """All else is reachable from this host alone, and only when the profile is asked for."""
    published = {name: it["ports"] for name, it in SERVICES.items() if "ports" in it}
    admin = published.pop("admin")

    assert {"gateway": ["8000:8000"]} == published
    assert ["admin"] == SERVICES["admin"]["profiles"]
    assert all(port.startswith("127.0.0.1:") for port in admin)
    assert {"edge"} == {name for name, it in COMPOSE["networks"].items() if not it.get("internal")}
    assert {"gateway", "admin"} == {n for n, it in SERVICES.items() if "edge" in it["networks"]}


def test_no_secret_is_in_the_environment() -> None:
    """Passwords and database URLs come from files, and whoever needs one gets that one only."""
    for name, service in SERVICES.items():
        environment = service.get("environment", {})
        files = {value for variable, value in environment.items() if variable.endswith("_FILE")}
        secretive = [
            variable
            for variable in environment
            if ("PASSWORD" in variable or "DATABASE_URL" in variable)
            and not variable.endswith("_FILE")
        ]
        assert [] == secretive
        assert {f"/run/secrets/{it}" for it in service.get("secrets", [])} == files, name


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting(name: str) -> None:
    """A misspelt variable would be ignored silently; and everything runs as in production."""
    environment: dict[str, str] = OURS[name].get("environment", {})
    known = {
        variable_name(settings_of(it), field)
        for it in NAMES
        for field in settings_of(it).model_fields
    }

    assert {it.removesuffix("_FILE") for it in environment} <= known
    if name != "admin":
        assert "production" in environment.values()


TLS = yaml.safe_load((ROOT / "deploy" / "compose.tls.yml").read_text())


def test_the_tls_file_goes_with_the_other() -> None:
    """It changes services that are there, by settings that are, with files that are made."""
    known = {
        variable_name(settings_of(it), field)
        for it in NAMES
        for field in settings_of(it).model_fields
    }
    made = {"authority.pem", *(f"{it}.{kind}" for it in NAMES for kind in ("pem", "key"))}

    assert [] == complaints(TLS)
    assert set(TLS["services"]) == set(OURS)
    for service in TLS["services"].values():
        environment = service.get("environment", {})
        files = {value for value in environment.values() if value.startswith("/")}
        assert set(environment) <= known
        assert set(service["secrets"]) <= set(TLS["secrets"])
        assert files <= {f"/run/secrets/{it}" for it in service["secrets"]}
    paths = {Path(declared["file"]) for declared in TLS["secrets"].values()}
    assert {Path("deploy/certificates")} == {path.parent for path in paths}
    assert {path.name for path in paths} == made


def test_tls_is_opted_out_of_by_the_plain_file_alone() -> None:
    """What docker-compose.yml allows, the TLS file takes back."""
    plain = {
        variable
        for service in OURS.values()
        for variable, value in service.get("environment", {}).items()
        if variable.endswith("PLAINTEXT") and value == "true"
    }
    taken_back = {
        variable
        for service in TLS["services"].values()
        for variable, value in service.get("environment", {}).items()
        if variable.endswith("PLAINTEXT") and value == "false"
    }

    assert plain == taken_back
    assert len(plain) == len(NAMES) + 1


def test_services_wait_for_their_migration() -> None:
    """No service starts on a database that is not at its newest version."""
    for service in ("auth", "job", "scheduler"):
        migration = OURS[f"{service}-migration"]
        waits = OURS[f"{service}-service"]["depends_on"]

        assert [f"{service}_service", "migrate"] == migration["command"]
        assert "no" == migration["restart"]
        assert {"condition": "service_healthy"} == migration["depends_on"]["postgres"]
        wanted = {"condition": "service_completed_successfully"}
        assert wanted == waits[f"{service}-migration"]


def test_all_that_stays_up_is_checked() -> None:
    """Whatever is restarted when it ends has a health check too."""
    staying = {name for name, it in SERVICES.items() if it["restart"] == "unless-stopped"}

    assert staying == {name for name, it in SERVICES.items() if "healthcheck" in it}


def test_the_image_is_not_run_by_root() -> None:
    """Also without compose."""
    user = load_stages()[-1].last("USER")

    assert user.partition(":")[0] not in ("0", "root")
    assert all(user == service["user"] for service in OURS.values())


def test_every_package_of_the_image_is_checked_against_its_hash() -> None:
    """The image installs from the locks alone, and starts from images with a tag."""
    stages = load_stages()
    installs = [run for stage in stages for run in stage.all("RUN") if " install " in run]

    assert 2 == len(installs)
    assert all("--require-hashes" in run and ".lock" in run for run in installs)
    assert all("python:${PYTHON_TAG}" in stage.last("FROM") for stage in stages)


def test_everything_that_is_copied_exists_and_may_enter_the_build() -> None:
    """Sources are there, stages too, and .dockerignore lets through what is copied, no more."""
    stages = load_stages()
    ignored, *let_through = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line[:1] not in ("", "#")
    ]
    assert "*" == ignored
    allowed = {line[1:] for line in let_through if line.startswith("!")}
    copied = {
        source
        for stage in stages
        for copy in copies(stage)
        if not copy.stage
        for source in copy.sources
    }

    assert copied == allowed
    assert all((ROOT / source).exists() for source in copied)
    assert {it.stage for it in copies(stages[-1])} - {""} <= {stage.name for stage in stages}
    assert not any(fnmatch("deploy/secrets/admin_password", f"{it}*") for it in allowed)


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """Every declared secret is made, in a folder for its owner only; a second run keeps all."""
    folder = tmp_path / "secrets"
    make = ["sh", str(ROOT / "deploy" / "make-secrets.sh"), str(folder)]
    subprocess.run(make, check=True, capture_output=True)
    first = {path.name: path.read_text() for path in folder.iterdir()}
    subprocess.run(make, check=True, capture_output=True)

    assert set(COMPOSE["secrets"]) == set(first)
    assert first == {path.name: path.read_text() for path in folder.iterdir()}
    assert 0o700 == stat.S_IMODE(folder.stat().st_mode)
    assert len(set(first.values())) == len(first)
    assert all(len(secret) >= 32 for secret in first.values())
    for name, declared in COMPOSE["secrets"].items():
        assert f"./deploy/secrets/{name}" == declared["file"]
