"""Secrets in logs: what they look like, and where the logs of a whole test run are.

Two nets, both cheap. What a test's own process logged is searched when the test ends, and fails
that test. What other processes logged lies in files below the run's temporary folder and is
searched once, when the run ends. Tokens, keys, hashes and URLs with passwords are known by their
form; passwords by their text: those that tests use are listed here, and those of a system stand in
the `secrets` folder beside its `logs`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

FORMS = {
    "access token": r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{16,}",
    "API key": r"\bgpuaas_[a-z2-7]{8}_[\w-]{20,}",
    "device token": r"\bgpud_[\w-]{20,}",
    "ticket": r"\bgput_[\w-]{20,}",
    "webhook's secret": r"\bwhsec_[\w-]{20,}",
    "password hash": r"\$2[aby]\$\d\d\$[./\w]{20,}|\$pbkdf2-sha256\$\d+\$",
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "URL with a password": r"\b\w+(?:\+\w+)?://[^\s:/@\"]+:(?!\*)[^\s:/@\"]+@",
    "bearer": r"[Bb]earer [\w.-]{20,}",
}
"""What secrets of each kind look like; a log has no reason to hold any of it."""

PASSWORDS = (
    "nine lamps by the harbour",
    "tea leaves at noon",
    "the password of services",
    "the gateway's own password",
    "correct horse battery",
    "of the one who minds it",
    "shared by all our services",
    "nine gulls over the quay",
    "canary in the coal mine",
)
"""Passwords of tests that log in; none of them is in a log by chance."""

SHORTEST = 12

_FORMS = re.compile("|".join(f"(?P<f{index}>{form})" for index, form in enumerate(FORMS.values())))
_KINDS = tuple(FORMS)


@dataclass(frozen=True, slots=True)
class Leak:
    """A secret in a log: of which kind, and the line that holds it, with the secret cut short."""

    kind: str
    line: str

    def __str__(self) -> str:
        """Returns both in a line."""
        return f"{self.kind}: {self.line}"


def leaks(text: str, secrets: Iterable[str] = ()) -> Iterator[Leak]:
    """Yields the secrets in a log; `secrets` are further texts that must not be in it."""
    for found in _FORMS.finditer(text):
        yield _leak(_KINDS[int((found.lastgroup or "f0")[1:])], text, found.start(), found.end())
    for secret in (*PASSWORDS, *secrets):
        place = text.find(secret)
        if place >= 0:
            yield _leak("password", text, place, place + len(secret))


def leaks_of_files(folder: Path) -> Iterator[tuple[Path, Leak]]:
    """Yields what is in any log file below a folder, each searched for its own system's secrets."""
    for path in sorted(folder.rglob("*.log")):
        text = path.read_text(errors="replace")
        for leak in leaks(text, own_secrets(path)):
            yield path, leak


def own_secrets(log: Path) -> list[str]:
    """Returns what is kept in the secrets of the system whose log this is."""
    folder = log.parent.parent / "secrets"
    texts = [path.read_text().strip() for path in folder.glob("*")] if folder.is_dir() else []
    return [text for text in texts if len(text) >= SHORTEST]


def _leak(kind: str, text: str, start: int, end: int) -> Leak:
    """Shows the place without showing the secret."""
    begin = max(text.rfind("\n", 0, start) + 1, start - 160)
    stop = text.find("\n", end)
    rest = text[end : min(stop if stop >= 0 else len(text), end + 60)]
    return Leak(kind, f"{text[begin:start]}{text[start : start + 6]}[...]{rest}")
