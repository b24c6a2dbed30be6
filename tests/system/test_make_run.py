"""`make run` as a newcomer meets it: up, its own advice works, Ctrl-C ends it, and data stay."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.layout import NAMES, PREFIX
from local.processes import ROOT

LAST_LINE = "Ctrl-C stops everything"
STOP_LIMIT_S = 60.0


@contextmanager
def running(data: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Runs the command on free ports; yields the process and what it printed while starting."""
    free = {f"{PREFIX[name]}_LISTEN": "127.0.0.1:0" for name in NAMES}
    process = subprocess.Popen(
        [sys.executable, "-m", "local", "--data", str(data)],
        cwd=ROOT,
        env={**os.environ, **free},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process, read_start(process)
    finally:
        process.kill()
        process.communicate()


def read_start(process: subprocess.Popen[str]) -> str:
    """Reads what the command prints until it is up; fails with all of it when it ends before."""
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if line.startswith(LAST_LINE):
            return printed
    pytest.fail(f"it did not come up:\n{printed}")


def interrupt(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Presses Ctrl-C; returns the exit code and what was printed since the start."""
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=STOP_LIMIT_S)
    return process.returncode, printed


def advice(printed: str) -> str:
    """Returns the commands that the summary tells people to try."""
    return printed.partition("submit a first job:\n")[2].partition(LAST_LINE)[0]


def test_the_first_minute(tmp_path: Path) -> None:
    """The printed commands register, log in and submit; all is still there after a restart."""
    with running(tmp_path) as (process, printed):
        password = re.search(r"admin, first password (\S+) \(shown this once\)", printed)
        assert password is not None, printed
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", advice(printed)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert 0 == result.returncode, result.stderr
        user, job = re.findall(r"\{.*\}", result.stdout.replace("}{", "}\n{"))
        assert "ada" == json.loads(user)["username"]
        assert "A100" == json.loads(job)["gpu_type"]
        code, ending = interrupt(process)
        assert 0 == code, ending
        assert "Stopped in" in ending
        assert "Traceback" not in ending

    with running(tmp_path) as (process, printed):
        assert "shown this once" not in printed
        assert password[1] == (tmp_path / "secrets" / "admin-password").read_text()
        token = log_in_command(printed)
        answer = subprocess.run(["bash", "-c", token], capture_output=True, text=True, check=True)
        assert "access_token" in json.loads(answer.stdout)
        code, _ = interrupt(process)
        assert 0 == code


def log_in_command(printed: str) -> str:
    """Returns the advised log-in alone, with its answer as it comes."""
    found = re.search(r"TOKEN=\$\((curl .*?) \\\n", advice(printed))
    assert found is not None
    return found[1]
