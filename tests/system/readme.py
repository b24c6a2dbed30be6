"""Runs README.md's examples as a reader would: block after block in one shell."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from local.layout import DEFAULT_LISTEN, NAMES
from local.processes import ROOT
from local.supervisor import System

README = ROOT / "README.md"


def section(heading: str) -> str:
    """Returns the text below a heading of the second level."""
    found = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", README.read_text(), re.M | re.S
    )
    assert found is not None, f"README.md has no section {heading}"
    return found[1]


def blocks(heading: str, language: str = "bash") -> list[str]:
    """Returns the fenced blocks of a section."""
    return re.findall(rf"^```{language}\n(.*?)^```$", section(heading), re.M | re.S)


class Shell:
    """A Bash whose variables last from block to block, with the system's addresses put in."""

    def __init__(self, system: System, folder: Path) -> None:
        """Keeps its state, and a `grpcurl`, in `folder`."""
        self._system = system
        self._state = folder / "state"
        self._state.touch()
        program = folder / "grpcurl"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tests.system.grpcurl "$@"\n')
        program.chmod(0o755)
        self._environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}

    def run(self, block: str) -> str:
        """Runs a block to its end and returns what it printed; fails when a command does."""
        with self._start(block) as process:
            printed, complaints = process.communicate()
        assert 0 == process.returncode, f"{block}\n{printed}\n{complaints}"
        return printed

    def watch(self, block: str, until: str) -> str:
        """Runs a block that never ends until it has printed `until`, then ends it.

        Not by SIGINT: where the tests run in the background, that is ignored.
        """
        printed = ""
        with self._start(block) as process:
            assert process.stdout is not None
            for line in process.stdout:
                printed += line
                if until in printed:
                    break
            os.killpg(process.pid, signal.SIGTERM)
            process.communicate()
        assert until in printed, f"{block}\n{printed}"
        return printed

    def value(self, name: str) -> str:
        """Returns a variable that a block has set."""
        return self.run(f'printf %s "${name}"')

    def _start(self, block: str) -> subprocess.Popen[str]:
        keep = f"trap 'export -p >\"{self._state}\"' EXIT"
        script = f'set -aeuo pipefail\n. "{self._state}"\n{keep}\n{self._addressed(block)}'
        return subprocess.Popen(
            ["bash", "-c", script],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _addressed(self, block: str) -> str:
        for name in NAMES:
            block = block.replace(DEFAULT_LISTEN[name], self._system.target(name))
        return block.replace("var/secrets", str(self._system.secrets.admin_password.parent))
