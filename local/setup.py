#!/usr/bin/env python3
"""Makes the environment: .venv from the lock, generated stubs, import paths.

Runs on a bare Python with nothing but the standard library. A second run finds nothing to do and
takes a blink; two runs at once wait for each other. This file keeps to syntax that an old Python
can parse, so that an old Python can say what it lacks.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements-dev.lock"
OLDEST = (3, 11)


def main() -> int:
    """Brings the environment up to date and returns the exit code."""
    complaint = missing_parts()
    if complaint:
        print("set-up: " + complaint, file=sys.stderr)
        return 2
    with one_at_a_time(ROOT / ".setup.lock"):
        try:
            make_environment()
            install_packages()
            add_import_paths()
            generate_stubs()
        except subprocess.CalledProcessError as failure:
            print("set-up: this command failed (its own words are above):", file=sys.stderr)
            print("  " + " ".join(str(part) for part in failure.cmd), file=sys.stderr)
            return 1
    return 0


def missing_parts() -> str | None:
    """Names what this machine's Python lacks, or returns None when it has all."""
    here = "%d.%d" % sys.version_info[:2]
    if sys.version_info[:2] < OLDEST:
        wanted = "%d.%d" % OLDEST
        return (
            "needs Python %s or newer, and %s is %s; is there another? make PYTHON3=python%s ..."
            % (wanted, sys.executable, here, wanted)
        )
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            return (
                "this Python has no module '%s'; on Debian and Ubuntu: "
                "apt-get install python%s-venv" % (module, here)
            )
    return None


@contextlib.contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on `path`; the system drops it when the process ends."""
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("set-up: waiting for another set-up to finish", file=sys.stderr)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def make_environment() -> None:
    """Creates .venv, anew when the checkout has moved or the environment's Python is gone.

    Scripts in an environment carry its absolute path. Which Python runs the set-up does not
    matter once there is an environment.
    """
    stamp = VENV / ".made-at"
    if read(stamp) == str(VENV) and (VENV / "bin" / "python").exists():
        return
    print("set-up: making " + str(VENV.relative_to(ROOT)), file=sys.stderr)
    shutil.rmtree(VENV, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    stamp.write_text(str(VENV))


def install_packages() -> None:
    """Installs what the lock names, each file checked against its hash."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    stamp = VENV / ".installed"
    if read(stamp) == digest:
        return
    print("set-up: installing packages from " + LOCK.name, file=sys.stderr)
    stamp.unlink(missing_ok=True)
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install"]
    options = ["-qq", "--require-hashes", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*pip, *options, "-r", str(LOCK)], check=True)
    stamp.write_text(digest)


def add_import_paths() -> None:
    """Puts the checkout and the generated code on the environment's import path."""
    content = "%s\n%s\n" % (ROOT, ROOT / "gen")
    for packages in VENV.glob("lib/python*/site-packages"):
        target = packages / "gpuaas.pth"
        if read(target) != content:
            target.write_text(content)


def generate_stubs() -> None:
    """Runs the stub generator, which does nothing unless a contract changed."""
    python = str(VENV / "bin" / "python")
    subprocess.run([python, "-m", "local.stubs"], cwd=str(ROOT), check=True)


def read(path: Path) -> str | None:
    """Returns the file's text, or None where there is no such file."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())
