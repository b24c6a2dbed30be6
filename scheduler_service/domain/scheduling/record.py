"""The decision log: every step's inputs and decisions, chained by hashes, and their replay.

A line is the SHA-256 of the line before it (64 zeros for the first) and its own content, in
hexadecimal, a space, and the content as JSON: ``[now, events, decisions]``, where every event and
decision is its kind followed by its fields. The first line tells how the engine was made.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, get_args

import msgspec

from scheduler_service.domain.scheduling.decisions import Decision
from scheduler_service.domain.scheduling.engine import Engine
from scheduler_service.domain.scheduling.events import Event
from scheduler_service.domain.scheduling.policy import Policy
from scheduler_service.domain.scheduling.protocols import Predictor

GENESIS = "0" * 64

_encode = msgspec.json.Encoder().encode
_DECODERS: dict[str, Callable[[Any], Any]] = {
    kind.__name__: msgspec.json.Decoder(kind).decode
    for kind in (*get_args(Event), *get_args(Decision))
}


class _Opening(msgspec.Struct):
    """How the engine of a log was made."""

    policy: Policy
    requeues: bool


class Step(NamedTuple):
    """One step as the log keeps it."""

    now: int
    events: Sequence[Event]
    decisions: Sequence[Decision]


class Log(NamedTuple):
    """A log that was read: how its engine was made, and its steps."""

    policy: Policy
    requeues: bool
    steps: Iterator[Step]


class Difference(NamedTuple):
    """The first step at which a replay decides otherwise; ``step`` counts from 1."""

    step: int
    now: int
    recorded: Sequence[Decision]
    replayed: Sequence[Decision]


class Replayed(NamedTuple):
    """What a replay came to: how many steps were equal, and the first that was not."""

    steps: int
    difference: Difference | None


class BrokenChain(ValueError):
    """A line of a log is not the one that was written there."""


class Recorder:
    """An engine whose every step is written down; ``write`` takes one line without its end."""

    def __init__(
        self,
        write: Callable[[str], object],
        policy: Policy,
        predictor: Predictor | None = None,
        *,
        requeues: bool = True,
    ) -> None:
        self.engine = Engine(policy, predictor, requeues=requeues)
        self.digest = GENESIS
        self._write = write
        self._append(_encode(_Opening(policy, requeues)))

    def step(self, now: int, events: Iterable[Event]) -> list[Decision]:
        """Takes a step of the engine and writes it down."""
        told = list(events)
        decisions = self.engine.step(now, told)
        self._append(_encode([now, _tagged(told), _tagged(decisions)]))
        return decisions

    def _append(self, content: bytes) -> None:
        self.digest = _chained(self.digest, content)
        self._write(f"{self.digest} {content.decode()}")


def read(lines: Iterable[str]) -> Log:
    """Reads a log from its beginning.

    Raises:
        BrokenChain: a line was changed, left out or put in; raised when it is reached.
    """
    contents = _verified(lines)
    try:
        opening = msgspec.json.decode(next(contents), type=_Opening)
    except (StopIteration, msgspec.ValidationError):
        raise BrokenChain("The log does not begin with how its engine was made.") from None
    return Log(opening.policy, opening.requeues, map(_step, contents))


def replay(lines: Iterable[str], predictor: Predictor | None = None) -> Replayed:
    """Takes every step of a log anew and compares.

    Raises:
        BrokenChain: a line was changed, left out or put in.
    """
    log = read(lines)
    engine = Engine(log.policy, predictor, requeues=log.requeues)
    count = 0
    for step in log.steps:
        count += 1
        decisions = engine.step(step.now, step.events)
        if decisions != step.decisions:
            return Replayed(count - 1, Difference(count, step.now, step.decisions, decisions))
    return Replayed(count, None)


def as_of(lines: Iterable[str], at: int, predictor: Predictor | None = None) -> Engine:
    """The engine as it stood at a time: after the last step at or before it."""
    log = read(lines)
    engine = Engine(log.policy, predictor, requeues=log.requeues)
    for step in log.steps:
        if step.now > at:
            break
        engine.step(step.now, step.events)
    return engine


def _verified(lines: Iterable[str]) -> Iterator[bytes]:
    digest = GENESIS
    for number, line in enumerate(lines, 1):
        written, _, content = line.rstrip("\n").partition(" ")
        digest = _chained(digest, content.encode())
        if written != digest:
            raise BrokenChain(f"Line {number} of the log is not what was written there.")
        yield content.encode()


def _chained(digest: str, content: bytes) -> str:
    return hashlib.sha256(digest.encode() + content).hexdigest()


def _tagged(items: Iterable[Event | Decision]) -> list[tuple[str, Event | Decision]]:
    return [(type(item).__name__, item) for item in items]


def _step(content: bytes) -> Step:
    now, events, decisions = msgspec.json.decode(
        content, type=tuple[int, list[tuple[str, msgspec.Raw]], list[tuple[str, msgspec.Raw]]]
    )
    return Step(now, _untagged(events), _untagged(decisions))


def _untagged(items: Iterable[tuple[str, msgspec.Raw]]) -> list[Any]:
    return [_DECODERS[kind](content) for kind, content in items]
