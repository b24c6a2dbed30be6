"""What is told about finished calls: a line in the log, and a duration in the metrics.

A call only leaves a note; the notes become lines and observations together, every 50 ms. Done one
by one in the middle of each call, the same work costs several times as much.
"""

import asyncio
from time import perf_counter, time
from typing import NamedTuple

from servicekit import logs
from servicekit.call import Call
from servicekit.errors import Failure
from servicekit.metrics import RpcDurations

_INTERVAL_SECONDS = 0.05
_SOURCE = "servicekit.access"


class _Note(NamedTuple):
    """One finished call: when it ended, how long it took, and how it went."""

    method: "MethodReport"
    call: Call
    ended_at: float
    seconds: float
    code: str
    failure: Failure | None


class CallReports:
    """Collects the notes of all methods and works them off in batches."""

    def __init__(self) -> None:
        self._notes: list[_Note] = []

    def method(self, name: str, *, quiet: bool) -> "MethodReport":
        """Returns the report of one method; a quiet one (health probes) is logged as debug."""
        return MethodReport(self, name, quiet=quiet)

    def add(self, note: _Note) -> None:
        """Keeps a note; the first one of a batch has the batch worked off later."""
        if not self._notes:
            asyncio.get_running_loop().call_later(_INTERVAL_SECONDS, self.flush)
        self._notes.append(note)

    def flush(self) -> None:
        """Works off the notes that wait."""
        notes, self._notes = self._notes, []
        for note in notes:
            note.method.tell(note)


class MethodReport:
    """Reports the calls of one method."""

    def __init__(self, reports: CallReports, name: str, *, quiet: bool) -> None:
        self._reports = reports
        self._name = name
        self._durations = RpcDurations(name)
        self._level = "debug" if quiet else "info"

    def ended(self, call: Call, started: float, code: str, failure: Failure | None) -> None:
        """Notes one call: `started` is what `perf_counter` said at its arrival."""
        note = _Note(self, call, time(), perf_counter() - started, code, failure)
        self._reports.add(note)

    def tell(self, note: _Note) -> None:
        """Counts one noted call and writes its line."""
        self._durations.observe(note.code, note.seconds)
        call, identity = note.call, note.call.identity
        fields = {
            "request_id": call.request_id,
            "traceparent": call.traceparent,
            "method": self._name,
            "code": note.code,
            "ms": round(note.seconds * 1000, 2),
            "subject": identity.subject if identity is not None else "",
        }
        if note.failure is not None:
            fields["reason"] = note.failure.reason
        logs.write(self._level, _SOURCE, "rpc", note.ended_at, fields)
