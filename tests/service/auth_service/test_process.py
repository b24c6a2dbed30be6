"""The process itself: its two verbs, how it ends, and what it says when it cannot start."""

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from servicekit.probe import grpc_is_serving


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Settings for a process with a database in a folder that does not exist yet."""
    return {
        **os.environ,
        "GPUAAS_AUTH_DATABASE_URL": f"sqlite:///{tmp_path}/new/auth.db",
        "GPUAAS_AUTH_LISTEN": "127.0.0.1:0",
    }


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the process to its end."""
    command = [sys.executable, "-m", "auth_service", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_it_migrates_serves_and_stops_when_asked(environment: dict[str, str]) -> None:
    """Migrate, serve until SIGTERM, exit code 0; every line on stderr is a JSON object."""
    assert 0 == run(environment, "migrate").returncode
    command = [sys.executable, "-m", "auth_service"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr
            lines = (orjson.loads(line) for line in process.stderr)
            [port] = itertools.islice((line["port"] for line in lines if "port" in line), 1)
            # A busy machine may take longer than the second that one question has.
            assert any(grpc_is_serving(f"127.0.0.1:{port}") for _ in range(30))
            process.send_signal(signal.SIGTERM)
            assert "draining" in [line["event"] for line in lines]
        finally:
            process.send_signal(signal.SIGTERM)
    assert 0 == process.returncode


def test_a_missing_database_ends_it_with_the_command_to_run(environment: dict[str, str]) -> None:
    """Exit code 2 and one line, no traceback."""
    ended = run(environment)
    assert 2 == ended.returncode
    assert "run `python -m auth_service migrate`" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_unknown_arguments_end_it_with_its_usage(environment: dict[str, str]) -> None:
    """Exit code 2 and the usage."""
    ended = run(environment, "serve")
    usage = "python -m auth_service [migrate | rotate-keys | verify-audit | import-users]"
    assert (2, f"usage: {usage}\n") == (ended.returncode, ended.stderr)
