"""Jobs and their events as the documents that rows and the log hold: JSON by msgspec."""

from functools import lru_cache
from typing import Generic, TypeVar

import msgspec

from job_service.domain.approval import Rules
from job_service.domain.job import Job, JobEvent
from job_service.domain.runs import Run
from job_service.domain.states import EventKind, JobState
from servicekit.clock import from_micros, to_micros
from servicekit.eventlog import BATCH
from servicekit.transaction import Event, RecordedEvent

_encoder = msgspec.json.Encoder()
_job_decoder = msgspec.json.Decoder(Job)
_rules_decoder = msgspec.json.Decoder(Rules)
_run_decoder = msgspec.json.Decoder(Run)


J = TypeVar("J")


class _EventDocument(msgspec.Struct, Generic[J]):
    """An event's payload; kind and time are columns of their own."""

    actor: str
    reason: str
    previous_state: JobState | None
    job: J


class _Actor(msgspec.Struct):
    """The part of an event's payload that says who caused it."""

    actor: str


_actor_decoder = msgspec.json.Decoder(_Actor)
_event_decoder = msgspec.json.Decoder(_EventDocument[Job])


def encode_job(job: Job) -> bytes:
    """The job's document."""
    return _encoder.encode(job)


def decode_job(document: bytes) -> Job:
    """The job of a document."""
    return _job_decoder.decode(document)


def encode_run(run: Run) -> bytes:
    """The run's document."""
    return _encoder.encode(run)


def decode_run(document: bytes) -> Run:
    """The run of a document."""
    return _run_decoder.decode(document)


def actor_of(recorded: RecordedEvent) -> str:
    """Who caused an event, without a look at the job that it holds."""
    return _actor_decoder.decode(recorded.payload).actor


def encode_event(event: JobEvent, job_document: bytes) -> Event:
    """The event as the log takes it, around the document of its job."""
    payload = _EventDocument(
        event.actor, event.reason, event.previous_state, msgspec.Raw(job_document)
    )
    return Event(event.kind, event.job.id, _encoder.encode(payload), to_micros(event.at))


@lru_cache(maxsize=2 * BATCH)
def decode_event(recorded: RecordedEvent) -> JobEvent:
    """The event of a record; every watcher of the newest events shares one decoding."""
    document = _event_decoder.decode(recorded.payload)
    return JobEvent(
        EventKind(recorded.kind),
        document.job,
        document.actor,
        document.reason,
        from_micros(recorded.at),
        document.previous_state,
    )


def encode_rules(rules: Rules) -> bytes:
    """The document of all approval rules."""
    return _encoder.encode(rules)


@lru_cache(maxsize=4)
def decode_rules(document: bytes) -> Rules:
    """The rules of a document; every submit asks for the newest ones."""
    return _rules_decoder.decode(document)
