"""The engine's explanations in a service's words."""

from collections.abc import Iterable
from datetime import datetime

from scheduler_service.domain.answers import Explanation
from scheduler_service.domain.moments import micros_of, moment, moment_or_none
from scheduler_service.domain.prediction import History
from scheduler_service.domain.scheduling import explain as explaining
from scheduler_service.domain.scheduling.record import as_of


def explain_past(lines: Iterable[str], workload_id: str, at: datetime) -> Explanation | None:
    """Why a workload waited at a time, by a decision log; None if it neither waited nor ran.

    Raises:
        BrokenChain: a line of the log was changed, left out or put in.
    """
    engine = as_of(lines, micros_of(at), History())
    found = explaining.explain(engine, workload_id, micros_of(at))
    return None if found is None else explanation_of(found)


def explanation_of(found: explaining.Explanation) -> Explanation:
    """An explanation of the engine, with times in place of its microseconds."""
    return Explanation(
        workload_id=found.id,
        kind=found.kind,
        message=found.message,
        position=found.position,
        queue_length=found.queue_length,
        pool=found.pool,
        constraint=found.constraint,
        remedy=_remedy(found),
        blocking=found.blocking,
        start_earliest=moment_or_none(found.earliest),
        start_latest=moment_or_none(found.latest),
    )


def _remedy(found: explaining.Explanation) -> str:
    """With the end of what is in the way, and about when that is, in UTC."""
    if not found.blocking or found.kind is explaining.ReasonKind.PRIORITY:
        return found.remedy
    ends = f"the end of {', '.join(found.blocking[:3])}"
    if found.frees is not None:
        ends += f", about {moment(found.frees):%H:%M}"
    return f"{found.remedy}, or {ends}" if found.remedy else ends
