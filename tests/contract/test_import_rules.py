"""Who may import whom, as pyproject.toml's contracts say it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINTER = Path(sys.executable).with_name("lint-imports")
SERVICES = ("auth_service", "job_service", "scheduler_service")
ROOMS = ("bootstrap", "config", "migrations", "entrypoints", "adapters", "application", "domain")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Checks the packages in `folder` against the contracts in its pyproject.toml."""
    return subprocess.run(
        [LINTER, "--no-logo", "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    """The smallest code base that keeps all contracts: every package and room, no imports."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in ("servicekit", "gateway", "local", "bench", *SERVICES):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    for service in SERVICES:
        (tmp_path / service / "__main__.py").touch()
        for room in ROOMS:
            (tmp_path / service / f"{room}.py").touch()
    (tmp_path / "scheduler_service" / "simulate.py").touch()
    return tmp_path


def test_the_code_keeps_all_contracts() -> None:
    """No import of this code base goes where it should not."""
    result = lint(ROOT)

    assert 0 == result.returncode, result.stdout + result.stderr


def test_the_skeleton_keeps_all_contracts(skeleton: Path) -> None:
    """What the next test breaks was whole before."""
    result = lint(skeleton)

    assert 0 == result.returncode, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("job_service/adapters.py", "import auth_service", "Services and the gateway meet only"),
        ("gateway/routes.py", "import job_service.domain", "Services and the gateway meet only"),
        ("job_service/domain.py", "import job_service.application", "Every service has the same"),
        ("job_service/application.py", "import job_service.adapters", "Every service has the same"),
        ("auth_service/adapters.py", "import auth_service.entrypoints", "Every service has the"),
        ("auth_service/entrypoints.py", "import auth_service.adapters", "Every service has the"),
        ("auth_service/cellar.py", "", "Every service has the same rooms"),
        ("job_service/domain.py", "import grpc.aio", "The domain is pure"),
        ("job_service/domain.py", "from google.protobuf import any_pb2", "The domain is pure"),
        ("job_service/domain.py", "import sqlalchemy", "The domain is pure"),
        ("job_service/domain.py", "import asyncio", "The domain is pure"),
        ("job_service/domain.py", "from gpuaas.job.v1 import job_pb2", "The domain is pure"),
        ("job_service/application.py", "import grpc", "The application knows ports"),
        ("job_service/application.py", "from sqlalchemy import select", "The application knows"),
        ("job_service/application.py", "import gpuaas.job.v1.job_pb2", "The application knows"),
        ("scheduler_service/simulate.py", "import asyncio", "The simulator feeds the engine"),
        (
            "scheduler_service/simulate.py",
            "import servicekit.ids",
            "The simulator feeds the engine",
        ),
        (
            "scheduler_service/simulate.py",
            "import scheduler_service.application",
            "Every service has the same",
        ),
        ("servicekit/errors.py", "import job_service.domain", "servicekit knows no job"),
        ("servicekit/errors.py", "from gpuaas.api.v1 import access_pb2", "servicekit knows no job"),
        ("gateway/routes.py", "import local", "What runs in production"),
    ],
)
def test_every_contract_can_be_broken(
    skeleton: Path, module: str, line: str, contract: str
) -> None:
    """A forbidden import, or an unlisted room, is found and named."""
    (skeleton / module).write_text(line + "\n")

    result = lint(skeleton)

    assert 1 == result.returncode, result.stdout + result.stderr
    broken = [line for line in result.stdout.splitlines() if line.endswith("BROKEN")]
    assert any(line.startswith(contract) for line in broken), result.stdout
