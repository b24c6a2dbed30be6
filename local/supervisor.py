"""Starts the four processes of a system, watches over them, and stops them.

Used by `make run`, by tests that need the whole system, and by the benches.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TextIO

from local import logs
from local.certificates import Certificates
from local.layout import NAMES, PREFIX, WITH_DATABASE, Layout, Name, settle
from local.ports import free_port, is_free, join_address, split_address
from local.processes import await_end, end, last_lines, spawn
from local.secrets import Secrets, load_or_make
from servicekit.probe import grpc_is_serving, http_is_ready
from servicekit.tls import PLAINTEXT, Tls

READY_TIMEOUT_S = 180.0
GRACE_S = 12.0
PAUSE_S = 0.05


class StartFailed(RuntimeError):
    """The system did not come up; the message says which process, why, and what to change."""


class System:
    """The whole system as child processes. A context manager: up on entry, down on exit.

    Databases, logs and secrets stay in the data folder, so that a later system finds everything
    where this one left it.
    """

    def __init__(
        self,
        data: Path,
        *,
        listen: Mapping[Name, str] | None = None,
        databases: Mapping[Name, str] | None = None,
        extra: Mapping[Name, Mapping[str, str]] | None = None,
        certificates: Certificates | None = None,
        programs: Mapping[Name, Sequence[str]] | None = None,
        announce: Callable[[str], None] = lambda _: None,
        verbose: TextIO | None = None,
    ) -> None:
        """Settles addresses and databases; starts nothing.

        Args:
            data: folder of databases, logs and secrets; made when missing.
            listen: addresses that differ from settings and defaults; `ANY_PORTS` in tests.
            databases: database URLs that differ from SQLite files in `data`.
            extra: environment variables for single processes.
            certificates: what all speak TLS with, each showing its own; None: plaintext.
            programs: commands that run in place of `python -m <name>`, for sabotaged twins.
            announce: is told of every step of a start, one short line each.
            verbose: gets a copy of every process's log lines.
        """
        self.layout: Layout = settle(
            data, listen=listen, databases=databases, extra=extra, certificates=certificates
        )
        self._programs = programs or {}
        self._announce = announce
        self._verbose = verbose
        self._follower: logs.Follower | None = None
        self._processes: dict[Name, subprocess.Popen[bytes]] = {}
        self._secrets: Secrets | None = None
        self._claim: IO[str] | None = None

    def __enter__(self) -> Self:
        """Starts everything."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops everything."""
        self.stop()

    @property
    def secrets(self) -> Secrets:
        """The secrets of this data folder."""
        if self._secrets is None:
            self._secrets = load_or_make(self.layout.data / "secrets")
        return self._secrets

    @property
    def admin_password(self) -> str:
        """The first administrator's password; the user name is `admin`."""
        return self.secrets.admin_password.read_text()

    @property
    def url(self) -> str:
        """Where the gateway answers, without a slash at the end."""
        scheme = "http" if self.layout.certificates is None else "https"
        return f"{scheme}://{self.layout.listen['gateway']}"

    @property
    def is_up(self) -> bool:
        """Whether processes were started and not stopped since."""
        return bool(self._processes)

    def target(self, name: Name) -> str:
        """Returns the address of a process, for a gRPC channel."""
        return self.layout.listen[name]

    def tls(self, name: Name) -> Tls:
        """Returns what to call a service with: its own certificate, shown by the caller."""
        certificates = self.layout.certificates
        if certificates is None:
            return PLAINTEXT
        files = certificates.files(name)
        return Tls(files.certificate, files.key, certificates.authority)

    def start(self) -> None:
        """Migrates the databases and starts all processes; returns when all are ready.

        Raises:
            StartFailed: something is in the way; whatever had started is stopped again.
        """
        try:
            self._claim_data()
            for name in NAMES:
                self._demand_free_port(name)
            logs.begin(self.layout)
            if self._verbose is not None:
                self._follower = logs.Follower(self.layout, self._verbose)
            self._announce("databases")
            self._migrate()
            # All others fetch the signing keys from auth_service: they start faster once it is up.
            self._start_and_wait(["auth_service"])
            self._start_and_wait([name for name in NAMES if name != "auth_service"])
        except BaseException:
            self.stop()
            raise

    def stop(self, grace: float = GRACE_S) -> None:
        """Asks all processes to end, callers first; kills what is left after `grace` seconds."""
        running = [self._processes[name] for name in reversed(NAMES) if name in self._processes]
        for process in running:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + grace
        for process in running:
            await_end(process, deadline - time.monotonic())
        self._processes.clear()
        if self._follower is not None:
            self._follower.close()
            self._follower = None
        if self._claim is not None:
            self._claim.close()
            self._claim = None

    def kill(self, name: Name) -> None:
        """Ends a process by SIGKILL, as a crash would."""
        process = self._processes[name]
        process.kill()
        process.wait()

    def restart(self, name: Name) -> None:
        """Starts a process again on the same address, stopping it first if it still runs."""
        end(self._processes[name], grace=GRACE_S)
        self._start_and_wait([name])

    def pid(self, name: Name) -> int:
        """Returns the process id, for tests that send signals of their own."""
        return self._processes[name].pid

    def ended(self) -> Name | None:
        """Returns a process that has ended by itself, or None while all run."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                return name
        return None

    def obituary(self, name: Name) -> str:
        """Returns what is known about a process that ended: exit code and its last words."""
        code = self._processes[name].poll()
        log = self.layout.log(name)
        return f"{name} ended with code {code}. The end of {log}:\n{last_lines(log)}"

    def _claim_data(self) -> None:
        """Keeps a second system off these databases, whatever ports it uses."""
        self.layout.data.mkdir(parents=True, exist_ok=True)
        claim = (self.layout.data / "lock").open("w")
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            claim.close()
            raise StartFailed(
                f"another system is running on {self.layout.data}. "
                "Stop it, or give this one a folder of its own (--data)."
            ) from None
        self._claim = claim

    def _demand_free_port(self, name: Name) -> None:
        host, port = split_address(self.layout.listen[name])
        if not is_free(host, port):
            other = join_address(host, free_port(host))
            raise StartFailed(
                f"{name} cannot listen on {join_address(host, port)}: the port is taken. "
                f"Free it, or choose another address: {PREFIX[name]}_LISTEN={other}"
            )

    def _migrate(self) -> None:
        running = {name: self._spawn(name, "migrate") for name in WITH_DATABASE}
        try:
            for name, process in running.items():
                if process.wait(timeout=READY_TIMEOUT_S) != 0:
                    said = last_lines(self.layout.log(name))
                    raise StartFailed(f"{name}'s database could not be migrated:\n{said}")
        finally:
            for process in running.values():
                process.kill()
                process.wait()

    def _start_and_wait(self, names: Iterable[Name]) -> None:
        names = list(names)
        for name in names:
            self._processes[name] = self._spawn(name)
        deadline = time.monotonic() + READY_TIMEOUT_S
        for name in names:
            self._await_ready(name, deadline)
            self._announce(name)

    def _spawn(self, name: Name, *arguments: str) -> subprocess.Popen[bytes]:
        return spawn(
            [*self._programs.get(name, [sys.executable, "-m", name]), *arguments],
            log=self.layout.log(name),
            environment=self.layout.environment(name, self.secrets),
        )

    def _await_ready(self, name: Name, deadline: float) -> None:
        while not self._is_ready(name):
            if self._processes[name].poll() is not None:
                raise StartFailed(self.obituary(name))
            if time.monotonic() > deadline:
                said = last_lines(self.layout.log(name))
                raise StartFailed(f"{name} was not ready in {READY_TIMEOUT_S:.0f} s:\n{said}")
            time.sleep(PAUSE_S)

    def _is_ready(self, name: Name) -> bool:
        address, certificates = self.layout.listen[name], self.layout.certificates
        if name == "gateway":
            return http_is_ready(address, certificates.authority if certificates else None)
        return grpc_is_serving(address, self.tls(name))
