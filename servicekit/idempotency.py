"""Idempotency by request id: the key, the first answer and the change commit together.

A repeat of a request gets the first answer without the change being made again; the same id with
another body is refused. Refused requests leave no key behind: repeating one runs it again.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Generic, Protocol, TypeVar, cast

import sqlalchemy as sa

from servicekit.call import current_call
from servicekit.clock import Clock, to_micros
from servicekit.commits import Command, prefetch
from servicekit.errors import InvalidArgument, Violation
from servicekit.ids import checked_uuid
from servicekit.tables import Plumbing
from servicekit.transaction import Transaction
from servicekit.values import Value
from servicekit.wire import Encoded
from servicekit.writer import Writer

T = TypeVar("T")
U = TypeVar("U", bound="RemembersRequests")
KEEP = timedelta(hours=24)


class Message(Protocol):
    """What is needed of a protobuf message."""

    def SerializeToString(self, *, deterministic: bool = ...) -> bytes:  # noqa: N802
        """The message's bytes."""

    @classmethod
    def FromString(cls, s: bytes) -> Any:  # noqa: N802
        """The message of these bytes."""


M = TypeVar("M", bound=Message)


class MutatingRequest(Message, Protocol):
    """A request that may carry a request id."""

    @property
    def request_id(self) -> str:
        """A UUID, or empty."""


class Requests:
    """The remembered requests of a service, part of its unit of work."""

    def __init__(self, transaction: Transaction, tables: Plumbing) -> None:
        self._transaction = transaction
        self._table = tables.requests

    def load(self, keys: Sequence[str]) -> None:
        """Reads many keys at once."""
        self._transaction.load(self._table, keys)

    def answer(self, key: str, fingerprint: bytes) -> bytes | None:
        """The first answer to this request, or None if it is new.

        Raises:
            InvalidArgument: REQUEST_ID_REUSED, the id was used with another body.
        """
        row = self._transaction.get(self._table, key)
        if row is None:
            return None
        if bytes(row["fingerprint"]) != fingerprint:
            expected = "a new id for a new request; this one was used with another body"
            raise InvalidArgument(
                f"request_id: expected {expected}",
                reason="REQUEST_ID_REUSED",
                violations=[Violation("request_id", expected)],
            )
        return bytes(row["answer"])

    def remember(self, key: str, fingerprint: bytes, answer: bytes, expires_at: int) -> None:
        """Keeps the first answer; ``expires_at`` in microseconds since 1970."""
        row = {"key": key, "fingerprint": fingerprint, "answer": answer, "expires_at": expires_at}
        self._transaction.insert(self._table, row)

    def forget(self, before: int, most: int) -> int:
        """Deletes up to ``most`` that expired before the given microsecond, and counts them."""
        expired = sa.select(self._table.c.key).where(self._table.c.expires_at < before).limit(most)
        return self._transaction.execute(self._table.delete().where(self._table.c.key.in_(expired)))


class RemembersRequests(Protocol):
    """A unit of work that remembers requests."""

    @property
    def requests(self) -> Requests:
        """The remembered requests."""


class Once(Value, Generic[U, T], frozen=True):
    """A command that answers with a message's bytes, and runs at most once per key, if any.

    ``body`` is the request; under one key it is always the same.
    """

    command: Command[U, T]
    encode: Callable[[T], Message]
    key: str
    body: bytes
    expires_at: int

    @property
    def name(self) -> str:
        """The inner command's name."""
        return self.command.name

    @staticmethod
    def prefetch(unit: U, commands: "Sequence[Once[U, T]]") -> None:
        """Reads all keys of the group in one statement, then what the inner commands need."""
        unit.requests.load([once.key for once in commands if once.key])
        prefetch(unit, [once.command for once in commands])

    def run(self, unit: U) -> bytes:
        """The first answer if there is one; else runs the command and keeps its answer."""
        if not self.key:
            return self.encode(self.command.run(unit)).SerializeToString()
        fingerprint = hashlib.blake2b(self.body, digest_size=16).digest()
        answer = unit.requests.answer(self.key, fingerprint)
        if answer is None:
            answer = self.encode(self.command.run(unit)).SerializeToString()
            unit.requests.remember(self.key, fingerprint, answer, self.expires_at)
        return answer


class Idempotent(Generic[U]):
    """What an entrypoint calls to answer a mutating request."""

    def __init__(self, writer: Writer[U], clock: Clock) -> None:
        self._writer = writer
        self._clock = clock

    async def __call__(
        self,
        request: MutatingRequest,
        command: Command[U, T],
        encode: Callable[[T], M],
        answer_type: type[M],
    ) -> M:
        """Runs the command, at most once if the request carries an id, and returns the answer.

        The id belongs to the caller and the method: nobody can collide with, or read, another's
        answers.

        Raises:
            InvalidArgument: ``request_id`` is not a UUID, or was used with another body.
        """
        answer = await self.encoded(request.request_id, body_of(request), command, encode)
        return cast("M", answer_type.FromString(answer.message))

    async def encoded(
        self, request_id: str, body: bytes, command: Command[U, T], encode: Callable[[T], M]
    ) -> Encoded:
        """The same for a handler that gives its answer as it is stored, for ``body_of`` a request.

        A command may hold the same bytes: they travel to the writer once.
        """
        if not request_id:
            return Encoded(await self._writer.execute(Once(command, encode, "", b"", 0)))
        expires_at = to_micros(self._clock.now() + KEEP)
        once = Once(command, encode, _key(request_id), body, expires_at)
        return Encoded(await self._writer.execute(once))


def body_of(request: MutatingRequest) -> bytes:
    """A request as bytes that are the same for equal requests."""
    return request.SerializeToString(deterministic=True)


def _key(request_id: str) -> str:
    call = current_call()
    caller = call.identity.subject if call.identity else ""
    return f"{caller}/{call.method}/{checked_uuid('request_id', request_id)}"
