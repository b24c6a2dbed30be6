"""What `make run` prints: progress while starting, then addresses and the next commands to try."""

from __future__ import annotations

import os
from typing import TextIO

from local.layout import PREFIX
from local.supervisor import System

TRY = """\
curl -sS {url}/api/v1/auth/register --json '{{"username": "ada", "password": "{password}"}}'

TOKEN=$(curl -sS {url}/api/v1/auth/login --json '{{"username": "ada", "password": "{password}"}}' \\
  | sed 's/.*"access_token": *"\\([^"]*\\)".*/\\1/')

curl -sS {url}/api/v1/jobs -H "authorization: Bearer $TOKEN" --json \\
  '{{"command": "python train.py", "gpu_type": "A100", "estimated_hours": 1}}'"""


class Terminal:
    """Writes to a terminal, in bold and colour where it shows them and nobody set NO_COLOR."""

    def __init__(self, output: TextIO) -> None:
        """Writes to `output`."""
        self._output = output
        self._styled = output.isatty() and not os.environ.get("NO_COLOR")

    def line(self, text: str) -> None:
        """Writes a line at once."""
        print(text, file=self._output, flush=True)

    def step(self, name: str) -> None:
        """Writes that a step of the start is done."""
        self.line(f"  {self.green('ready')}  {name}")

    def bold(self, text: str) -> str:
        """Makes the text bold."""
        return f"\033[1m{text}\033[0m" if self._styled else text

    def green(self, text: str) -> str:
        """Makes the text green."""
        return f"\033[32m{text}\033[0m" if self._styled else text


def summary(system: System, terminal: Terminal) -> str:
    """Returns addresses, the administrator's account and the first three commands to try."""
    rows = [
        ("REST", f"{system.url}/api/v1"),
        ("health", f"{system.url}/readyz"),
        *((f"gRPC {name}", system.target(name)) for name in PREFIX if name != "gateway"),
        ("administrator", administrator(system)),
        ("logs", str(system.layout.logs)),
    ]
    table = "\n".join(f"  {terminal.bold(f'{label:<22}')} {value}" for label, value in rows)
    return "\n".join(
        [
            "",
            table,
            "",
            terminal.bold("Register, log in, and submit a first job:"),
            "",
            commands(system),
            "",
            "Ctrl-C stops everything; the next start finds it as it was.",
        ]
    )


def commands(system: System) -> str:
    """Returns the first commands to try; over TLS with the authority that curl has to believe."""
    text = TRY.format(url=system.url, password="tea leaves at noon")
    certificates = system.layout.certificates
    if certificates is None:
        return text
    return text.replace("curl -sS ", f"curl -sS --cacert {certificates.authority} ")


def administrator(system: System) -> str:
    """Returns the account's name, and its password on the first start only."""
    if system.secrets.is_new:
        return f"admin, first password {system.admin_password} (shown this once)"
    return f"admin, first password in {system.secrets.admin_password}"
