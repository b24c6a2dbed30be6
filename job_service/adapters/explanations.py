"""What the scheduler says about runs when it is asked: why they wait, and what they write."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from gpuaas.scheduler.v1 import scheduler_service_pb2 as pb
from job_service.domain.output import OutputLine, Source
from job_service.domain.waiting import Waiting, WaitingKind
from servicekit.wellknown import moment

_KINDS = {pb.Explanation.Kind.Value(f"KIND_{kind}"): kind for kind in WaitingKind}
_SOURCES = {pb.WorkloadLogLine.Source.Value(f"SOURCE_{it}"): it for it in Source}


def explained(explanations: Iterable[pb.Explanation]) -> dict[str, Waiting]:
    """Why runs wait, by their ids; those that do not wait, or why is not known, are left out."""
    return {it.workload_id: _waiting(it) for it in explanations if it.kind in _KINDS}


def output_lines(lines: Iterable[pb.WorkloadLogLine]) -> list[OutputLine]:
    """Lines of a run's output."""
    return [
        OutputLine(it.offset, moment(it.time), _SOURCES.get(it.source, Source.STDOUT), it.text)
        for it in lines
    ]


def _waiting(explanation: pb.Explanation) -> Waiting:
    return Waiting(
        _KINDS[explanation.kind],
        explanation.message,
        explanation.position,
        _time(explanation, "start_earliest"),
        _time(explanation, "start_latest"),
        explanation.remedy,
        _time(explanation, "update_time"),
    )


def _time(message: Any, name: str) -> datetime | None:
    return moment(getattr(message, name)) if message.HasField(name) else None
