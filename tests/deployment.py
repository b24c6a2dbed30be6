"""What the deployment's files say: docker-compose.yml and the Dockerfile, read as data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from local.processes import ROOT

Compose: TypeAlias = dict[str, Any]
COMPOSE_FILE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"


def load_compose() -> Compose:
    """Returns docker-compose.yml with its variables at their defaults."""
    compose: Compose = yaml.safe_load(_interpolated(COMPOSE_FILE.read_text()))
    return compose


def _interpolated(text: str) -> str:
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a Dockerfile: its name ("" for the last) and its instructions."""

    name: str
    instructions: tuple[tuple[str, str], ...]

    def all(self, kind: str) -> list[str]:
        """Returns the arguments of every instruction of a kind."""
        return [arguments for word, arguments in self.instructions if word == kind]

    def last(self, kind: str) -> str:
        """Returns the arguments of the last instruction of a kind, the one that holds."""
        return self.all(kind)[-1]


@dataclass(frozen=True, slots=True)
class Copy:
    """A COPY instruction: from which stage ("" for the checkout), what, and where to."""

    stage: str
    sources: tuple[str, ...]
    target: str


def load_stages() -> list[Stage]:
    """Returns the Dockerfile's stages, the one that becomes the image last."""
    return list(_stages(DOCKERFILE.read_text()))


def copies(stage: Stage) -> Iterator[Copy]:
    """Yields what a stage copies, in order."""
    for arguments in stage.all("COPY"):
        words = arguments.split()
        origin = [word.removeprefix("--from=") for word in words if word.startswith("--from=")]
        paths = [word for word in words if not word.startswith("--")]
        yield Copy("".join(origin), tuple(paths[:-1]), paths[-1])


def variables(stage: Stage) -> dict[str, str]:
    """Returns the environment that a stage sets."""
    words = " ".join(stage.all("ENV")).split()
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _stages(text: str) -> Iterator[Stage]:
    joined = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    lines = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    starts = [index for index, line in enumerate(lines) if line[0] == "FROM"]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        name = lines[start][1].partition(" AS ")[2]
        yield Stage(name, tuple((word, rest) for word, rest in lines[start:end]))
